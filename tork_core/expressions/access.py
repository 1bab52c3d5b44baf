"""Reading parts of values: fields, indexes, slices and methods.

Nothing here reads a Python attribute of a value that came from outside: a name after a dot is the
key of a map, or a method in the language's own table.
"""

from __future__ import annotations

from typing import Any, cast

from tork_core.errors import ExpressionError
from tork_core.expressions.arithmetic import whole
from tork_core.expressions.limits import Budget
from tork_core.expressions.values import MAPS, KeyedMap, adopt, as_key, kind


def field_of(value: object, name: str) -> object:
    """``value.name``: nil where a map has no such key."""
    value = adopt(value)
    if type(value) in MAPS:
        return _entry(cast("dict[object, object]", value), name)
    hint = None
    if value is None:
        hint = f"?.{name} gives nil for a field of nil"
    raise ExpressionError(f"{kind(value)} has no field {name}", hint=hint)


def item_of(value: object, index: object) -> object:
    """``value[index]``: an element, a character, or the value of a key."""
    value = adopt(value)
    if isinstance(value, list | str | bytes):
        items = cast("list[object]", value)
        place = whole(index, "an index")
        if not -len(items) <= place < len(items):
            raise ExpressionError(
                f"the index {place} is out of range (the length is {len(items)})",
                hint="get(x, i) gives nil then",
            )
        return items[place]
    if type(value) not in MAPS:
        raise ExpressionError(f"{kind(value)} has no elements")
    pairs = cast("dict[object, object]", value)
    index = adopt(index)
    if isinstance(pairs, KeyedMap):
        return _entry(pairs, as_key(index))
    if index is None:
        index = ""
    if type(index) is not str:
        raise ExpressionError(f"{kind(index)} cannot be a key of a map with text keys")
    return _entry(pairs, index)


def _entry(pairs: dict[object, object], key: object) -> object:
    if type(pairs) is dict:
        return pairs.get(key)
    if isinstance(pairs, KeyedMap):
        if key in pairs:
            return pairs[key]
        return pairs.missing() if pairs.missing else None
    return pairs[key]


def slice_of(value: object, start: object, stop: object, budget: Budget) -> object:
    """``value[start:stop]``; bounds that are ``...`` are left out."""
    value = adopt(value)
    if not isinstance(value, list | str | bytes):
        raise ExpressionError(f"{kind(value)} cannot be sliced")
    items = cast("list[object]", value)
    length = len(items)
    first = 0 if start is ... else _bound(whole(start, "a slice"), length)
    last = length if stop is ... else _bound(whole(stop, "a slice"), length)
    count = max(0, last - first)
    if isinstance(value, list):
        budget.make(count)
    else:
        budget.read(count)
    return cast(Any, items)[first : max(first, last)]


def _bound(place: int, length: int) -> int:
    return max(0, min(length, place + length if place < 0 else place))
