"""Functions of numbers."""

from __future__ import annotations

import math
import re
from collections.abc import Callable
from typing import Any, Final

from tork_core.errors import ExpressionError
from tork_core.expressions.arithmetic import MAX_INT, MIN_INT, checked
from tork_core.expressions.comparing import NUMBERS, less
from tork_core.expressions.frame import Frame
from tork_core.expressions.functions.builtin import builtin
from tork_core.expressions.limits import MAX_DEPTH
from tork_core.expressions.times import Duration, Month, Weekday
from tork_core.expressions.values import adopt, kind, nested_too_deeply

_GROUP: Final = "Numbers"


@builtin("abs(number: number) -> number", group=_GROUP)
def absolute(number: int | float) -> int | float:
    """The number without its sign; its type stays.

    >>> abs(-2.5)
    2.5
    """
    if isinstance(number, int):
        return checked(abs(number))
    return -number if number < 0 else number


@builtin("ceil(number: number) -> float", group=_GROUP)
def ceil(number: int | float) -> float:
    """The nearest whole number above.

    >>> ceil(1.2)
    2.0
    """
    value = float(number)
    return math.copysign(float(math.ceil(value)), value) if math.isfinite(value) else value


@builtin("floor(number: number) -> float", group=_GROUP)
def floor(number: int | float) -> float:
    """The nearest whole number below.

    >>> floor(1.8)
    1.0
    """
    value = float(number)
    return math.copysign(float(math.floor(value)), value) if math.isfinite(value) else value


@builtin("round(number: number) -> float", group=_GROUP)
def round_(number: int | float) -> float:
    """The nearest whole number; halves away from zero.

    >>> round(2.5)
    3.0
    """
    value = float(number)
    if not math.isfinite(value) or abs(value) >= 2**52:
        return value
    whole = math.floor(abs(value))
    return math.copysign(float(whole + (abs(value) - whole >= 0.5)), value)


@builtin("max(values...: any) -> any", group=_GROUP)
def largest(frame: Frame, *values: object) -> object:
    """The largest of numbers and of arrays of numbers; nil of an empty array.

    >>> max(3, [5, 1])
    5
    """
    return _extreme("max", frame, values, less)


@builtin("min(values...: any) -> any", group=_GROUP)
def smallest(frame: Frame, *values: object) -> object:
    """The smallest of numbers and of arrays of numbers; nil of an empty array.

    >>> min(3, [5, 1])
    1
    """
    return _extreme("min", frame, values, lambda best, other: less(other, best))


def _extreme(
    name: str,
    frame: Frame,
    values: tuple[object, ...],
    worse: Callable[[object, object], bool],
) -> object:
    if values and all(isinstance(value, Duration) for value in values):
        # Durations side by side have an order; in arrays the language wants numbers.
        numbers = list(values)
    else:
        numbers = _numbers(name, frame, values)
    best: object = None
    for number in numbers:
        if best is None or worse(best, number):
            best = number
    return best


@builtin("mean(values...: any) -> float", group=_GROUP)
def mean(frame: Frame, *values: object) -> float:
    """The mean of numbers and of arrays of numbers; 0.0 when there are none.

    >>> mean(1, [2, 6])
    3.0
    """
    numbers = _numbers("mean", frame, values, counts=True)
    total = 0.0
    for number in numbers:
        total += number
    return total / len(numbers) if numbers else 0.0


@builtin("median(values...: any) -> float", group=_GROUP)
def median(frame: Frame, *values: object) -> float:
    """The median of numbers and of arrays of numbers; 0.0 when there are none.

    >>> median([3, 1, 2])
    2.0
    """
    numbers = sorted(map(float, _numbers("median", frame, values, counts=True)))
    if not numbers:
        return 0.0
    middle = len(numbers) // 2
    if len(numbers) % 2:
        return numbers[middle]
    return (numbers[middle - 1] + numbers[middle]) / 2


def _numbers(
    name: str, frame: Frame, values: tuple[object, ...], *, counts: bool = False
) -> list[Any]:
    """The numbers among the arguments, those in arrays too.

    With ``counts``, the nanoseconds of durations and the numbers of months and days are some too.
    """
    if not values:
        raise ExpressionError(f"{name} needs at least one argument")
    numbers: list[Any] = []
    stack: list[tuple[Any, int]] = [(values, 0)]
    while stack:
        array, place = stack.pop()
        if len(stack) > MAX_DEPTH:
            raise nested_too_deeply()
        frame.spend(2 * (len(array) - place) if place == 0 else 1)
        for position in range(place, len(array)):
            value = adopt(array[position])
            if type(value) in NUMBERS:
                numbers.append(value)
            elif isinstance(value, list | bytes):
                stack += [(array, position + 1), (value, 0)]
                break
            elif counts and isinstance(value, Duration | Month | Weekday):
                numbers.append(to_int.call(value))
            else:
                raise ExpressionError(f"{name} needs numbers or arrays of them, not {kind(value)}")
    return numbers


_INT: Final = re.compile(r"[+-]?[0-9]+")


@builtin("int(value: any) -> int", group=_GROUP)
def to_int(value: object) -> int:
    """A number cut toward zero, text read as a number, or the nanoseconds of a duration.

    >>> int("42") + int(2.9)
    44
    """
    match value:
        case bool() | None:
            pass
        case int():
            return value
        case float():
            if not math.isfinite(value) or not MIN_INT <= value <= MAX_INT:
                raise ExpressionError(f"int: {value} is beyond the range of an int")
            return int(value)
        case str():
            if len(value) < 19 and value.isascii() and value.isdigit():
                return int(value)
            digits = value.lstrip("+-").lstrip("0")
            if not _INT.fullmatch(value) or len(digits) > 19:
                raise ExpressionError(f"int: {value[:40]!r} is no int")
            return checked(int(value))
        case Duration():
            return value.nanoseconds
        case Month() | Weekday():
            return value.number
        case _:
            pass
    raise ExpressionError(f"int: {kind(value)} is no number")


_DECIMAL: Final = re.compile(
    r"[+-]?(?:[0-9](?:_?[0-9])*(?:\.(?:[0-9](?:_?[0-9])*)?)?|\.[0-9](?:_?[0-9])*)"
    r"(?:[eE][+-]?[0-9](?:_?[0-9])*)?"
)
_HEXADECIMAL: Final = re.compile(
    r"([+-]?)0[xX](_?[0-9a-fA-F](?:_?[0-9a-fA-F])*)?(?:\.((?:[0-9a-fA-F](?:_?[0-9a-fA-F])*)?))?"
    r"[pP]([+-]?[0-9](?:_?[0-9])*)"
)
_SPECIAL: Final = re.compile(r"[+-]?(?:inf|infinity)|nan", re.IGNORECASE)


@builtin("float(value: any) -> float", group=_GROUP)
def to_float(frame: Frame, value: object) -> float:
    """A number as a float, or text read as one.

    >>> float("1e3")
    1000.0
    """
    match value:
        case bool() | None:
            pass
        case int() | float():
            return float(value)
        case str():
            frame.spend(len(value) // 8 + 10)
            return _float_of(value)
        case _:
            pass
    raise ExpressionError(f"float: {kind(value)} is no number")


def _float_of(text: str) -> float:
    if _SPECIAL.fullmatch(text):
        return float(text)
    hexadecimal = _HEXADECIMAL.fullmatch(text)
    if hexadecimal is not None and (hexadecimal[2] or hexadecimal[3]):
        try:
            value = float.fromhex(text.replace("_", ""))
        except OverflowError:
            value = math.inf
    elif _DECIMAL.fullmatch(text):
        value = float(text.replace("_", ""))
    else:
        raise ExpressionError(f"float: {text[:40]!r} is no number")
    if math.isinf(value):
        raise ExpressionError(f"float: {text[:40]!r} is beyond the range of a float")
    return value


FUNCTIONS: Final = (
    absolute,
    ceil,
    floor,
    round_,
    largest,
    smallest,
    mean,
    median,
    to_int,
    to_float,
)
