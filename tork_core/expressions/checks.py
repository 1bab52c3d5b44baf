"""Checking expressions at submission, before any value is known."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tork_core.errors import ExpressionError
from tork_core.expressions.expression import Expression, compile_expression
from tork_core.expressions.functions.library import BUILTINS
from tork_core.expressions.functions.table import FunctionTable
from tork_core.expressions.names import ENVIRONMENT
from tork_core.expressions.suggestions import did_you_mean
from tork_core.expressions.templates import compile_template


@dataclass(frozen=True, slots=True)
class Known:
    """The names that an expression may use.

    ``namespaces`` maps each top-level name to the names in it, where these are known (None where
    they are not, as for the variable of an each).
    """

    namespaces: Mapping[str, Iterable[str] | None]
    functions: FunctionTable = field(default=BUILTINS)


def check_expression(source: str, known: Known, *, field: str | None = None) -> list[str]:
    """Check an expression; return warnings for names that cannot exist.

    Raises :class:`ExpressionError`, with ``field`` in it, for syntax errors, unknown functions and
    unknown namespaces.
    """
    try:
        return _check(compile_expression(source, known.functions), known, field)
    except ExpressionError as error:
        raise _in_field(error, field) from None


def check_template(text: str, known: Known, *, field: str | None = None) -> list[str]:
    """Check the expressions of a template, as :func:`check_expression` does."""
    try:
        template = compile_template(text, known.functions)
        return [warning for one in template.expressions for warning in _check(one, known, field)]
    except ExpressionError as error:
        raise _in_field(error, field) from None


def _check(expression: Expression, known: Known, field: str | None) -> list[str]:
    problems = [
        *expression.hidden_names(known.namespaces),
        *expression.unknown_functions(),
        *expression.unknown_names(known.namespaces),
    ]
    if problems:
        raise min(problems, key=lambda error: error.offset or 0)
    place = f"{field}: " if field else ""
    warnings: list[str] = []
    for reference in sorted(expression.references):
        if len(reference) == 1:
            if reference[0] not in (ENVIRONMENT, *known.namespaces):
                # $env.name, which is an unknown name, or nil after ?.
                warnings.append(f"{place}there is no {reference[0]}")
            continue
        namespace, name = reference
        names = known.namespaces.get(namespace)
        if names is not None and name not in (there := list(names)):
            hint = did_you_mean(name, there)
            warnings.append(f"{place}there is no {namespace}.{name}{f'; {hint}' if hint else ''}")
    return warnings


def _in_field(error: ExpressionError, field: str | None) -> ExpressionError:
    if error.field is None:
        error.field = field
    return error
