"""Compiling what follows an operand: fields, indexes, methods, and optional chaining."""

# What `type(value) is dict` narrows has unknown elements; a cast would take time at every field.
# pyright: reportUnknownVariableType=false, reportUnknownMemberType=false

from __future__ import annotations

from typing import Any, Final, TypeAlias

from tork_core.errors import ExpressionError
from tork_core.expressions.access import field_of, item_of
from tork_core.expressions.calls import method_step
from tork_core.expressions.closures import LONG_ROW, Closure, NodeCompiler, Step, in_turn, placed
from tork_core.expressions.frame import Frame
from tork_core.expressions.names import ENVIRONMENT
from tork_core.expressions.namespaces import TextNamespace
from tork_core.expressions.tree import (
    Chain,
    Index,
    Literal,
    Member,
    Method,
    Name,
    without_parentheses,
)

Link: TypeAlias = Member | Method | Index


class _Short:
    """What the links of a chain hand on after ``?.`` met nil, up to the chain's end."""


_SHORT: Final = _Short()


def compile_chain(node: Chain, compiler: NodeCompiler) -> Closure:
    """The closure of a chain with ``?.`` in it."""
    inner = without_parentheses(node.inner)
    assert isinstance(inner, Member | Method | Index)
    links = compile_links(inner, compiler, in_chain=True)

    def chain(frame: Frame) -> object:
        value = links(frame)
        return None if value is _SHORT else value

    return chain


def compile_links(node: Link, compiler: NodeCompiler, *, in_chain: bool) -> Closure:
    """The closure of names, indexes and methods in a row after an operand."""
    row: list[Link] = [node]
    base = without_parentheses(node.base)
    while isinstance(base, Member | Method | Index):
        row.append(base)
        base = without_parentheses(base.base)
    row.reverse()
    first = compiler.compile(base)
    if isinstance(base, Name) and base.name == ENVIRONMENT:
        name = _constant_name(row[0])
        if name is not None:
            first = _variable(name, row[0])
            row = row[1:]
    if not in_chain and len(row) < LONG_ROW:
        for link in row:
            first = _closure(link, first, compiler)
        return first
    return in_turn(
        first, [_chained(link, compiler) if in_chain else _step(link, compiler) for link in row]
    )


def _variable(name: str, link: Link) -> Closure:
    """``$env.name``: nil where there is no such name and it is asked for by ``?.``."""
    optional, at = link.optional, link.at

    def variable(frame: Frame) -> object:
        if name in frame.env:
            return frame.env[name]
        if optional:
            return None
        raise ExpressionError(
            f"unknown name {name}", offset=at, hint=f"$env?.{name} gives nil for it"
        )

    return variable


def _constant_name(link: Link) -> str | None:
    if isinstance(link, Member):
        return link.name
    if isinstance(link, Index) and isinstance(index := without_parentheses(link.index), Literal):
        return index.value if isinstance(index.value, str) else None
    return None


def _closure(link: Link, base: Closure, compiler: NodeCompiler) -> Closure:
    if isinstance(link, Index) and isinstance(index := without_parentheses(link.index), Literal):
        return _constant_index(link, base, index.value)
    if not isinstance(link, Member):
        step = _step(link, compiler)
        return lambda frame: step(frame, base(frame))
    if isinstance(variable := without_parentheses(link.base), Name):
        namespace = compiler.variable(variable)
        if namespace is not None:
            return _name_in_namespace(link, namespace)
    name, at = link.name, link.at

    def member(frame: Frame) -> object:
        value: Any = base(frame)
        type_ = type(value)
        if type_ is dict:
            return value.get(name)
        if type_ is TextNamespace:
            return value[name]
        try:
            return field_of(value, name)
        except ExpressionError as error:
            raise placed(error, at) from None

    return member


def _name_in_namespace(link: Member, namespace: str) -> Closure:
    """``inputs.name``, most of what jobs have, in one closure."""
    name, at = link.name, link.at

    def member(frame: Frame) -> object:
        value: Any = frame.env[namespace]
        type_ = type(value)
        if type_ is dict:
            return value.get(name)
        if type_ is TextNamespace:
            return value[name]
        try:
            return field_of(value, name)
        except ExpressionError as error:
            raise placed(error, at) from None

    return member


def _constant_index(link: Index, base: Closure, index: object) -> Closure:
    at = link.at

    def item(frame: Frame) -> object:
        value: Any = base(frame)
        type_ = type(value)
        if type_ is list and type(index) is int and -len(value) <= index < len(value):
            return value[index]
        try:
            return item_of(value, index)
        except ExpressionError as error:
            raise placed(error, at) from None

    return item


def _chained(link: Link, compiler: NodeCompiler) -> Step:
    step = _step(link, compiler)
    if not link.optional:
        return lambda frame, value: value if value is _SHORT else step(frame, value)
    return lambda frame, value: _SHORT if value is None or value is _SHORT else step(frame, value)


def _step(link: Link, compiler: NodeCompiler) -> Step:
    if isinstance(link, Method):
        return method_step(link, compiler)
    if isinstance(link, Member):
        return _field_step(link)
    return _index_step(link, compiler)


def _field_step(link: Member) -> Step:
    name, at = link.name, link.at

    def step(frame: Frame, value: object) -> object:
        try:
            return field_of(value, name)
        except ExpressionError as error:
            raise placed(error, at) from None

    return step


def _index_step(link: Index, compiler: NodeCompiler) -> Step:
    index, at = compiler.compile(link.index), link.at

    def step(frame: Frame, value: Any) -> object:
        place = index(frame)
        type_ = type(value)
        if type_ is list and type(place) is int and -len(value) <= place < len(value):
            return value[place]
        try:
            return item_of(value, place)
        except ExpressionError as error:
            raise placed(error, at) from None

    return step
