"""Makes the tree: what the parser does at each rule of the grammar.

A method is called with what its rule's parts became, as soon as they are read: there is no tree
of the grammar in between, and no recursion however deep the source nests.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from tork_core.errors import ExpressionError
from tork_core.expressions import lexical
from tork_core.expressions.operators import Infix, Item, Pipe, Prefix, tree_of
from tork_core.expressions.tree import (
    Array,
    Braces,
    Call,
    Chain,
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
    first_part,
    without_parentheses,
)

if TYPE_CHECKING:
    from lark import Token


def _at(token: Token) -> int:
    return token.start_pos or 0


class Builder:
    """The parser's callbacks, one for each alias in grammar.lark."""

    def start(self, parts: tuple[Node]) -> Node:
        return parts[0]

    # --- sequences, conditions, let --------------------------------------------------------------

    def sequence(self, parts: tuple[Node, Node]) -> Node:
        first, rest = parts
        if isinstance(rest, Sequence):
            # The rest of this very sequence: another one would stand in parentheses.
            rest.items.insert(0, first)
            return rest
        return Sequence(first.at, [first, rest])

    def let(self, parts: tuple[Token, Token, Node, Node]) -> Node:
        _, name, value, body = parts
        return Let(_at(name), str(name), value, body)

    def ternary(self, parts: tuple[Node, Token, Node, Node]) -> Node:
        condition, mark, then, otherwise = parts
        return Conditional(_at(mark), condition, then, otherwise)

    def elvis(self, parts: tuple[Node, Token, Node]) -> Node:
        condition, mark, otherwise = parts
        return Conditional(_at(mark), condition, None, otherwise)

    def conditional(self, parts: tuple[Token, Node, Node, Token, Node]) -> Node:
        word, condition, then, _, otherwise = parts
        return Conditional(_at(word), condition, then, otherwise)

    # --- rows of operands and operators ----------------------------------------------------------

    def operation(self, parts: tuple[list[Item]]) -> Node:
        return tree_of(parts[0])

    def row_start(self, parts: tuple[list[Item]]) -> list[Item]:
        return parts[0]

    def row_more(self, parts: tuple[list[Item], Token, list[Item]]) -> list[Item]:
        row, operator, operand = parts
        row.append(Infix(_at(operator), str(operator)))
        row += operand
        return row

    def row_negated(self, parts: tuple[list[Item], Token, Token, list[Item]]) -> list[Item]:
        row, negation, operator, operand = parts
        row.append(Infix(_at(operator), str(operator), negated=_at(negation)))
        row += operand
        return row

    def row_pipe(self, parts: tuple[list[Item], Token, list[Node]]) -> list[Item]:
        row, name, arguments = parts
        row.append(Pipe(Call(_at(name), str(name), arguments)))
        return row

    def prefixed(self, parts: tuple[Token, list[Item]]) -> list[Item]:
        operator, operand = parts
        operand.insert(0, Prefix(_at(operator), str(operator)))
        return operand

    def plain(self, parts: tuple[Node]) -> list[Item]:
        return [parts[0]]

    def number(self, parts: tuple[Token]) -> list[Item]:
        token = parts[0]
        value = lexical.number(str(token), _at(token))
        return [Literal(_at(token), value, text=str(token))]

    def constant(self, parts: tuple[Token]) -> list[Item]:
        token = parts[0]
        return [Literal(_at(token), lexical.CONSTANTS[token], text=str(token))]

    # --- what follows an operand -----------------------------------------------------------------

    def member(self, parts: tuple[Node, Token, Token]) -> Node:
        base, _, name = parts
        inner, chained = _unchained(base)
        return _chained(Member(_at(name), inner, str(name), optional=False), chained)

    def optional_member(self, parts: tuple[Node, Token, Token]) -> Node:
        base, _, name = parts
        inner, _ = _unchained(base)
        return _chained(Member(_at(name), inner, str(name), optional=True), True)

    def method(self, parts: tuple[Node, Token, Token, list[Node]]) -> Node:
        base, _, name, arguments = parts
        inner, chained = _unchained(base)
        return _chained(Method(_at(name), inner, str(name), arguments, optional=False), chained)

    def optional_method(self, parts: tuple[Node, Token, Token, list[Node]]) -> Node:
        base, _, name, arguments = parts
        inner, _ = _unchained(base)
        return _chained(Method(_at(name), inner, str(name), arguments, optional=True), True)

    def index(self, parts: tuple[Node, Token, Node]) -> Node:
        base, bracket, index = parts
        return Index(_at(bracket), base, index, optional=False)

    def optional_index(self, parts: tuple[Node, Token, Token, Node]) -> Node:
        base, mark, _, index = parts
        return Chain(_at(mark), Index(_at(mark), base, index, optional=True))

    def slice(self, parts: list[Node | Token]) -> Node:
        base = parts[0]
        colon = next(place for place, part in enumerate(parts) if _is(part, "COLON"))
        start, stop = parts[colon - 1], parts[colon + 1] if colon + 1 < len(parts) else None
        assert not isinstance(base, str)
        return Slice(
            at=_at(parts[colon]),  # type: ignore[arg-type]
            base=base,
            start=None if isinstance(start, str) else start,
            stop=None if isinstance(stop, str) else stop,
        )

    # --- operands --------------------------------------------------------------------------------

    def name(self, parts: tuple[Token]) -> Node:
        return Name(_at(parts[0]), str(parts[0]))

    def call(self, parts: tuple[Token, list[Node]]) -> Node:
        name, arguments = parts
        return Call(_at(name), str(name), arguments)

    def builtin_call(self, parts: tuple[Token, list[Node]]) -> Node:
        name, arguments = parts
        return Call(_at(name), str(name), arguments, builtin=True)

    def string(self, parts: tuple[Token]) -> Node:
        value = lexical.text(str(parts[0]), _at(parts[0]))
        return Literal(_at(parts[0]), value, text=value)

    def raw_string(self, parts: tuple[Token]) -> Node:
        value = str(parts[0])[1:-1].replace("``", "`")
        return Literal(_at(parts[0]), value, text=value)

    def bytes(self, parts: tuple[Token]) -> Node:
        return Literal(_at(parts[0]), lexical.bytes_of(str(parts[0]), _at(parts[0])))

    def pointer(self, parts: list[Token]) -> Node:
        # `#acc`, and `# acc` too: blanks between tokens mean nothing.
        name = str(parts[0])[1:]
        if len(parts) == 2:
            if name:
                raise ExpressionError(f"unexpected {parts[1]}", offset=_at(parts[1]))
            name = str(parts[1])
        return Pointer(_at(parts[0]), name)

    def pointer_member(self, parts: tuple[Token, Token]) -> Node:
        dot, name = parts
        return Member(_at(name), Pointer(_at(dot), ""), str(name), optional=False)

    def pointer_method(self, parts: tuple[Token, Token, list[Node]]) -> Node:
        dot, name, arguments = parts
        return Method(_at(name), Pointer(_at(dot), ""), str(name), arguments, optional=False)

    def parenthesis(self, parts: tuple[Token, Node]) -> Node:
        return Parenthesis(_at(parts[0]), parts[1])

    def array(self, parts: list[Token | Node]) -> Node:
        return Array(_at(parts[0]), parts[1:])  # type: ignore[arg-type]

    def map(self, parts: list[Token | tuple[Node, Node]]) -> Node:
        return Map(_at(parts[0]), parts[1:])  # type: ignore[arg-type]

    def pair(self, parts: tuple[Node, Node]) -> tuple[Node, Node]:
        key, value = parts
        if isinstance(first_part(key), Parenthesis):
            return key, value
        text = key.name if isinstance(key, Name) else None
        if isinstance(key, Literal):
            text = key.text
        if text is None:
            raise ExpressionError(
                "this cannot be the key of a map",
                offset=first_part(key).at,
                hint="write a name, text or a number, or put the expression in parentheses",
            )
        return Literal(key.at, text, text=text), value

    def arguments(self, parts: list[Node]) -> list[Node]:
        return list(parts)

    def braces(self, parts: tuple[Token, Node]) -> Node:
        return Braces(_at(parts[0]), parts[1])


def _is(part: object, kind: str) -> bool:
    return isinstance(part, str) and getattr(part, "type", None) == kind


def _unchained(base: Node) -> tuple[Node, bool]:
    """What a name after ``base`` goes on from, and whether that is inside optional chaining.

    Names go on with the chain, also after parentheses around it; an index has ended it.
    """
    inner = without_parentheses(base)
    return (inner.inner, True) if isinstance(inner, Chain) else (base, False)


def _chained(node: Member | Method, chained: bool) -> Node:
    return Chain(node.at, node) if chained else node
