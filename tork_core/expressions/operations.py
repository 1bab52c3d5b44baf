"""Compiling operators."""

from __future__ import annotations

from tork_core.errors import ExpressionError
from tork_core.expressions.arithmetic import OPERATIONS
from tork_core.expressions.closures import Closure, Step, placed
from tork_core.expressions.fast_operations import fast_closure
from tork_core.expressions.frame import Frame
from tork_core.expressions.patterns import compile_pattern, found_in
from tork_core.expressions.tree import Binary, Comparison, Literal, without_parentheses
from tork_core.expressions.values import kind


def binary_closure(
    node: Binary, left: Closure, right: Closure, constant: tuple[object] | None
) -> Closure:
    """The closure of an operator between two operands.

    ``constant`` holds the value of the right one where that is known.
    """
    fast = fast_closure(node.operator, left, right, constant, node.at)
    if fast is not None:
        return fast
    step = binary_step(node, right)
    return lambda frame: step(frame, left(frame))


def binary_step(node: Binary, right: Closure) -> Step:
    """The step of an operator with its right operand."""
    if node.operator in ("and", "or"):
        return _logical_step(node, right, ends_with=node.operator == "or")
    if node.operator == "??":
        return lambda frame, value: right(frame) if value is None else value
    constant = without_parentheses(node.right)
    pattern = constant.value if isinstance(constant, Literal) else None
    if node.operator == "matches" and isinstance(pattern, str):
        return _matches_step(pattern, constant.at, node.at)
    operation, at = OPERATIONS[node.operator], node.at

    def step(frame: Frame, value: object) -> object:
        other = right(frame)
        try:
            return operation(value, other, frame)
        except ExpressionError as error:
            raise placed(error, at) from None

    return step


def _matches_step(text: str, text_at: int, at: int) -> Step:
    """``x matches "…"``: the pattern is compiled here, and an invalid one an error."""
    try:
        pattern = compile_pattern(text)
    except ExpressionError as error:
        raise placed(error, text_at) from None

    def step(frame: Frame, value: object) -> object:
        try:
            return found_in(value, pattern, frame)
        except ExpressionError as error:
            raise placed(error, at) from None

    return step


def _logical_step(node: Binary, right: Closure, *, ends_with: bool) -> Step:
    operator, at, goes_on = node.operator, node.at, not ends_with

    def step(frame: Frame, value: object) -> object:
        if value is ends_with:
            return value
        if value is goes_on:
            return right(frame)
        raise ExpressionError(f"{operator} needs a bool, not {kind(value)}", offset=at)

    return step


def comparison_closure(node: Comparison, first: Closure, operands: list[Closure]) -> Closure:
    """The closure of ``a < b <= c``; what follows a comparison that fails is not evaluated."""
    rest = [
        (OPERATIONS[operator], at, operand)
        for (at, operator, _), operand in zip(node.rest, operands, strict=True)
    ]

    def comparison(frame: Frame) -> object:
        left = first(frame)
        for operation, at, operand in rest:
            right = operand(frame)
            try:
                if not operation(left, right, frame):
                    return False
            except ExpressionError as error:
                raise placed(error, at) from None
            left = right
        return True

    return comparison
