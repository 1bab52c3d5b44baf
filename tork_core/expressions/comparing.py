"""Equality and order of values.

Numbers compare by value, across int and float; inside maps, however, an int is not a float. Values
of unlike types are unequal, and only numbers, texts, dates and durations have an order.
"""

from __future__ import annotations

from typing import Any, Final, cast

from tork_core.errors import ExpressionError
from tork_core.expressions import limits
from tork_core.expressions.limits import Budget
from tork_core.expressions.times import Duration, Instant
from tork_core.expressions.values import KNOWN, MAPS, adopt, kind, nested_too_deeply

NUMBERS: Final = frozenset({int, float})
_SCALARS: Final = frozenset({str, bool, type(None), bytes})


def numbers_equal(left: int | float, right: int | float) -> bool:
    """``==`` of numbers: as floats when one is a float."""
    if type(left) is type(right):
        return left == right
    return float(left) == float(right)


def equal(left: object, right: object, budget: Budget, depth: int = 0) -> bool:
    """``left == right``."""
    one, two = type(left), type(right)
    if one in NUMBERS and two in NUMBERS:
        return numbers_equal(cast(Any, left), cast(Any, right))
    if one in _SCALARS and one is two:
        return left == right
    if one not in KNOWN or two not in KNOWN:
        left, right = adopt(left), adopt(right)
        one, two = type(left), type(right)
        if one in NUMBERS and two in NUMBERS:
            return numbers_equal(cast(Any, left), cast(Any, right))
    if one is list or two is list:
        items, others = _items(left), _items(right)
        if items is None or others is None or len(items) != len(others):
            return False
        _descend(budget, len(items), depth)
        return all(
            equal(item, other, budget, depth + 1) for item, other in zip(items, others, strict=True)
        )
    if one in MAPS and two in MAPS:
        return _same(left, right, budget, depth)
    if one is Instant and two is Instant:
        return cast(Instant, left).nanoseconds == cast(Instant, right).nanoseconds
    return one is two and one in KNOWN and left == right


def _same(left: object, right: object, budget: Budget, depth: int) -> bool:
    """Equality inside maps: types count, and an int is not a float."""
    left, right = adopt(left), adopt(right)
    one, two = type(left), type(right)
    if one in MAPS and two in MAPS:
        pairs, others = cast("dict[object, object]", left), cast("dict[object, object]", right)
        if len(pairs) != len(others):
            return False
        _descend(budget, len(pairs), depth)
        return all(
            key in others and _same(item, others[key], budget, depth + 1)
            for key, item in pairs.items()
        )
    if one is list and two is list:
        items, rest = cast("list[object]", left), cast("list[object]", right)
        if len(items) != len(rest):
            return False
        _descend(budget, len(items), depth)
        return all(
            _same(item, other, budget, depth + 1) for item, other in zip(items, rest, strict=True)
        )
    return one is two and equal(left, right, budget, depth + 1)


def _items(value: object) -> list[object] | bytes | None:
    return cast("list[object]", value) if isinstance(value, list | bytes) else None


def _descend(budget: Budget, count: int, depth: int) -> None:
    if depth > limits.MAX_DEPTH:
        raise nested_too_deeply()
    budget.spend(count * 4 + 1)


def less(left: object, right: object) -> bool:
    """``left < right``, or :class:`ExpressionError` where the two have no order."""
    one, two = type(left), type(right)
    if (one in NUMBERS and two in NUMBERS) or (one is str and two is str):
        return (
            cast(Any, left) < cast(Any, right)
            if one is two
            else float(cast(Any, left)) < float(cast(Any, right))
        )
    left, right = adopt(left), adopt(right)
    if isinstance(left, Instant) and isinstance(right, Instant):
        return left.nanoseconds < right.nanoseconds
    if isinstance(left, Duration) and isinstance(right, Duration):
        return left.nanoseconds < right.nanoseconds
    if (one, two) != (type(left), type(right)):
        return less(left, right)
    raise unordered(left, right)


def unordered(left: object, right: object) -> ExpressionError:
    """The error for two values that have no order."""
    return ExpressionError(f"{kind(left)} and {kind(right)} have no order")
