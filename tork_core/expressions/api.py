"""Evaluating an expression or rendering a template in one call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, cast

from tork_core.expressions.expression import compile_expression
from tork_core.expressions.frame import DEFAULT_CONTEXT, Context
from tork_core.expressions.functions.library import BUILTINS
from tork_core.expressions.namespaces import TextNamespace
from tork_core.expressions.templates import compile_template

TEXT_NAMESPACES: Final = ("inputs", "secrets", "tasks", "job")
"""The names that :func:`render` takes for maps of text whose missing names are empty."""


def evaluate(
    source: str, env: Mapping[str, object] | None = None, context: Context = DEFAULT_CONTEXT
) -> object:
    """Evaluate an expression with the names of ``env`` and return a plain Python value.

    Raises :class:`ExpressionError` where it is wrong, where it fails, and for names that ``env``
    does not have.
    """
    return compile_expression(source, context.functions or BUILTINS)(env, context)


def render(
    template: str, env: Mapping[str, object] | None = None, context: Context = DEFAULT_CONTEXT
) -> str:
    """The text of a template with the values of its expressions in it.

    As in jobs, a name that is missing in ``inputs``, ``secrets``, ``tasks`` or ``job`` is the empty
    text, if these are maps of text.
    """
    compiled = compile_template(template, context.functions or BUILTINS)
    if env and not compiled.is_constant:
        env = {**env, **{name: _of_text(env[name]) for name in TEXT_NAMESPACES if name in env}}
    return compiled.render(env, context)


def _of_text(value: object) -> object:
    if type(value) is not dict:
        return value
    pairs = cast("dict[str, str]", value)
    return TextNamespace(pairs) if all(type(item) is str for item in pairs.values()) else pairs
