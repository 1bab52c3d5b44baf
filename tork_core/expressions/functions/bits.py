"""Functions of the bits of 64-bit ints."""

from __future__ import annotations

from typing import Final

from tork_core.errors import ExpressionError
from tork_core.expressions.functions.builtin import builtin

_GROUP: Final = "Bits"
_WORD: Final = 2**64


def _signed(value: int) -> int:
    value %= _WORD
    return value - _WORD if value >= _WORD // 2 else value


def _shift(name: str, count: int) -> int:
    if count < 0:
        raise ExpressionError(f"{name}: the count is negative ({count})")
    return min(count, 64)


@builtin("bitand(a: int, b: int) -> int", group=_GROUP)
def bit_and(a: int, b: int) -> int:
    """The bits that both have.

    >>> bitand(6, 3)
    2
    """
    return a & b


@builtin("bitor(a: int, b: int) -> int", group=_GROUP)
def bit_or(a: int, b: int) -> int:
    """The bits that either has.

    >>> bitor(6, 3)
    7
    """
    return a | b


@builtin("bitxor(a: int, b: int) -> int", group=_GROUP)
def bit_xor(a: int, b: int) -> int:
    """The bits that only one has.

    >>> bitxor(6, 3)
    5
    """
    return a ^ b


@builtin("bitnand(a: int, b: int) -> int", group=_GROUP)
def bit_nand(a: int, b: int) -> int:
    """The bits of the first that the second has not.

    >>> bitnand(6, 3)
    4
    """
    return a & ~b


@builtin("bitnot(a: int) -> int", group=_GROUP)
def bit_not(a: int) -> int:
    """The bits that it has not.

    >>> bitnot(0)
    -1
    """
    return ~a


@builtin("bitshl(a: int, count: int) -> int", group=_GROUP)
def bit_shl(a: int, count: int) -> int:
    """The bits moved to the left.

    >>> bitshl(1, 4)
    16
    """
    return _signed(a << _shift("bitshl", count))


@builtin("bitshr(a: int, count: int) -> int", group=_GROUP)
def bit_shr(a: int, count: int) -> int:
    """The bits moved to the right; the sign stays.

    >>> bitshr(-16, 2)
    -4
    """
    return a >> _shift("bitshr", count)


@builtin("bitushr(a: int, count: int) -> int", group=_GROUP)
def bit_ushr(a: int, count: int) -> int:
    """The bits moved to the right, the sign's too.

    >>> bitushr(-1, 60)
    15
    """
    return _signed((a % _WORD) >> _shift("bitushr", count))


FUNCTIONS: Final = (bit_and, bit_or, bit_xor, bit_nand, bit_not, bit_shl, bit_shr, bit_ushr)
