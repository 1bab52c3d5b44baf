"""The shape of compiled code."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final, Protocol, TypeAlias

from tork_core.errors import ExpressionError
from tork_core.expressions.frame import Frame
from tork_core.expressions.functions.table import FunctionTable
from tork_core.expressions.tree import Name, Node

Closure: TypeAlias = Callable[[Frame], object]
"""Evaluates a node."""

Step: TypeAlias = Callable[[Frame, object], object]
"""Goes on from the value to its left: an operator with its right side, a field, a method."""

LONG_ROW: Final = 6
"""From how many steps in a row on a loop takes the place of nested closures, whose depth would be
the length of the row."""


class NodeCompiler(Protocol):
    """What the parts of the compiler need of the whole."""

    functions: FunctionTable

    def compile(self, node: Node) -> Closure:
        """The closure that evaluates a node."""
        ...

    def variable(self, node: Name) -> str | None:
        """The name in the environment that a node stands for; None where it is another one."""
        ...


def in_turn(first: Closure, steps: list[Step]) -> Closure:
    """Steps one after the other, from the value of ``first``."""

    def row(frame: Frame) -> object:
        value = first(frame)
        for step in steps:
            value = step(frame, value)
        return value

    return row


def placed(error: ExpressionError, at: int) -> ExpressionError:
    """The error with its place in the source, unless it has one."""
    if error.offset is None:
        error.offset = at
    return error
