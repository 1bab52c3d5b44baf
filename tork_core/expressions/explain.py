"""Showing how an expression is read: its tree, one node a line."""

from __future__ import annotations

from collections.abc import Iterator

from tork_core.expressions.literals import write_literal
from tork_core.expressions.tree import (
    Array,
    Binary,
    Braces,
    Call,
    Chain,
    Comparison,
    Conditional,
    Index,
    Let,
    Literal,
    Map,
    Member,
    Method,
    Name,
    Node,
    Parenthesis,
    Pointer,
    Sequence,
    Slice,
    Unary,
    children,
    without_parentheses,
)


def explain(tree: Node) -> str:
    """The tree as text: below each node, further to the right, what it works on."""
    return "\n".join(_lines(tree))


def _lines(tree: Node) -> Iterator[str]:
    stack = [(tree, 0)]
    while stack:
        node, depth = stack.pop()
        node = without_parentheses(node)
        yield "  " * depth + _described(node)
        stack += [(child, depth + 1) for child in reversed(children(node))]


def _described(node: Node) -> str:
    match node:
        case Literal():
            return write_literal(node.value)
        case Name():
            return f"name {node.name}"
        case Pointer():
            return f"element #{node.name}"
        case Unary():
            return f"{node.operator} (of one)"
        case Binary():
            return node.operator
        case Comparison():
            return f"compare {' '.join(operator for _, operator, _ in node.rest)}"
        case Conditional():
            return "if, then, else" if node.then is not None else "if true, else"
        case Let():
            return f"let {node.name} =, then"
        case Sequence():
            return "one after the other"
        case Member():
            return f"field {'?' * node.optional}.{node.name} of"
        case Method():
            return f"method {'?' * node.optional}.{node.name}() of"
        case Index():
            return f"element {'?.' * node.optional}[ ] of, at"
        case Slice():
            start, stop = (part is not None for part in (node.start, node.stop))
            return f"slice [{'from' * start}:{'to' * stop}] of"
        case Call():
            return f"call {'::' * node.builtin}{node.name}"
        case Array():
            return "array"
        case Map():
            return "map of key and value"
        case Chain():
            return "nil from ?. ends here"
        case Braces() | Parenthesis():
            return "predicate"
