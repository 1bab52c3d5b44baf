"""From a tree to Python closures, once: what is evaluated over and over afterwards.

A closure takes the :class:`Frame` of an evaluation and returns a value. The common cases (ints,
text, fields of maps) are decided on the spot; all others go to arithmetic.py and access.py.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from tork_core.errors import ExpressionError
from tork_core.expressions import arithmetic
from tork_core.expressions.access import slice_of
from tork_core.expressions.calls import compile_call
from tork_core.expressions.closures import LONG_ROW, Closure, in_turn, placed
from tork_core.expressions.fast_operations import variable_closure
from tork_core.expressions.frame import Frame
from tork_core.expressions.functions.table import FunctionTable
from tork_core.expressions.links import compile_chain, compile_links
from tork_core.expressions.names import ENVIRONMENT
from tork_core.expressions.operations import (
    binary_closure,
    binary_step,
    comparison_closure,
)
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
from tork_core.expressions.values import PLAIN, adopt, kind

_FOLDED: Final = (Binary, Comparison, Unary)
"""The nodes that are evaluated at once where all below them is constant."""


class Compiler:
    """Compiles one tree; afterwards ``variables`` is the number of its `let` names."""

    def __init__(self, functions: FunctionTable) -> None:
        self.functions = functions
        self.variables = 0
        self._places: dict[str, int] = {}
        self._constants: dict[int, tuple[object]] = {}

    def compile(self, node: Node) -> Closure:
        """The closure that evaluates a node."""
        node = without_parentheses(node)
        closure = self._compile(node)
        return self._folded(node, closure) if isinstance(node, _FOLDED) else closure

    def constant(self, node: Node) -> tuple[object] | None:
        """The value of a node that is always the same (in a tuple), once it is compiled."""
        node = without_parentheses(node)
        return (node.value,) if isinstance(node, Literal) else self._constants.get(id(node))

    def _folded(self, node: Node, closure: Closure) -> Closure:
        """Evaluate an operation on constants once and for all, if it has a value."""
        if not all(self.constant(part) for part in children(node)):
            return closure
        try:
            value = closure(Frame())
        except ExpressionError:
            return closure
        if type(value) not in PLAIN:
            return closure
        self._constants[id(node)] = (value,)
        return lambda frame: value

    def _compile(self, node: Node) -> Closure:
        match node:
            case Literal():
                value = node.value
                return lambda frame: value
            case Name():
                return self._name(node)
            case Pointer():
                return _POINTERS[node.name]
            case Binary():
                return self._binary(node)
            case Member() | Method() | Index():
                return compile_links(node, self, in_chain=False)
            case Chain():
                return compile_chain(node, self)
            case Call():
                return compile_call(node, self)
            case Comparison():
                return self._comparison(node)
            case Unary():
                return self._unary(node)
            case Conditional():
                return self._conditional(node)
            case Array():
                return self._array(node)
            case Map():
                return self._map(node)
            case Slice():
                return self._slice(node)
            case Let():
                return self._let(node)
            case Sequence():
                return self._sequence(node)
            case Braces() | Parenthesis():
                return self.compile(node.inner)

    # --- names -----------------------------------------------------------------------------------

    def variable(self, node: Name) -> str | None:
        """The name in the environment that a node stands for; None where it is another one."""
        known = node.name in self._places or node.name == ENVIRONMENT
        return None if known else node.name

    def _name(self, node: Name) -> Closure:
        name = node.name
        place = self._places.get(name)
        if place is not None:
            return lambda frame: frame.variables[place]
        if name == ENVIRONMENT:
            return _environment
        return lambda frame: frame.env[name]

    def _let(self, node: Let) -> Closure:
        value = self.compile(node.value)
        place = self.variables
        self.variables += 1
        self._places[node.name] = place
        body = self.compile(node.body)
        del self._places[node.name]

        def let(frame: Frame) -> object:
            frame.variables[place] = value(frame)
            return body(frame)

        return let

    def _sequence(self, node: Sequence) -> Closure:
        *before, last = [self.compile(item) for item in node.items]

        def sequence(frame: Frame) -> object:
            for item in before:
                item(frame)
            return last(frame)

        return sequence

    # --- operators -------------------------------------------------------------------------------

    def _binary(self, node: Binary) -> Closure:
        spine = [node]
        left = without_parentheses(node.left)
        while isinstance(left, Binary):
            spine.append(left)
            left = without_parentheses(left.left)
        spine.reverse()
        first = self.compile(left)
        if len(spine) < LONG_ROW:
            for one in spine:
                first = self._operation(one, first)
            return first
        steps = [binary_step(one, self.compile(one.right)) for one in spine]
        return in_turn(first, steps)

    def _operation(self, node: Binary, left: Closure) -> Closure:
        right, constant = self.compile(node.right), self.constant(node.right)
        operand = without_parentheses(node.left)
        if constant is not None and isinstance(operand, Name):
            variable = self.variable(operand)
            if variable is not None:
                fast = variable_closure(node.operator, variable, constant[0], node.at)
                if fast is not None:
                    return fast
        return binary_closure(node, left, right, constant)

    def _comparison(self, node: Comparison) -> Closure:
        first = self.compile(node.first)
        operands = [self.compile(operand) for _, _, operand in node.rest]
        if len(operands) == 1:
            at, operator, operand = node.rest[0]
            return self._operation(Binary(at, operator, node.first, operand), first)
        return comparison_closure(node, first, operands)

    def _unary(self, node: Unary) -> Closure:
        operand, at = self.compile(node.operand), node.at
        if node.operator == "not":

            def invert(frame: Frame) -> object:
                value = operand(frame)
                if value is True:
                    return False
                if value is False:
                    return True
                raise ExpressionError(f"not needs a bool, not {kind(value)}", offset=at)

            return invert
        if node.operator == "+":
            return operand

        def negative(frame: Frame) -> object:
            value = operand(frame)
            try:
                return arithmetic.negative(value)
            except ExpressionError as error:
                raise placed(error, at) from None

        return negative

    def _conditional(self, node: Conditional) -> Closure:
        condition, at = self.compile(node.condition), node.at
        otherwise = self.compile(node.otherwise)
        # `c ?: b` gives c where it is true, and c can be nothing else then than true.
        then = self.compile(node.then) if node.then is not None else _true

        def conditional(frame: Frame) -> object:
            value = condition(frame)
            if value is True:
                return then(frame)
            if value is False:
                return otherwise(frame)
            raise ExpressionError(
                f"a condition must be a bool, not {kind(value)}",
                offset=at,
                hint='compare it, for example with == "true"',
            )

        return conditional

    # --- collections -----------------------------------------------------------------------------

    def _array(self, node: Array) -> Closure:
        items = [self.compile(item) for item in node.items]
        count = len(items)
        constants = [self.constant(item) for item in node.items]
        prepared = [None if one is None else one[0] for one in constants]
        open_places = [(place, items[place]) for place in range(count) if constants[place] is None]

        def array(frame: Frame) -> object:
            frame.elements -= count
            if frame.elements < 0:
                frame.make(0)
            made = prepared.copy()
            for place, item in open_places:
                made[place] = item(frame)
            return made

        return array

    def _map(self, node: Map) -> Closure:
        pairs = [(self._key(key), self.compile(value)) for key, value in node.pairs]
        count = len(pairs)

        def make_map(frame: Frame) -> object:
            frame.make(count)
            made: dict[str, object] = {}
            for key, value in pairs:
                # Of equal keys the first wins.
                made.setdefault(key(frame), value(frame))
            return made

        return make_map

    def _key(self, node: Node) -> Callable[[Frame], str]:
        key, at = self.compile(node), node.at

        def checked(frame: Frame) -> str:
            value = adopt(key(frame))
            if type(value) is not str:
                raise ExpressionError(
                    f"the key of a map must be a string, not {kind(value)}", offset=at
                )
            return value

        return checked

    # --- parts -----------------------------------------------------------------------------------

    def _slice(self, node: Slice) -> Closure:
        base, at = self.compile(node.base), node.at
        start = _ellipsis if node.start is None else self.compile(node.start)
        stop = _ellipsis if node.stop is None else self.compile(node.stop)

        def cut(frame: Frame) -> object:
            value = base(frame)
            try:
                return slice_of(value, start(frame), stop(frame), frame)
            except ExpressionError as error:
                raise placed(error, at) from None

        return cut


_POINTERS: Final[dict[str, Closure]] = {
    "": lambda frame: frame.item,
    "acc": lambda frame: frame.acc,
    "index": lambda frame: frame.index,
}


def _true(frame: Frame) -> object:
    return True


def _environment(frame: Frame) -> object:
    frame.make(len(frame.env))
    return dict(frame.env)


def _ellipsis(frame: Frame) -> object:
    return ...
