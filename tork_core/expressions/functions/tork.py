"""Tork's own functions."""

from __future__ import annotations

from typing import Final

from tork_core.errors import ExpressionError
from tork_core.expressions.frame import Frame
from tork_core.expressions.functions.builtin import TORK, builtin

_GROUP: Final = "Tork"
_LARGEST: Final = 2**63 - 1


@builtin("randomInt(limit?: int) -> int", group=_GROUP, origin=TORK)
def random_int(frame: Frame, limit: int = _LARGEST) -> int:
    """A random int from 0 up to, but not, the limit.

    >>> randomInt(10) < 10
    true
    """
    if limit <= 0:
        raise ExpressionError(f"randomInt: the limit must be above 0, not {limit}")
    frame.spend(10)
    return frame.context.random.randrange(limit)


@builtin("sequence(start: int, stop: int) -> array", group=_GROUP, origin=TORK)
def sequence(frame: Frame, start: int, stop: int) -> list[int]:
    """The ints from start up to, but not, stop.

    >>> sequence(1, 4)
    [1, 2, 3]
    """
    if start >= stop:
        return []
    frame.make(stop - start)
    return list(range(start, stop))


FUNCTIONS: Final = (random_int, sequence)
