"""The operators on values: arithmetic, order, membership and text.

Each operation is a function of two values and the budget. The compiler has faster ways for the
most common types; what it does not know comes here.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Final, TypeAlias, cast

from tork_core.errors import ExpressionError
from tork_core.expressions.comparing import NUMBERS, equal, less
from tork_core.expressions.limits import Budget
from tork_core.expressions.patterns import matches
from tork_core.expressions.times import Duration, Instant
from tork_core.expressions.values import MAPS, KeyedMap, adopt, as_key, kind

MAX_INT: Final = 2**63 - 1
MIN_INT: Final = -(2**63)
_SIMPLE: Final = frozenset({int, float, str})

Operation: TypeAlias = Callable[[object, object, Budget], object]


def checked(value: int) -> int:
    """An int of 64 bits, or an error where it is beyond them."""
    if MIN_INT <= value <= MAX_INT:
        return value
    raise ExpressionError(
        "the result is beyond the range of an int", hint="make one of the numbers a float"
    )


def _unsupported(operator: str, left: object, right: object) -> ExpressionError:
    hint = None
    if operator == "+" and str in (type(left), type(right)):
        hint = "string(x) makes text of any value"
    return ExpressionError(f"{kind(left)} {operator} {kind(right)} is not possible", hint=hint)


def add(left: object, right: object, budget: Budget) -> object:
    """``left + right``."""
    left, right = adopt(left), adopt(right)
    if type(left) in NUMBERS and type(right) in NUMBERS:
        return _arithmetic(cast(Any, left) + cast(Any, right))
    if type(left) is str and type(right) is str:
        budget.write(len(left) + len(right))
        return left + right
    match left, right:
        case Duration(), Duration():
            return Duration.checked(left.nanoseconds + right.nanoseconds)
        case Instant(), Duration():
            return left.plus(right)
        case Duration(), Instant():
            return right.plus(left)
        case _:
            raise _unsupported("+", left, right)


def subtract(left: object, right: object, budget: Budget) -> object:
    """``left - right``."""
    left, right = adopt(left), adopt(right)
    if type(left) in NUMBERS and type(right) in NUMBERS:
        return _arithmetic(cast(Any, left) - cast(Any, right))
    match left, right:
        case Instant(), Instant():
            return left.minus(right)
        case Instant(), Duration():
            return left.plus(Duration.checked(-right.nanoseconds))
        case Duration(), Duration():
            return Duration.checked(left.nanoseconds - right.nanoseconds)
        case _:
            raise _unsupported("-", left, right)


def multiply(left: object, right: object, budget: Budget) -> object:
    """``left * right``."""
    left, right = adopt(left), adopt(right)
    if type(left) in NUMBERS and type(right) in NUMBERS:
        return _arithmetic(cast(Any, left) * cast(Any, right))
    one = left.nanoseconds if isinstance(left, Duration) else left
    two = right.nanoseconds if isinstance(right, Duration) else right
    if type(one) not in NUMBERS or type(two) not in NUMBERS:
        raise _unsupported("*", left, right)
    if isinstance(one, int) and isinstance(two, int):
        return Duration.checked(one * two)
    return float(cast(Any, one)) * float(cast(Any, two))


def _arithmetic(value: int | float) -> int | float:
    return checked(value) if isinstance(value, int) else value


def divide(left: object, right: object, budget: Budget) -> object:
    """``left / right``: always a float, and infinite or NaN where the divisor is 0."""
    left, right = adopt(left), adopt(right)
    if type(left) not in NUMBERS or type(right) not in NUMBERS:
        raise _unsupported("/", left, right)
    dividend, divisor = float(cast(Any, left)), float(cast(Any, right))
    if divisor != 0:
        return dividend / divisor
    if dividend == 0 or dividend != dividend:
        return math.nan
    return math.copysign(math.inf, dividend) * math.copysign(1.0, divisor)


def modulo(left: object, right: object, budget: Budget) -> object:
    """``left % right`` of ints, with the sign of the dividend."""
    left, right = adopt(left), adopt(right)
    if type(left) is not int or type(right) is not int:
        raise _unsupported("%", left, right)
    if right == 0:
        raise ExpressionError("% by 0")
    rest = abs(left) % abs(right)
    return -rest if left < 0 else rest


def power(left: object, right: object, budget: Budget) -> object:
    """``left ** right``: always a float."""
    left, right = adopt(left), adopt(right)
    if type(left) not in NUMBERS or type(right) not in NUMBERS:
        raise _unsupported("**", left, right)
    base, exponent = float(cast(Any, left)), float(cast(Any, right))
    try:
        return math.pow(base, exponent)
    except OverflowError:
        odd = exponent % 2 == 1
        return -math.inf if base < 0 and odd else math.inf
    except ValueError:
        if base == 0:
            odd = exponent % 2 == 1
            return math.copysign(math.inf, base) if odd else math.inf
        return math.nan


def negative(value: object) -> int | float:
    """``-value``."""
    value = adopt(value)
    if type(value) is int:
        return checked(-value)
    if type(value) is float:
        return -value
    raise ExpressionError(f"-x needs a number, not {kind(value)}")


def make_range(left: object, right: object, budget: Budget) -> object:
    """``left..right``: the ints from one to the other, both included."""
    start, stop = whole(left, ".."), whole(right, "..")
    if start > stop:
        return []
    budget.make(stop - start + 1)
    return list(range(start, stop + 1))


def whole(value: object, where: str) -> int:
    """An int, or a float cut toward zero, as an index, a bound or a count."""
    value = adopt(value)
    if type(value) is int:
        return value
    if type(value) is float and math.isfinite(value):
        return max(MIN_INT, min(MAX_INT, int(value)))
    raise ExpressionError(f"{where} needs an int, not {kind(value)}")


def is_in(left: object, right: object, budget: Budget) -> bool:
    """``left in right``."""
    right = adopt(right)
    if right is None:
        return False
    if isinstance(right, list | bytes):
        return _is_element(adopt(left), cast("list[object]", right), budget)
    if isinstance(right, KeyedMap):
        return as_key(left) in right
    if type(right) in MAPS:
        left = adopt(left)
        if left is None:
            return "" in cast("dict[object, object]", right)
        if type(left) is not str:
            raise ExpressionError(f"{kind(left)} cannot be a key of a map with text keys")
        return left in cast("dict[object, object]", right)
    hint = "text contains a text: write `contains`" if type(right) is str else None
    raise ExpressionError(f"in needs an array or a map, not {kind(right)}", hint=hint)


def _is_element(value: object, items: list[object] | bytes, budget: Budget) -> bool:
    budget.spend(len(items))
    if type(value) in _SIMPLE:
        # Most elements are of the value's own type, for which Python's equality is the language's.
        type_ = type(value)
        for item in items:
            if type(item) is type_:
                if item == value:
                    return True
            elif equal(item, value, budget):
                return True
        return False
    return any(equal(item, value, budget) for item in items)


def _of_texts(name: str, test: Callable[[str, str], bool]) -> Operation:
    def operation(left: object, right: object, budget: Budget) -> bool:
        if left is None or right is None:
            return False
        left, right = adopt(left), adopt(right)
        if type(left) is not str or type(right) is not str:
            raise ExpressionError(f"{kind(left)} {name} {kind(right)} is not possible")
        budget.read(len(left))
        return test(left, right)

    return operation


def _ordered(test: Callable[[object, object], bool]) -> Operation:
    return lambda left, right, budget: test(left, right)


def less_or_equal(left: object, right: object) -> bool:
    """``left <= right``; NaN is neither less nor equal."""
    return less(left, right) or (not less(right, left) and left == left and right == right)


OPERATIONS: Final[dict[str, Operation]] = {
    "+": add,
    "-": subtract,
    "*": multiply,
    "/": divide,
    "%": modulo,
    "**": power,
    "..": make_range,
    "==": equal,
    "!=": lambda left, right, budget: not equal(left, right, budget),
    "<": _ordered(less),
    ">": _ordered(lambda left, right: less(right, left)),
    "<=": _ordered(less_or_equal),
    ">=": _ordered(lambda left, right: less_or_equal(right, left)),
    "in": is_in,
    "contains": _of_texts("contains", lambda left, right: right in left),
    "startsWith": _of_texts("startsWith", lambda left, right: left.startswith(right)),
    "endsWith": _of_texts("endsWith", lambda left, right: left.endswith(right)),
    "matches": matches,
}
