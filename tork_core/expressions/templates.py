"""Templates: text with expressions in ``{{ }}``."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Final

from tork_core.errors import ExpressionError
from tork_core.expressions.expression import Expression, compile_expression
from tork_core.expressions.frame import DEFAULT_CONTEXT, Context
from tork_core.expressions.functions.library import BUILTINS
from tork_core.expressions.functions.table import FunctionTable
from tork_core.expressions.limits import Budget
from tork_core.expressions.names import Reference
from tork_core.expressions.printing import print_value
from tork_core.expressions.splitting import split_template

_CACHED: Final = 4_096
_LONGEST_CACHED: Final = 16_384


class Template:
    """A text with expressions in ``{{ }}``, ready to be rendered.

    ``references`` and ``functions`` are those of all its expressions together.
    """

    __slots__ = ("_parts", "_single", "source")

    def __init__(self, source: str, functions: FunctionTable) -> None:
        self.source = source
        self._parts: list[str | Expression] = []
        for text, start in split_template(source):
            if start is None:
                self._parts.append(text)
                continue
            try:
                self._parts.append(compile_expression(text, functions))
            except ExpressionError as error:
                raise _in_template(error, source, start) from None
        only = self._parts[0] if len(self._parts) == 1 else None
        self._single = only if isinstance(only, Expression) else None

    @property
    def expressions(self) -> list[Expression]:
        """The expressions, from left to right."""
        return [part for part in self._parts if isinstance(part, Expression)]

    @property
    def is_constant(self) -> bool:
        """Whether there is no expression in it."""
        return not self.expressions

    @property
    def references(self) -> frozenset[Reference]:
        """What its expressions use of the environment (see :class:`Expression`)."""
        return frozenset(found for one in self.expressions for found in one.references)

    @property
    def functions(self) -> frozenset[str]:
        """The names of the functions that its expressions call."""
        return frozenset(name for one in self.expressions for name in one.functions)

    def render(
        self, env: Mapping[str, object] | None = None, context: Context = DEFAULT_CONTEXT
    ) -> str:
        """The text with the values in it; nil is empty.

        Raises :class:`ExpressionError` where one of its expressions does.
        """
        single = self._single
        if single is not None:
            return _text(single, env, context)
        made = [
            part if type(part) is str else _text(part, env, context)  # type: ignore[arg-type]
            for part in self._parts
        ]
        return "".join(made)

    def value(
        self, env: Mapping[str, object] | None = None, context: Context = DEFAULT_CONTEXT
    ) -> object:
        """The value, if the template is one expression and nothing else; otherwise its text."""
        single = self._single
        return self.render(env, context) if single is None else single(env, context)

    def __repr__(self) -> str:
        return f"<Template {self.source!r}>"


def _text(expression: Expression, env: Mapping[str, object] | None, context: Context) -> str:
    value = expression.value(env, context)
    if type(value) is str:
        return value
    if value is None:
        return ""
    try:
        return print_value(value, Budget())
    except ExpressionError as error:
        error.source = expression.source
        raise


def _in_template(error: ExpressionError, source: str, start: int) -> ExpressionError:
    """The error of an expression with its place in the template."""
    error.source = source
    error.offset = start + (error.offset or 0)
    return error


def compile_template(text: str, functions: FunctionTable = BUILTINS) -> Template:
    """Split and compile a template; raise :class:`ExpressionError` where it is wrong.

    Templates are cached, but for very long ones.
    """
    if len(text) > _LONGEST_CACHED:
        return Template(text, functions)
    return _compiled(text, functions)


@lru_cache(maxsize=_CACHED)
def _compiled(text: str, functions: FunctionTable) -> Template:
    return Template(text, functions)
