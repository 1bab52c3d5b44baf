"""Functions from outside: declaring them, tables, and what is checked."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from tork_core.errors import PluginError
from tork_core.expressions import (
    BUILTINS,
    Context,
    ExpressionError,
    FunctionTable,
    compile_expression,
    evaluate,
    function,
    render,
)


@function("slug(text: string, separator?: string) -> string")
def slug(text: str, separator: str = "-") -> str:
    """Make the text fit for a URL.

    >>> slug("Big Buck")
    "big-buck"
    """
    return text.lower().replace(" ", separator)


@function("later(at: date, by: duration) -> date")
def later(at: datetime, by: timedelta) -> datetime:
    """A later date."""
    return at + by


@function("broken(number: number) -> number")
def broken(number: float) -> float:
    """Fail."""
    raise ValueError("no such luck")


TABLE = BUILTINS.extended([slug, later, broken], origin="tork-example")
CONTEXT = Context(functions=TABLE)


def test_a_declared_function_is_called() -> None:
    assert evaluate("slug('Big Buck')", context=CONTEXT) == "big-buck"
    assert evaluate("'A B' | slug('_')", context=CONTEXT) == "a_b"
    assert render("{{ slug(inputs.x) }}", {"inputs": {"x": "A B"}}, CONTEXT) == "a-b"


def test_its_description_comes_from_the_python_function() -> None:
    assert slug.signature == "slug(text: string, separator?: string) -> string"
    assert slug.summary == "Make the text fit for a URL."
    assert slug.examples == (('slug("Big Buck")', '"big-buck"'),)
    assert TABLE["slug"].origin == "tork-example"


def test_it_gets_and_gives_plain_python_values() -> None:
    value = evaluate("later(date('2024-02-29'), duration('1h')).Hour()", context=CONTEXT)
    assert value == 1


@pytest.mark.parametrize("source", ["slug()", "slug(1)", "slug('a', 'b', 'c')", "slug(nil)"])
def test_its_signature_is_checked_before_anything_runs(source: str) -> None:
    with pytest.raises(ExpressionError, match="slug"):
        compile_expression(source, TABLE)


def test_its_arguments_are_checked_when_it_runs() -> None:
    with pytest.raises(ExpressionError, match="slug: text needs a string, not an int"):
        evaluate("slug(x)", {"x": 1}, CONTEXT)


def test_its_errors_name_it() -> None:
    with pytest.raises(ExpressionError, match="broken: no such luck"):
        evaluate("broken(1)", context=CONTEXT)


def test_it_is_unknown_without_its_table() -> None:
    with pytest.raises(ExpressionError, match="unknown function slug"):
        evaluate("slug('a')")


def test_an_expression_compiled_without_it_finds_it_in_the_context() -> None:
    assert compile_expression("slug('A')")({}, CONTEXT) == "a"


def test_a_function_may_not_shadow_another_one_unless_it_says_so() -> None:
    @function("upper(text: string) -> string")
    def upper(text: str) -> str:
        """Another one."""
        return text

    @function("upper(text: string) -> string", overrides=True)
    def mine(text: str) -> str:
        """Another one."""
        return "mine"

    with pytest.raises(PluginError, match="upper"):
        BUILTINS.extended([upper], origin="tork-example")
    table = BUILTINS.extended([mine], origin="tork-example")
    assert evaluate("upper('a')", context=Context(functions=table)) == "mine"
    assert evaluate("upper('a')") == "A"


@pytest.mark.parametrize(
    "signature", ["f", "f()", "f(x) -> any", "f(x: nope) -> any", "1f() -> any", "f(x:any) -> any"]
)
def test_wrong_signatures_are_refused(signature: str) -> None:
    with pytest.raises(PluginError):
        function(signature)(lambda x: x)


def test_a_function_needs_a_docstring() -> None:
    with pytest.raises(PluginError, match="docstring"):
        function("f(x: any) -> any")(lambda x: x)


def test_tables_are_compared_by_identity() -> None:
    assert FunctionTable() != FunctionTable()
    assert len({TABLE, TABLE, BUILTINS}) == 2


def test_every_builtin_has_a_description_and_an_example() -> None:
    for one in BUILTINS.values():
        assert one.summary, one.name
        assert one.examples, one.name


def test_the_clock_and_randomness_are_injected() -> None:
    moment = datetime(2024, 2, 29, 12, 30, tzinfo=UTC)
    context = Context(now=lambda: moment, random=random.Random(7))
    again = Context(now=lambda: moment, random=random.Random(7))
    assert evaluate("now()", context=context) == moment
    assert evaluate("now(timezone('Europe/Paris')).Hour()", context=context) == 13
    assert evaluate("randomInt(1000)", context=context) == evaluate(
        "randomInt(1000)", context=again
    )


def test_the_defaults_are_the_real_ones() -> None:
    assert evaluate("now() > date('2024-01-01')") is True
    assert evaluate("randomInt() >= 0") is True
