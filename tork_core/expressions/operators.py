"""The operators and how they bind: the table, and what makes a tree of a row of operands.

A larger number binds tighter. A row is what stands between two brackets, commas or the like:
operands, which are nodes, and the operators between and before them.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias

from tork_core.errors import ExpressionError
from tork_core.expressions import limits
from tork_core.expressions.tree import Binary, Call, Comparison, Node, Unary

BINARY: Final = {
    "or": 10,
    "||": 10,
    "and": 15,
    "&&": 15,
    "==": 20,
    "!=": 20,
    "<": 20,
    ">": 20,
    "<=": 20,
    ">=": 20,
    "in": 20,
    "matches": 20,
    "contains": 20,
    "startsWith": 20,
    "endsWith": 20,
    "..": 25,
    "+": 30,
    "-": 30,
    "*": 60,
    "/": 60,
    "%": 60,
    "**": 100,
    "^": 100,
    "??": 500,
}
UNARY: Final = {"not": 50, "!": 50, "-": 90, "+": 90}
RIGHT_ASSOCIATIVE: Final = frozenset({"**", "^"})
COMPARISONS: Final = frozenset({"<", ">", "<=", ">="})
SPELLINGS: Final = {"&&": "and", "||": "or", "^": "**", "!": "not"}
"""Operators with two spellings, and the one that the tree uses."""


@dataclass(slots=True)
class Prefix:
    """An operator before its operand."""

    at: int
    operator: str


@dataclass(slots=True)
class Infix:
    """An operator between two operands; ``negated`` is the place of its ``not``."""

    at: int
    operator: str
    negated: int | None = None


@dataclass(slots=True)
class Pipe:
    """``| name(…)``: takes all that stands to its left as the first argument."""

    call: Call


Item: TypeAlias = Node | Prefix | Infix | Pipe


def tree_of(row: list[Item]) -> Node:
    """Order a row by precedence and associativity."""
    if len(row) == 1:
        item = row[0]
        assert not isinstance(item, Prefix | Infix | Pipe)
        return item
    return _Row(row).expression(0, 0)


class _Row:
    """Precedence climbing over one row."""

    def __init__(self, items: list[Item]) -> None:
        self.items = items
        self.next = 0

    def expression(self, weakest: int, depth: int) -> Node:
        """Read as much as binds at least as tight as ``weakest``."""
        left = self.operand(depth)
        previous = ""
        while (item := self.peek()) is not None:
            if isinstance(item, Pipe):
                if weakest > 0:
                    break
                self.next += 1
                item.call.arguments.insert(0, left)
                left, previous = item.call, "|"
                continue
            assert isinstance(item, Infix)
            precedence = BINARY[item.operator]
            if precedence < weakest:
                break
            if previous == "??" and item.operator != "??":
                raise ExpressionError(
                    f"{item.operator} and ?? cannot be mixed",
                    offset=item.at,
                    hint="put one of the two in parentheses",
                )
            self.next += 1
            if item.operator in COMPARISONS:
                left = self.comparison(left, item, precedence, depth)
            else:
                tighter = precedence + (item.operator not in RIGHT_ASSOCIATIVE)
                right = self.expression(tighter, depth + 1)
                left = Binary(item.at, SPELLINGS.get(item.operator, item.operator), left, right)
                if item.negated is not None:
                    left = Unary(item.negated, "not", left)
            previous = item.operator
        return left

    def operand(self, depth: int) -> Node:
        item = self.items[self.next]
        self.next += 1
        if isinstance(item, Prefix):
            if depth > limits.MAX_DEPTH:
                raise too_deep(item.at)
            operand = self.expression(UNARY[item.operator], depth + 1)
            return Unary(item.at, SPELLINGS.get(item.operator, item.operator), operand)
        assert not isinstance(item, Infix | Pipe)
        if depth > limits.MAX_DEPTH:
            raise too_deep(item.at)
        return item

    def comparison(self, first: Node, operator: Infix, precedence: int, depth: int) -> Node:
        """Read ``< a <= b …``: comparisons in a row hold when each of them does."""
        rest = [(operator.at, operator.operator, self.expression(precedence + 1, depth + 1))]
        while isinstance(item := self.peek(), Infix) and item.operator in COMPARISONS:
            self.next += 1
            rest.append((item.at, item.operator, self.expression(precedence + 1, depth + 1)))
        return Comparison(operator.at, first, rest)

    def peek(self) -> Item | None:
        return self.items[self.next] if self.next < len(self.items) else None


def too_deep(at: int) -> ExpressionError:
    """The error for an expression that is nested deeper than it may be."""
    return ExpressionError(
        f"the expression is nested deeper than {limits.MAX_DEPTH} levels",
        offset=at,
        hint="name its parts with let",
    )
