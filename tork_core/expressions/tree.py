"""The nodes of a parsed expression.

Every node says where in the source it stands: ``at`` is the offset, in characters, of the token
that names it best (the operator of an operation, the name of a field).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, TypeAlias


@dataclass(slots=True, eq=False)
class Literal:
    """A number, text, bytes, a bool or nil; ``text`` is what it says as the key of a map."""

    at: int
    value: object
    text: str | None = None


@dataclass(slots=True, eq=False)
class Name:
    """A variable: a name of the environment or of a `let`."""

    at: int
    name: str


@dataclass(slots=True, eq=False)
class Pointer:
    """``#`` (the name is empty), ``#acc`` or ``#index``."""

    at: int
    name: str


@dataclass(slots=True, eq=False)
class Parenthesis:
    """An expression in parentheses; it matters only to what may be the key of a map."""

    at: int
    inner: Node


@dataclass(slots=True, eq=False)
class Array:
    at: int
    items: list[Node]


@dataclass(slots=True, eq=False)
class Map:
    at: int
    pairs: list[tuple[Node, Node]]


@dataclass(slots=True, eq=False)
class Unary:
    at: int
    operator: str
    operand: Node


@dataclass(slots=True, eq=False)
class Binary:
    at: int
    operator: str
    left: Node
    right: Node


@dataclass(slots=True, eq=False)
class Comparison:
    """``a < b <= c``: every operand is evaluated once."""

    at: int
    first: Node
    rest: list[tuple[int, str, Node]]


@dataclass(slots=True, eq=False)
class Conditional:
    """``c ? a : b`` and ``if c { a } else { b }``; ``then`` is None in ``c ?: b``."""

    at: int
    condition: Node
    then: Node | None
    otherwise: Node


@dataclass(slots=True, eq=False)
class Let:
    at: int
    name: str
    value: Node
    body: Node


@dataclass(slots=True, eq=False)
class Sequence:
    at: int
    items: list[Node]


@dataclass(slots=True, eq=False)
class Member:
    """``x.name`` and ``x?.name``."""

    at: int
    base: Node
    name: str
    optional: bool


@dataclass(slots=True, eq=False)
class Method:
    """``x.name(…)`` and ``x?.name(…)``."""

    at: int
    base: Node
    name: str
    arguments: list[Node]
    optional: bool


@dataclass(slots=True, eq=False)
class Index:
    """``x[i]`` and ``x?.[i]``."""

    at: int
    base: Node
    index: Node
    optional: bool


@dataclass(slots=True, eq=False)
class Slice:
    at: int
    base: Node
    start: Node | None
    stop: Node | None


@dataclass(slots=True, eq=False)
class Chain:
    """The end of optional chaining: where a nil that ``?.`` met goes on as the value."""

    at: int
    inner: Node


@dataclass(slots=True, eq=False)
class Call:
    """A function called by name; ``builtin`` where ``::`` asks for the language's own."""

    at: int
    name: str
    arguments: list[Node]
    builtin: bool = False


@dataclass(slots=True, eq=False)
class Braces:
    """``{ … }`` as the argument of a function: the body of a predicate."""

    at: int
    inner: Node


Node: TypeAlias = (
    Literal
    | Name
    | Pointer
    | Parenthesis
    | Array
    | Map
    | Unary
    | Binary
    | Comparison
    | Conditional
    | Let
    | Sequence
    | Member
    | Method
    | Index
    | Slice
    | Chain
    | Call
    | Braces
)


def children(node: Node) -> list[Node]:
    """The nodes directly below a node, from left to right."""
    match node:
        case Literal() | Name() | Pointer():
            return []
        case Parenthesis() | Chain() | Braces():
            return [node.inner]
        case Array() | Sequence():
            return list(node.items)
        case Map():
            return [part for pair in node.pairs for part in pair]
        case Unary():
            return [node.operand]
        case Binary():
            return [node.left, node.right]
        case Comparison():
            return [node.first, *(operand for _, _, operand in node.rest)]
        case Conditional():
            then = [] if node.then is None else [node.then]
            return [node.condition, *then, node.otherwise]
        case Let():
            return [node.value, node.body]
        case Member():
            return [node.base]
        case Method():
            return [node.base, *node.arguments]
        case Index():
            return [node.base, node.index]
        case Slice():
            return [node.base, *(part for part in (node.start, node.stop) if part is not None)]
        case Call():
            return list(node.arguments)


def without_parentheses(node: Node) -> Node:
    """The node inside any parentheses around it."""
    while isinstance(node, Parenthesis):
        node = node.inner
    return node


def first_part(node: Node) -> Node:
    """The part of an expression that stands first in the source."""
    while True:
        match node:
            case Binary():
                node = node.left
            case Comparison():
                node = node.first
            case Conditional():
                node = node.condition
            case Member() | Method() | Index() | Slice():
                node = node.base
            case Chain():
                node = node.inner
            case _:
                return node


def cost_of(node: Node) -> int:
    """The steps (limits.py) that evaluating a tree takes, but for what its functions count."""
    cost, stack = 0, [node]
    while stack:
        one = stack.pop()
        cost += _COSTS.get(type(one), 1)
        stack += children(one)
    return cost


_COSTS: Final[dict[type, int]] = {Array: 2, Call: 5, Map: 3, Method: 10, Slice: 3}
