"""Compiled expressions."""

from __future__ import annotations

from collections.abc import Container, Iterable, Mapping
from functools import lru_cache
from typing import Final, cast

from tork_core.errors import ExpressionError
from tork_core.expressions.compiler import Compiler
from tork_core.expressions.frame import DEFAULT_CONTEXT, Context, Frame
from tork_core.expressions.functions.library import BUILTINS
from tork_core.expressions.functions.table import FunctionTable
from tork_core.expressions.limits import MAX_STEPS
from tork_core.expressions.names import Names, Reference, names_of
from tork_core.expressions.parser import parse
from tork_core.expressions.suggestions import did_you_mean
from tork_core.expressions.tree import Node
from tork_core.expressions.values import PLAIN, to_python

_CACHED: Final = 4_096
_FEW: Final = 64
_NOTHING: Final[Mapping[str, object]] = {}


class Expression:
    """An expression that is ready to be evaluated, as often as need be, by calling it with its
    names.

    ``references`` are the pairs of namespace and name that it uses, such as ``("tasks", "first")``;
    a namespace alone (``("tasks",)``) where it may use any name in it, and ``("$env",)`` where it
    may use any name at all. ``functions`` are the names of the functions that it calls.
    """

    __slots__ = (
        "_names",
        "_needed",
        "_run",
        "_special",
        "_table",
        "_taken",
        "_unknown",
        "_variables",
        "source",
        "tree",
    )

    def __init__(self, source: str, functions: FunctionTable) -> None:
        self.source = source
        self._table = functions
        try:
            self.tree: Node = parse(source)
            self._names: Names = names_of(self.tree, functions)
            compiler = Compiler(functions)
            self._run = compiler.compile(self.tree)
        except (ExpressionError, RecursionError) as error:
            raise self._failed(error) from None
        self._variables = compiler.variables
        self._needed = tuple(self._names.variables)
        # Names that must not be variables: functions that are called, and those of `let`.
        self._taken = (*self._names.functions, *self._names.lets)
        self._unknown = [name for name in self._names.functions if name not in functions]
        self._special = bool(self._taken or self._variables)

    @property
    def references(self) -> frozenset[Reference]:
        """What it uses of the environment."""
        return frozenset(self._names.references)

    @property
    def functions(self) -> frozenset[str]:
        """The names of the functions that it calls."""
        return frozenset(self._names.functions)

    @property
    def variables(self) -> frozenset[str]:
        """The names of the environment that it needs to be there."""
        return frozenset(self._names.variables)

    def __call__(
        self, env: Mapping[str, object] | None = None, context: Context = DEFAULT_CONTEXT
    ) -> object:
        """Evaluate with the names of ``env`` and return a plain Python value.

        Raises :class:`ExpressionError`, also for an unknown name or function that would not have
        been reached.
        """
        if self._special or env is None or context is not DEFAULT_CONTEXT:
            value = self.value(env, context)
        else:
            # The same as value(), without what most expressions have no need of.
            for name in self._needed:
                if name not in env:
                    raise self._unknown_name(name, env)
            frame = Frame()
            frame.env = env
            try:
                value = self._run(frame)
            except (ExpressionError, RecursionError) as error:
                raise self._failed(error) from None
        type_ = type(value)
        if type_ in PLAIN:
            return value
        if type_ is list:
            items = cast("list[object]", value)
            if len(items) < _FEW and PLAIN.issuperset(map(type, items)):
                return items
        try:
            return to_python(value)
        except ExpressionError as error:
            raise self._failed(error) from None

    def value(self, env: Mapping[str, object] | None, context: Context) -> object:
        """Evaluate and return a value of the language (values.py)."""
        table = context.functions
        if table is not None and table is not self._table:
            return compile_expression(self.source, table).value(env, context)
        names = _NOTHING if env is None else env
        for name in self._needed:
            if name not in names:
                raise self._unknown_name(name, names)
        for name in self._taken:
            if name in names:
                raise self._wrong_name(name, names)
        for name in self._unknown:
            raise self._unknown_function(name)
        frame = Frame()
        frame.env, frame.context = names, context
        if self._variables:
            frame.variables = [None] * self._variables
        allowance = context.allowance
        try:
            if allowance is not None:
                allowance.check()
            return self._run(frame)
        except (ExpressionError, RecursionError) as error:
            raise self._failed(error) from None
        finally:
            if allowance is not None:
                allowance.steps -= MAX_STEPS - frame.steps

    def _failed(self, error: ExpressionError | RecursionError) -> ExpressionError:
        """The error of an evaluation, with its source."""
        if isinstance(error, RecursionError):
            # Nesting is counted, so this takes a caller who is deep in calls of its own.
            error = ExpressionError("the expression is nested too deeply")
        error.source = self.source
        return error

    def unknown_functions(self) -> list[ExpressionError]:
        """An error for each function that is called and not there."""
        return [
            self._unknown_function(name)
            for name in self._names.functions
            if name not in self._table
        ]

    def unknown_names(self, names: Iterable[str]) -> list[ExpressionError]:
        """An error for each name that it needs and that is not among ``names``."""
        known = frozenset(names)
        return [
            self._unknown_name(name, known) for name in self._names.variables if name not in known
        ]

    def hidden_names(self, names: Iterable[str]) -> list[ExpressionError]:
        """An error for each function it calls or `let` name it gives that is among ``names``."""
        there = dict.fromkeys(names)
        return [self._wrong_name(name, there) for name in self._taken if name in there]

    def _unknown_name(self, name: str, known: Iterable[str]) -> ExpressionError:
        return ExpressionError(
            f"unknown name {name}",
            source=self.source,
            offset=self._names.variables[name],
            hint=did_you_mean(name, known),
        )

    def _unknown_function(self, name: str) -> ExpressionError:
        return ExpressionError(
            f"unknown function {name}",
            source=self.source,
            offset=self._names.functions[name],
            hint=did_you_mean(name, self._table),
        )

    def _wrong_name(self, name: str, env: Container[str]) -> ExpressionError:
        if name in self._names.lets:
            return ExpressionError(
                f"let cannot give the name {name} again",
                source=self.source,
                offset=self._names.lets[name],
            )
        return ExpressionError(
            f"{name} is a name here, not a function",
            source=self.source,
            offset=self._names.functions[name],
            hint=f"::{name}(…) calls the function" if name in self._table else None,
        )

    def __repr__(self) -> str:
        return f"<Expression {self.source!r}>"


def compile_expression(source: str, functions: FunctionTable = BUILTINS) -> Expression:
    """Parse and compile an expression; raise :class:`ExpressionError` where it is wrong.

    It knows no environment: unknown names and functions are errors when it is evaluated. Compiled
    expressions are cached by their source and the table of functions.
    """
    return _compiled(source, functions)


@lru_cache(maxsize=_CACHED)
def _compiled(source: str, functions: FunctionTable) -> Expression:
    return Expression(source, functions)
