"""Checking arguments against what a function declares."""

from __future__ import annotations

from typing import Final

from tork_core.errors import ExpressionError
from tork_core.expressions.arithmetic import whole
from tork_core.expressions.functions.declare import Function, Parameter
from tork_core.expressions.times import Duration, Instant, Zone
from tork_core.expressions.values import MAPS, adopt, kind

_TYPES: Final[dict[str, frozenset[type]]] = {
    "array": frozenset({list}),
    "bool": frozenset({bool}),
    "bytes": frozenset({bytes}),
    "count": frozenset({int}),
    "date": frozenset({Instant}),
    "duration": frozenset({Duration}),
    "float": frozenset({float}),
    "int": frozenset({int}),
    "map": frozenset(MAPS),
    "nil": frozenset({type(None)}),
    "number": frozenset({int, float}),
    "string": frozenset({str}),
    "timezone": frozenset({Zone}),
}
_ARTICLES: Final = {"array": "an array", "int": "an int", "count": "an int", "nil": "nil"}


def accepted(parameter: Parameter) -> frozenset[type] | None:
    """The types that a parameter takes as they are; None where it takes anything."""
    if "any" in parameter.kinds:
        return None
    return frozenset(one for name in parameter.kinds for one in _TYPES[name])


def convert(value: object, function: Function, place: int) -> object:
    """An argument of a type that is not taken as it is: made to fit, or an error."""
    parameter = function.parameter(place)
    types = accepted(parameter)
    value = adopt(value)
    if types is None or type(value) in types:
        return value
    if "count" in parameter.kinds and type(value) is float:
        return whole(value, function.name)
    if "array" in parameter.kinds and isinstance(value, bytes):
        return list(value)
    wanted = " or ".join(_ARTICLES.get(name, f"a {name}") for name in parameter.kinds)
    raise ExpressionError(
        f"{function.name}: {parameter.name} needs {wanted}, not {kind(value)}",
        hint=function.signature,
    )


def check_count(function: Function, count: int, at: int) -> None:
    """Refuse a wrong number of arguments."""
    most = function.most
    if count >= function.least and (most is None or count <= most):
        return
    wanted = str(function.least)
    if most is None:
        wanted = f"at least {function.least}"
    elif most != function.least:
        wanted = f"{function.least} to {most}"
    raise ExpressionError(
        f"{function.name} takes {wanted} argument{'' if wanted == '1' else 's'}, not {count}",
        offset=at,
        hint=function.signature,
    )
