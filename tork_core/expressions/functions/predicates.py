"""Functions that evaluate a predicate for every element of an array.

The compiler calls them with the frame, the array, the predicate (a closure of the frame) and the
number of steps that it costs, then what further arguments they take. The caller keeps and restores
what the predicates around it point at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final, TypeAlias

from tork_core.errors import ExpressionError
from tork_core.expressions.arithmetic import checked
from tork_core.expressions.frame import Frame
from tork_core.expressions.functions.arrays import sorted_by
from tork_core.expressions.functions.builtin import builtin
from tork_core.expressions.values import KeyedMap, adopt, as_key, kind

_GROUP: Final = "Predicates"

Body: TypeAlias = Callable[[Frame], object]
Items: TypeAlias = list[Any]

WITH_INDEX: Final = frozenset({"map", "reduce"})
"""The functions whose predicates know ``#index``; only reduce's knows ``#acc``."""


def _verdicts(name: str, frame: Frame, items: Items, body: Body, cost: int) -> Iterator[bool]:
    """What the predicate says of every element; it must be a bool."""
    for item in items:
        frame.spend(cost)
        frame.item = item
        verdict = body(frame)
        if verdict is not True and verdict is not False:
            raise ExpressionError(f"{name}: the predicate must give a bool, not {kind(verdict)}")
        yield verdict


@builtin("all(array: array, test: predicate) -> bool", group=_GROUP)
def all_(frame: Frame, items: Items, body: Body, cost: int) -> bool:
    """Whether the predicate holds for every element; true of an empty array.

    >>> all([1, 2], # > 0)
    true
    """
    return all(_verdicts("all", frame, items, body, cost))


@builtin("any(array: array, test: predicate) -> bool", group=_GROUP)
def any_(frame: Frame, items: Items, body: Body, cost: int) -> bool:
    """Whether the predicate holds for some element.

    >>> any([1, 2], # > 1)
    true
    """
    return any(_verdicts("any", frame, items, body, cost))


@builtin("none(array: array, test: predicate) -> bool", group=_GROUP)
def none(frame: Frame, items: Items, body: Body, cost: int) -> bool:
    """Whether the predicate holds for no element; true of an empty array.

    >>> none([1, 2], # > 2)
    true
    """
    return not any(_verdicts("none", frame, items, body, cost))


@builtin("one(array: array, test: predicate) -> bool", group=_GROUP)
def one(frame: Frame, items: Items, body: Body, cost: int) -> bool:
    """Whether the predicate holds for exactly one element.

    >>> one([1, 2], # > 1)
    true
    """
    return sum(_verdicts("one", frame, items, body, cost)) == 1


@builtin("filter(array: array, test: predicate) -> array", group=_GROUP)
def filter_(frame: Frame, items: Items, body: Body, cost: int) -> Items:
    """The elements for which the predicate holds.

    >>> filter([1, 2, 3], # > 1)
    [2, 3]
    """
    verdicts = list(_verdicts("filter", frame, items, body, cost))
    frame.make(sum(verdicts))
    return [item for item, verdict in zip(items, verdicts, strict=True) if verdict]


@builtin("map(array: array, value: predicate) -> array", group=_GROUP)
def map_(frame: Frame, items: Items, body: Body, cost: int) -> Items:
    """What the expression gives for every element.

    >>> map([1, 2], # * 10)
    [10, 20]
    """
    frame.make(len(items))
    made: Items = []
    for index, item in enumerate(items):
        frame.spend(cost)
        frame.item, frame.index = item, index
        made.append(body(frame))
    return made


@builtin("find(array: array, test: predicate) -> any", group=_GROUP)
def find(frame: Frame, items: Items, body: Body, cost: int) -> object:
    """The first element for which the predicate holds; nil when there is none.

    >>> find([1, 2, 3], # > 1)
    2
    """
    place = _first_place("find", frame, items, body, cost)
    return None if place is None else items[place]


@builtin("findIndex(array: array, test: predicate) -> int", group=_GROUP)
def find_index(frame: Frame, items: Items, body: Body, cost: int) -> int | None:
    """The place of the first element for which the predicate holds; nil when there is none.

    >>> findIndex([1, 2, 3], # > 1)
    1
    """
    return _first_place("findIndex", frame, items, body, cost)


@builtin("findLast(array: array, test: predicate) -> any", group=_GROUP)
def find_last(frame: Frame, items: Items, body: Body, cost: int) -> object:
    """The last element for which the predicate holds; nil when there is none.

    >>> findLast([1, 2, 3], # > 1)
    3
    """
    place = _first_place("findLast", frame, items[::-1], body, cost)
    return None if place is None else items[len(items) - 1 - place]


@builtin("findLastIndex(array: array, test: predicate) -> int", group=_GROUP)
def find_last_index(frame: Frame, items: Items, body: Body, cost: int) -> int | None:
    """The place of the last element for which the predicate holds; nil when there is none.

    >>> findLastIndex([1, 2, 3], # > 1)
    2
    """
    place = _first_place("findLastIndex", frame, items[::-1], body, cost)
    return None if place is None else len(items) - 1 - place


def _first_place(name: str, frame: Frame, items: Items, body: Body, cost: int) -> int | None:
    for place, verdict in enumerate(_verdicts(name, frame, items, body, cost)):
        if verdict:
            return place
    return None


@builtin("count(array: array, test?: predicate) -> int", group=_GROUP)
def count(frame: Frame, items: Items, body: Body, cost: int) -> int:
    """For how many elements the predicate holds; without it, how many are true.

    >>> count([1, 2, 3], # > 1)
    2
    """
    return sum(_verdicts("count", frame, items, body, cost))


@builtin("sum(array: array, value?: predicate) -> number", group=_GROUP)
def sum_(frame: Frame, items: Items, body: Body, cost: int) -> int | float:
    """The sum of numbers, or of what the expression gives for every element; 0 of none.

    >>> sum([1, 2, 3])
    6
    """
    total: int | float = 0
    for item in items:
        frame.spend(cost)
        frame.item = item
        value = body(frame)
        if type(value) is int and type(total) is int:
            total = checked(total + value)
        elif type(value) is int or type(value) is float:
            total = float(total) + value
        else:
            raise ExpressionError(f"sum needs numbers, not {kind(value)}")
    return total


@builtin("groupBy(array: array, key: predicate) -> map", group=_GROUP)
def group_by(frame: Frame, items: Items, body: Body, cost: int) -> KeyedMap:
    """A map of arrays: the elements by what the expression gives for each.

    >>> groupBy(["pear", "fig", "plum"], #[0])
    {"p": ["pear", "plum"], "f": ["fig"]}
    """
    frame.make(len(items))
    frame.spend(len(items) * 5)
    groups = KeyedMap(missing=list)
    for item in items:
        frame.spend(cost)
        frame.item = item
        groups.setdefault(as_key(adopt(body(frame))), []).append(item)
    return groups


@builtin("sortBy(array: array, key: predicate, order?: string) -> array", group=_GROUP)
def sort_by(frame: Frame, items: Items, body: Body, cost: int, order: str = "asc") -> Items:
    """The elements in the order of what the expression gives for each, "asc" or "desc".

    >>> sortBy(["ccc", "a", "bb"], len(#))
    ["a", "bb", "ccc"]
    """
    keys: list[object] = []
    for item in items:
        frame.spend(cost)
        frame.item = item
        keys.append(body(frame))
    return sorted_by(frame, items, keys, order)


_ABSENT: Final = object()


@builtin("reduce(array: array, value: predicate, initial?: any) -> any", group=_GROUP)
def reduce(frame: Frame, items: Items, body: Body, cost: int, initial: object = _ABSENT) -> object:
    """Fold an array into one value: `#acc` is what the expression gave for the element before.

    >>> reduce([1, 2, 3], #acc * #, 1)
    6
    """
    start = 0
    if initial is _ABSENT:
        if not items:
            raise ExpressionError(
                "reduce of an empty array needs an initial value", hint="reduce(array, …, 0)"
            )
        initial, start = items[0], 1
    frame.acc = initial
    for index in range(start, len(items)):
        frame.spend(cost)
        frame.item, frame.index = items[index], index
        frame.acc = body(frame)
    return frame.acc


FUNCTIONS: Final = (
    all_,
    any_,
    none,
    one,
    filter_,
    map_,
    find,
    find_index,
    find_last,
    find_last_index,
    count,
    sum_,
    group_by,
    sort_by,
    reduce,
)
