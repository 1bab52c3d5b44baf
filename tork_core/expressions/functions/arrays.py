"""Functions of arrays."""

from __future__ import annotations

from typing import Any, Final, cast

from tork_core.errors import ExpressionError
from tork_core.expressions.comparing import NUMBERS, equal, unordered
from tork_core.expressions.frame import Frame
from tork_core.expressions.functions.builtin import builtin
from tork_core.expressions.limits import MAX_DEPTH
from tork_core.expressions.times import Duration, Instant
from tork_core.expressions.values import adopt, kind, nested_too_deeply

_GROUP: Final = "Arrays"


@builtin("concat(arrays...: array) -> array", group=_GROUP)
def concat(frame: Frame, *arrays: list[object]) -> list[object]:
    """Join arrays into one.

    >>> concat([1, 2], [3])
    [1, 2, 3]
    """
    frame.make(sum(map(len, arrays)))
    if not arrays:
        raise ExpressionError("concat needs at least one array")
    return [item for array in arrays for item in array]


@builtin("flatten(array: array) -> array", group=_GROUP)
def flatten(frame: Frame, array: list[object]) -> list[object]:
    """Put the elements of nested arrays, at any depth, into one array.

    >>> flatten([1, [2, [3]]])
    [1, 2, 3]
    """
    made: list[object] = []
    _flatten_into(made, array, frame, 0)
    return made


def _flatten_into(made: list[object], array: list[object], frame: Frame, depth: int) -> None:
    if depth > MAX_DEPTH:
        raise nested_too_deeply()
    frame.make(len(array))
    frame.spend(2 * len(array) + 2)
    for item in array:
        if isinstance(item, list | tuple | bytes):
            _flatten_into(made, list(cast("list[object]", item)), frame, depth + 1)
        else:
            made.append(item)


@builtin("uniq(array: array) -> array", group=_GROUP)
def uniq(frame: Frame, array: list[object]) -> list[object]:
    """Leave out elements that equal an earlier one.

    >>> uniq([3, 1, 3, 1.0])
    [3, 1]
    """
    made: list[object] = []
    seen: set[object] = set()
    for item in array:
        # Text, most of what is made unique, needs no comparison with all that came before.
        if type(item) is str:
            frame.spend(1)
            if item in seen:
                continue
            seen.add(item)
        else:
            frame.spend(len(made) * 3 + 1)
            if any(equal(other, item, frame) for other in made if type(other) is not str):
                continue
        made.append(item)
    return made


@builtin("join(array: array, separator?: string) -> string", group=_GROUP)
def join(frame: Frame, array: list[object], separator: str = "") -> str:
    """Join strings into one, with a separator between them.

    >>> join(["a", "b", "c"], ", ")
    "a, b, c"
    """
    frame.walk(len(array))
    texts: list[str] = []
    length = len(separator) * max(0, len(array) - 1)
    for item in array:
        text = adopt(item)
        if type(text) is not str:
            raise ExpressionError(
                f"join: every element must be a string, not {kind(text)}",
                hint="map(array, string(#)) makes strings of them",
            )
        length += len(text)
        texts.append(text)
    frame.write(length)
    return separator.join(texts)


@builtin("first(array: array) -> any", group=_GROUP)
def first(array: list[object]) -> object:
    """The first element; nil of an empty array.

    >>> first([3, 1, 2])
    3
    """
    return array[0] if array else None


@builtin("last(array: array) -> any", group=_GROUP)
def last(array: list[object]) -> object:
    """The last element; nil of an empty array.

    >>> last([3, 1, 2])
    2
    """
    return array[-1] if array else None


@builtin("take(array: array, count: int) -> array", group=_GROUP)
def take(frame: Frame, array: list[object], count: int) -> list[object]:
    """The first elements, at most so many.

    >>> take([3, 1, 2], 2)
    [3, 1]
    """
    if count < 0:
        raise ExpressionError(f"take: the count is negative ({count})")
    frame.make(min(count, len(array)))
    return array[:count]


@builtin("reverse(array: array) -> array", group=_GROUP)
def reverse(frame: Frame, array: list[object]) -> list[object]:
    """The elements from the last to the first.

    >>> reverse([3, 1, 2])
    [2, 1, 3]
    """
    frame.make(len(array))
    return array[::-1]


@builtin("sort(array: array, order?: string) -> array", group=_GROUP)
def sort(frame: Frame, array: list[object], order: str = "asc") -> list[object]:
    """Order numbers, strings, dates or durations; the order is "asc" or "desc".

    >>> sort([3, 1, 2], "desc")
    [3, 2, 1]
    """
    return sorted_by(frame, array, array, order)


def sorted_by(frame: Frame, array: list[object], keys: list[object], order: str) -> list[object]:
    """The elements in the order of their keys; equals keep their order."""
    if order not in ("asc", "desc"):
        raise ExpressionError(f"the order is asc or desc, not {order[:40]!r}")
    frame.make(len(array))
    frame.spend(len(array) * max(1, len(array).bit_length() // 2))
    if len(array) < 2:
        return list(array)
    comparable = [_comparable(key) for key in keys]
    kinds = {type_ for type_, _ in comparable}
    if len(kinds) > 1 or None in kinds:
        other = next((key for key in keys if _comparable(key)[0] is None), keys[-1])
        raise unordered(keys[0], other)
    places = sorted(
        range(len(array)), key=lambda place: comparable[place][1], reverse=order == "desc"
    )
    return [array[place] for place in places]


def _comparable(key: object) -> tuple[type | None, Any]:
    """What kind of order a key has, and its place in it."""
    key = adopt(key)
    if type(key) in NUMBERS:
        return float, key
    if type(key) is str:
        return str, key
    if isinstance(key, Instant | Duration):
        return type(key), key.nanoseconds
    return None, None


@builtin("len(value: array | map | string | bytes) -> int", group=_GROUP)
def length(value: Any) -> int:
    """The number of elements of an array or a map, or of characters of a string.

    >>> len("wörld")
    5
    """
    return len(value)


FUNCTIONS: Final = (concat, flatten, uniq, join, first, last, take, reverse, sort, length)
