"""The values of the language, and Python's.

Inside an expression a value is None, a bool, an int, a float, a str, bytes, a list, a map (dict,
:class:`TextNamespace` or :class:`KeyedMap`) or a date, duration, zone, month or weekday. The
environment may hold more of Python's types: ``adopt`` takes them in where they are met, and
``to_python`` gives plain Python values out. Anything else is opaque: it can be handed on, and
nothing can be read from it.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any, Final, cast

from tork_core.errors import ExpressionError
from tork_core.expressions import limits
from tork_core.expressions.limits import Budget
from tork_core.expressions.namespaces import TextNamespace
from tork_core.expressions.times import Duration, Instant, Month, Weekday, Zone


class KeyedMap(dict[Any, Any]):
    """A map whose keys may be of any type, as groupBy and fromPairs make.

    ``missing`` makes the value of a key that is not there. Bools and floats are wrapped as keys,
    for to Python 1, 1.0 and True are one key.
    """

    __slots__ = ("missing",)

    def __init__(self, missing: type[list[Any]] | None = None) -> None:
        super().__init__()
        self.missing = missing


class TypedKey:
    """A bool or a float as the key of a :class:`KeyedMap`."""

    __slots__ = ("value",)

    def __init__(self, value: bool | float) -> None:
        self.value = value

    def __hash__(self) -> int:
        return hash((type(self.value), self.value))

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, TypedKey)
            and type(self.value) is type(other.value)
            and self.value == other.value
        )


MAPS: Final = (dict, TextNamespace, KeyedMap)

_NAMES: Final[dict[type, str]] = {
    type(None): "nil",
    bool: "a bool",
    int: "an int",
    float: "a float",
    str: "a string",
    bytes: "bytes",
    list: "an array",
    dict: "a map",
    TextNamespace: "a map",
    KeyedMap: "a map",
    Instant: "a date",
    Duration: "a duration",
    Zone: "a time zone",
    Month: "a month",
    Weekday: "a weekday",
}
KNOWN: Final = frozenset(_NAMES)
PLAIN: Final = frozenset({type(None), bool, int, float, str, bytes})
"""The types that are the same in the language and in Python, and hold nothing else."""


def kind(value: object) -> str:
    """What a value is, for messages: ``a string``, ``nil``."""
    return _NAMES.get(type(value)) or f"a Python {type(value).__name__}"


def adopt(value: object) -> object:
    """A value of the language for one of Python's; what has no counterpart stays as it is."""
    if type(value) in KNOWN:
        return value
    match value:
        case datetime():
            return Instant.from_python(value)
        case timedelta():
            return Duration.from_python(value)
        case tzinfo():
            return Zone.from_python(value)
        case str():
            return str.__str__(value)
        case int():
            return int.__int__(value)
        case float():
            return float.__float__(value)
        case tuple() | list():
            return list(cast("list[object]", value))
        case bytearray():
            return bytes(value)
        case Mapping():
            return dict(cast("Mapping[object, object]", value))
        case _:
            return value


def to_python(value: object, budget: Budget | None = None, depth: int = 0) -> object:
    """A plain Python value for one of the language's.

    What it walks is counted: a list that holds another one twice, and so on, is small in memory and
    endless to whoever reads it.
    """
    type_ = type(value)
    if type_ in PLAIN:
        return value
    if budget is None:
        budget = Budget()
    match value:
        case list():
            items = cast("list[object]", value)
            _count(len(items), budget, depth)
            if PLAIN.issuperset(map(type, items)):
                return items
            return [to_python(item, budget, depth + 1) for item in items]
        case dict():
            pairs = cast("dict[object, object]", value)
            _count(len(pairs), budget, depth)
            if type_ is dict and PLAIN.issuperset(map(type, pairs.values())):
                return pairs
            return {key_of(key): to_python(item, budget, depth + 1) for key, item in pairs.items()}
        case Instant() | Duration() | Zone():
            return value.to_python()
        case Month() | Weekday():
            return value.number
        case _:
            adopted = adopt(value)
            # What the environment held already is Python's; only sequences need a look inside.
            return to_python(adopted, budget, depth) if type(adopted) in (list, dict) else value


def _count(elements: int, budget: Budget, depth: int) -> None:
    if depth > limits.MAX_DEPTH:
        raise nested_too_deeply()
    budget.spend(elements // limits.ELEMENTS_A_STEP + 5)


def as_key(value: object) -> Any:
    """A value as the key of a :class:`KeyedMap`."""
    if isinstance(value, bool | float):
        return TypedKey(value)
    type_ = type(value)
    if type_ is list or type_ in MAPS:
        raise ExpressionError(f"{kind(value)} cannot be the key of a map")
    return value


def key_of(key: object) -> object:
    """The value that a map's key stands for."""
    return to_python(key.value if isinstance(key, TypedKey) else key)


def native_key(key: object) -> object:
    """The value of the language that a map's key stands for."""
    return key.value if isinstance(key, TypedKey) else key


def nested_too_deeply() -> ExpressionError:
    """The error for values that are nested deeper than they may be."""
    return ExpressionError(f"the value is nested deeper than {limits.MAX_DEPTH} levels")
