"""Functions of maps."""

from __future__ import annotations

from typing import Any, Final, cast

from tork_core.errors import ExpressionError
from tork_core.expressions.arithmetic import whole
from tork_core.expressions.frame import Frame
from tork_core.expressions.functions.builtin import builtin
from tork_core.expressions.values import MAPS, KeyedMap, adopt, as_key, kind, native_key

_GROUP: Final = "Maps"


@builtin("keys(map: map) -> array", group=_GROUP)
def keys(frame: Frame, map: dict[Any, object]) -> list[object]:
    """The keys of a map, in any order.

    >>> keys({a: 1})
    ["a"]
    """
    frame.make(len(map))
    return [native_key(key) for key in map]


@builtin("values(map: map) -> array", group=_GROUP)
def values(frame: Frame, map: dict[Any, object]) -> list[object]:
    """The values of a map, in any order.

    >>> values({a: 1})
    [1]
    """
    frame.make(len(map))
    return list(map.values())


@builtin("toPairs(map: map) -> array", group=_GROUP)
def to_pairs(frame: Frame, map: dict[Any, object]) -> list[object]:
    """The pairs of key and value of a map, in any order.

    >>> toPairs({a: 1})
    [["a", 1]]
    """
    frame.make(3 * len(map))
    return [[native_key(key), value] for key, value in map.items()]


@builtin("fromPairs(pairs: array) -> map", group=_GROUP)
def from_pairs(frame: Frame, pairs: list[object]) -> KeyedMap:
    """A map of pairs of key and value; of equal keys the last one counts.

    >>> fromPairs([["a", 1], ["b", 2]])
    {"a": 1, "b": 2}
    """
    frame.make(len(pairs))
    made = KeyedMap()
    for pair in pairs:
        parts: Any = adopt(pair)
        if not isinstance(parts, list | bytes) or len(cast("list[object]", parts)) != 2:
            raise ExpressionError("fromPairs: every pair must be an array of two")
        key, value = cast("list[object]", parts)
        made[as_key(adopt(key))] = value
    return made


@builtin("get(value: any, key: any) -> any", group=_GROUP)
def get(value: object, key: object) -> object:
    """A value of a map by its key, or of an array or a string by its place; nil when absent.

    >>> get({a: 1}, "b")
    nil
    """
    key = adopt(key)
    if isinstance(value, list | str | bytes):
        place = whole(key, "get")
        items = cast("list[object]", value)
        return items[place] if -len(items) <= place < len(items) else None
    if isinstance(value, KeyedMap):
        return value.get(as_key(key))
    if type(value) in MAPS:
        if type(key) is not str and key is not None:
            raise ExpressionError(f"get: {kind(key)} cannot be a key of a map with text keys")
        return cast("dict[str, object]", value).get(key or "")
    return None


FUNCTIONS: Final = (keys, values, to_pairs, from_pairs, get)
