"""The operators that matter most, with ints and text decided on the spot.

Each is the same as its operation in arithmetic.py, which does what is not decided here; they exist
for speed alone. Those with a constant on the right, as most comparisons have it, save one call.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any, Final, TypeAlias

from tork_core.errors import ExpressionError
from tork_core.expressions.arithmetic import MAX_INT, MIN_INT, OPERATIONS
from tork_core.expressions.closures import Closure, placed
from tork_core.expressions.frame import Frame
from tork_core.expressions.namespaces import TextNamespace
from tork_core.expressions.values import kind

Apply: TypeAlias = Callable[[Any, Any], Any]

_SHORT: Final = 256
"""Text up to this length is made without counting it: the step that it takes pays for it."""

_FEW: Final = 16
"""Elements that are looked at without counting them."""

_ALIKE: Final = frozenset({int, str})
"""Types of which two values of one type compare as Python compares them."""

_ARITHMETIC: Final[dict[str, Apply]] = {
    "+": operator.add,
    "-": operator.sub,
    "*": operator.mul,
}
_COMPARISONS: Final[dict[str, Apply]] = {
    "==": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    ">": operator.gt,
    "<=": operator.le,
    ">=": operator.ge,
}


def fast_closure(
    name: str, left: Closure, right: Closure, constant: tuple[object] | None, at: int
) -> Closure | None:
    """A closure for an operator, or None where it has no fast one.

    ``constant`` holds the value of the right operand where that is known.
    """
    if name in _ARITHMETIC:
        if constant is not None and type(constant[0]) is int:
            return _arithmetic_with(name, left, constant[0], at)
        if constant is not None and name == "+" and type(constant[0]) is str:
            return _join_with(left, constant[0], at)
        return _arithmetic(name, left, right, at)
    if name in _COMPARISONS:
        if constant is not None and type(constant[0]) in _ALIKE:
            return _comparison_with(name, left, constant[0], at)
        return _comparison(name, left, right, at)
    if name == "%" and constant is not None and type(constant[0]) is int and constant[0] > 0:
        return _modulo_with(left, constant[0], at)
    if name in ("and", "or"):
        return _logical(name, left, right, at)
    if name == "in":
        return _membership(left, right, at)
    return None


def variable_closure(name: str, variable: str, constant: object, at: int) -> Closure | None:
    """A closure for an operator between a variable and a constant, or None where it has none."""
    if name in _ARITHMETIC and type(constant) is int:
        return _variable_arithmetic_with(name, variable, constant, at)
    if name in _COMPARISONS and type(constant) in _ALIKE:
        return _variable_comparison_with(name, variable, constant, at)
    return None


def _general(name: str, at: int) -> Callable[[Frame, object, object], object]:
    """The operation itself, for all that is not decided on the spot."""
    operation = OPERATIONS[name]

    def general(frame: Frame, left: object, right: object) -> object:
        try:
            return operation(left, right, frame)
        except ExpressionError as error:
            raise placed(error, at) from None

    return general


def _arithmetic(name: str, left: Closure, right: Closure, at: int) -> Closure:
    apply, general = _ARITHMETIC[name], _general(name, at)

    def arithmetic(frame: Frame) -> object:
        a, b = left(frame), right(frame)
        type_ = type(a)
        if type_ is type(b):
            if type_ is int:
                if MIN_INT <= (value := apply(a, b)) <= MAX_INT:
                    return value
            elif type_ is float:
                return apply(a, b)
        return general(frame, a, b)

    return arithmetic


def _variable_arithmetic_with(name: str, variable: str, b: int, at: int) -> Closure:
    apply, general = _ARITHMETIC[name], _general(name, at)

    def arithmetic(frame: Frame) -> object:
        a = frame.env[variable]
        if type(a) is int and MIN_INT <= (value := apply(a, b)) <= MAX_INT:
            return value
        return general(frame, a, b)

    return arithmetic


def _variable_comparison_with(name: str, variable: str, b: object, at: int) -> Closure:
    apply, general, type_ = _COMPARISONS[name], _general(name, at), type(b)

    def comparison(frame: Frame) -> object:
        a = frame.env[variable]
        if type(a) is type_:
            return apply(a, b)
        return general(frame, a, b)

    return comparison


def _join_with(left: Closure, b: str, at: int) -> Closure:
    """``x + "text"``."""
    general, most = _general("+", at), _SHORT - len(b)

    def join(frame: Frame) -> object:
        a = left(frame)
        if type(a) is str and len(a) < most:
            return a + b
        return general(frame, a, b)

    return join


def _arithmetic_with(name: str, left: Closure, b: int, at: int) -> Closure:
    apply, general = _ARITHMETIC[name], _general(name, at)

    def arithmetic(frame: Frame) -> object:
        a = left(frame)
        if type(a) is int and MIN_INT <= (value := apply(a, b)) <= MAX_INT:
            return value
        return general(frame, a, b)

    return arithmetic


def _modulo_with(left: Closure, b: int, at: int) -> Closure:
    general = _general("%", at)

    def modulo(frame: Frame) -> object:
        a = left(frame)
        if type(a) is int and a >= 0:
            return a % b
        return general(frame, a, b)

    return modulo


def _comparison(name: str, left: Closure, right: Closure, at: int) -> Closure:
    apply, general = _COMPARISONS[name], _general(name, at)

    def comparison(frame: Frame) -> object:
        a, b = left(frame), right(frame)
        if type(a) is type(b) and type(a) in _ALIKE:
            return apply(a, b)
        return general(frame, a, b)

    return comparison


def _comparison_with(name: str, left: Closure, b: object, at: int) -> Closure:
    apply, general, type_ = _COMPARISONS[name], _general(name, at), type(b)

    def comparison(frame: Frame) -> object:
        a = left(frame)
        if type(a) is type_:
            return apply(a, b)
        return general(frame, a, b)

    return comparison


def _membership(left: Closure, right: Closure, at: int) -> Closure:
    general = _general("in", at)

    def membership(frame: Frame) -> object:
        a = left(frame)
        b = right(frame)
        type_, kind_ = type(a), type(b)
        items: Any = b
        if type_ in _ALIKE and kind_ is list and len(items) < _FEW:
            for item in items:
                if type(item) is not type_:
                    return general(frame, a, b)
                if item == a:
                    return True
            return False
        if type_ is str and (kind_ is dict or kind_ is TextNamespace):
            return a in items
        return general(frame, a, b)

    return membership


def _logical(name: str, left: Closure, right: Closure, at: int) -> Closure:
    ends_with = name == "or"
    goes_on = not ends_with

    def logical(frame: Frame) -> object:
        value = left(frame)
        if value is ends_with:
            return value
        if value is goes_on:
            return right(frame)
        raise ExpressionError(f"{name} needs a bool, not {kind(value)}", offset=at)

    return logical
