"""What an expression names, and whether it uses pointers and names where it may.

One walk over the tree, before it is compiled: it needs no environment. It does not recurse, and
refuses trees that are deeper than what comes after it can take.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final, TypeAlias

from tork_core.errors import ExpressionError
from tork_core.expressions import limits
from tork_core.expressions.functions.arguments import check_count
from tork_core.expressions.functions.predicates import WITH_INDEX
from tork_core.expressions.functions.table import FunctionTable
from tork_core.expressions.operators import too_deep
from tork_core.expressions.tree import (
    Binary,
    Braces,
    Call,
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
    children,
    first_part,
    without_parentheses,
)

ENVIRONMENT: Final = "$env"
"""The name of the map of all names."""

Reference: TypeAlias = tuple[str, ...]


@dataclass(slots=True)
class Names:
    """What an expression names.

    ``variables`` and ``functions`` say where each name stands first; ``references`` are pairs of
    namespace and name, or the namespace alone where any of its names may be used; ``lets`` are the
    names that it gives itself.
    """

    variables: dict[str, int] = field(default_factory=dict[str, int])
    functions: dict[str, int] = field(default_factory=dict[str, int])
    references: set[Reference] = field(default_factory=set[Reference])
    lets: dict[str, int] = field(default_factory=dict[str, int])
    size: int = 0


@dataclass(frozen=True, slots=True)
class _Place:
    """Where in the tree the walk is."""

    scope: frozenset[str]
    predicate: str | None
    depth: int


def names_of(tree: Node, functions: FunctionTable) -> Names:
    """The names in a tree; raises :class:`ExpressionError` for misplaced pointers and names."""
    return _Walk(functions).over(tree)


class _Walk:
    def __init__(self, functions: FunctionTable) -> None:
        self.table = functions
        self.names = Names()
        self.stack: list[tuple[Node, _Place]] = []

    def over(self, tree: Node) -> Names:
        self.push([tree], _Place(frozenset(), None, 0))
        while self.stack:
            node, place = self.stack.pop()
            self.names.size += 1
            self.visit(node, place)
        return self.names

    def push(self, nodes: list[Node], place: _Place) -> None:
        self.stack += [(node, place) for node in reversed(nodes)]

    def visit(self, node: Node, place: _Place) -> None:
        match node:
            case Name():
                self.name(node, place)
            case Pointer():
                _check_pointer(node, place)
            case Let():
                self.let(node, place)
            case Call():
                self.call(node, place)
            case Member() | Index() | Method():
                self.path(node, place)
            case Binary():
                # A chain of operators of one strength leans to the left as far as the source is
                # long, and is compiled without recursion: only the right side nests.
                self.push([node.left], place)
                self.push([node.right], self.deeper(node, place))
            case Parenthesis():
                self.push([node.inner], place)
            case Braces():
                raise ExpressionError("{ } is no argument of this function", offset=node.at)
            case _:
                self.push(children(node), self.deeper(node, place))

    def deeper(self, node: Node, place: _Place) -> _Place:
        if place.depth >= limits.MAX_DEPTH:
            raise too_deep(node.at)
        return _Place(place.scope, place.predicate, place.depth + 1)

    # --- names -----------------------------------------------------------------------------------

    def name(self, node: Name, place: _Place) -> None:
        if node.name not in place.scope:
            if node.name != ENVIRONMENT:
                self.names.variables.setdefault(node.name, node.at)
            self.names.references.add((node.name,))

    def path(self, node: Member | Index | Method, place: _Place) -> None:
        """A name, an index or a method after something; pairs of namespace and name among them."""
        found = _path_of(node, place.scope)
        if found is not None:
            namespace, reference = found
            if namespace is not None:
                self.names.variables.setdefault(namespace, node.at)
            self.names.references.add(reference)
            return
        # Names after names lean to the left, as operators do.
        self.push([node.base], place)
        self.push(children(node)[1:], self.deeper(node, place))

    def let(self, node: Let, place: _Place) -> None:
        if node.name in place.scope or node.name in self.table or node.name == ENVIRONMENT:
            raise ExpressionError(f"let cannot give the name {node.name} again", offset=node.at)
        self.names.lets.setdefault(node.name, node.at)
        below = self.deeper(node, place)
        self.push([node.value], below)
        inner = _Place(place.scope | {node.name}, place.predicate, below.depth)
        self.push([node.body], inner)

    # --- calls -----------------------------------------------------------------------------------

    def call(self, node: Call, place: _Place) -> None:
        if node.name in place.scope:
            raise ExpressionError(f"{node.name} is no function", offset=node.at)
        if not node.builtin:
            self.names.functions.setdefault(node.name, node.at)
        function = self.table.get(node.name)
        if function is None:
            if node.builtin:
                raise ExpressionError(f"there is no function {node.name}", offset=node.at)
            self.push(node.arguments, self.deeper(node, place))
            return
        check_count(function, len(node.arguments), node.at)
        below = self.deeper(node, place)
        for position, argument in enumerate(node.arguments):
            if position == function.predicate:
                self.predicate(node.name, argument, below)
            else:
                self.push([argument], below)

    def predicate(self, function: str, argument: Node, place: _Place) -> None:
        inner = argument.inner if isinstance(argument, Braces) else argument
        if argument is inner and isinstance(first := first_part(argument), Map):
            raise ExpressionError(
                f"{function}: the braces of a predicate hold an expression, not a map",
                offset=first.at,
                hint="write {{ … }} for a predicate that gives a map",
            )
        self.push([inner], _Place(place.scope, function, place.depth))


def _path_of(
    node: Member | Index | Method, scope: frozenset[str]
) -> tuple[str | None, Reference] | None:
    """The namespace and the reference of ``tasks.x``, ``tasks["x"]``, and the same of ``$env``.

    The namespace is None where ``$env`` may do without it.
    """
    if isinstance(node, Method):
        return None
    name = _name_after(node)
    base = without_parentheses(node.base)
    if name is None:
        return None
    if isinstance(base, Name) and base.name not in scope:
        if base.name == ENVIRONMENT:
            return None, (name,)
        return base.name, (base.name, name)
    if isinstance(base, Member | Index) and _is_environment(base.base, scope):
        namespace = _name_after(base)
        if namespace is not None:
            return None, (namespace, name)
    return None


def _is_environment(node: Node, scope: frozenset[str]) -> bool:
    node = without_parentheses(node)
    return isinstance(node, Name) and node.name == ENVIRONMENT and node.name not in scope


def _name_after(node: Member | Index) -> str | None:
    if isinstance(node, Member):
        return node.name
    if isinstance(node.index, Literal) and isinstance(node.index.value, str):
        return node.index.value
    return None


def _check_pointer(node: Pointer, place: _Place) -> None:
    allowed: dict[str, bool] = {
        "": place.predicate is not None,
        "index": place.predicate in WITH_INDEX,
        "acc": place.predicate == "reduce",
    }
    if allowed.get(node.name, False):
        return
    if place.predicate is None:
        raise ExpressionError(
            "# and .name stand for an element, inside the predicate of a function only",
            offset=node.at,
        )
    raise ExpressionError(
        f"there is no #{node.name} in a predicate of {place.predicate}", offset=node.at
    )
