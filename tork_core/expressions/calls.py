"""Compiling calls: of functions, of functions with a predicate, and of methods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, cast

from tork_core.errors import ExpressionError
from tork_core.expressions.closures import Closure, NodeCompiler, Step, placed
from tork_core.expressions.frame import Frame
from tork_core.expressions.functions.arguments import accepted, check_count, convert
from tork_core.expressions.functions.declare import Function
from tork_core.expressions.functions.times import method_of
from tork_core.expressions.tree import (
    Braces,
    Call,
    Literal,
    Method,
    Node,
    cost_of,
    without_parentheses,
)
from tork_core.expressions.values import KNOWN, adopt, kind, to_python


def compile_call(node: Call, compiler: NodeCompiler) -> Closure:
    """The closure of a call. One of an unknown function is an error when it is evaluated."""
    function = compiler.functions.get(node.name)
    if function is None:
        return _unknown(node)
    if function.predicate is not None:
        return _predicate_call(node, function, compiler)
    arguments = [
        _argument(function, place, argument, compiler)
        for place, argument in enumerate(node.arguments)
    ]
    call = function.call if function.native else _plain(function)
    return _call(call, arguments, node.at, function.takes_frame)


def _unknown(node: Call) -> Closure:
    def unknown(frame: Frame) -> object:
        raise ExpressionError(f"unknown function {node.name}", offset=node.at)

    return unknown


def _argument(function: Function, place: int, node: Node, compiler: NodeCompiler) -> Closure:
    """The closure of an argument of the type that the function takes."""
    value, types, at = compiler.compile(node), accepted(function.parameter(place)), node.at
    constant = without_parentheses(node)
    if isinstance(constant, Literal):
        try:
            made = convert(constant.value, function, place)
        except ExpressionError as error:
            raise placed(error, at) from None
        return lambda frame: made
    if types is None:
        return _anything(value)

    def argument(frame: Frame) -> object:
        given = value(frame)
        if type(given) in types:
            return given
        try:
            return convert(given, function, place)
        except ExpressionError as error:
            raise placed(error, at) from None

    return argument


def _anything(value: Closure) -> Closure:
    def argument(frame: Frame) -> object:
        given = value(frame)
        return given if type(given) in KNOWN else adopt(given)

    return argument


def _call(
    call: Callable[..., object], arguments: list[Closure], at: int, takes_frame: bool
) -> Closure:
    if len(arguments) == 1 and not takes_frame:
        only = arguments[0]

        def unary(frame: Frame) -> object:
            value = only(frame)
            try:
                return call(value)
            except ExpressionError as error:
                raise placed(error, at) from None

        return unary

    def general(frame: Frame) -> object:
        values: list[Any] = [frame] if takes_frame else []
        for argument in arguments:
            values.append(argument(frame))
        try:
            return call(*values)
        except ExpressionError as error:
            raise placed(error, at) from None

    return general


def _plain(function: Function) -> Callable[..., object]:
    """A plugin's function, which takes and gives plain Python values."""
    call, name = function.call, function.name

    def plain(*arguments: object) -> object:
        values = [to_python(argument) for argument in arguments]
        try:
            return adopt(call(*values))
        except (ValueError, TypeError, ArithmeticError, LookupError) as error:
            raise ExpressionError(f"{name}: {error}") from error

    return plain


# --- functions with a predicate -------------------------------------------------------------------


def _predicate_call(node: Call, function: Function, compiler: NodeCompiler) -> Closure:
    array = _argument(function, 0, node.arguments[0], compiler)
    body, cost = _this, 2
    if len(node.arguments) > 1:
        inner = node.arguments[1]
        body = compiler.compile(inner.inner if isinstance(inner, Braces) else inner)
        cost = cost_of(inner) + 1
    rest = [
        _argument(function, place, argument, compiler)
        for place, argument in enumerate(node.arguments[2:], 2)
    ]
    call, at = function.call, node.at

    def predicate_call(frame: Frame) -> object:
        items = array(frame)
        values = [argument(frame) for argument in rest]
        item, acc, index = frame.item, frame.acc, frame.index
        try:
            made = call(frame, items, body, cost, *values)
        except ExpressionError as error:
            raise placed(error, at) from None
        frame.item, frame.acc, frame.index = item, acc, index
        return made

    return predicate_call


def _this(frame: Frame) -> object:
    return frame.item


# --- methods --------------------------------------------------------------------------------------


def method_step(node: Method, compiler: NodeCompiler) -> Step:
    """The step that calls a method of a date, a duration or the like."""
    name, at = node.name, node.at
    arguments = [compiler.compile(argument) for argument in node.arguments]

    def step(frame: Frame, value: object) -> object:
        value = adopt(value)
        function = method_of(value, name)
        if function is None:
            raise ExpressionError(f"{kind(value)} has no method {name}", offset=at)
        check_count(function, len(arguments) + 1, at)
        values = [value]
        for place, argument in enumerate(arguments, 1):
            values.append(convert(argument(frame), function, place))
        try:
            call = cast("Callable[..., object]", function.call)
            return call(frame, *values) if function.takes_frame else call(*values)
        except ExpressionError as error:
            raise placed(error, at) from None

    return step
