"""The reference page: every example gives what it says, and the functions are all there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from tork_core.expressions import ExpressionError, TextNamespace, evaluate, render
from tork_core.expressions.functions.library import BUILTINS
from tork_core.expressions.functions.times import METHODS
from tork_core.expressions.literals import write_literal
from tork_core.expressions.reference import with_functions

PAGE = Path(__file__).parents[2] / "docs" / "reference" / "expressions.md"
TEXT = PAGE.read_text("utf-8")


def _blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)


def _lines(language: str) -> list[tuple[str, str]]:
    lines = [line for block in _blocks(language) for line in block.splitlines()]
    separator = "  => " if language != "error" else " => "
    return [(before, after) for before, _, after in (one.partition(separator) for one in lines)]


def _env() -> dict[str, Any]:
    env = json.loads(_blocks("json")[0])
    return {**env, **{name: TextNamespace(env[name]) for name in ("inputs", "tasks")}}


@pytest.mark.parametrize(("source", "value"), _lines("expr"))
def test_an_expression_gives_what_the_page_says(source: str, value: str) -> None:
    got = evaluate(source, _env())
    assert got == evaluate(value)
    assert type(got) is type(evaluate(value))


@pytest.mark.parametrize(("source", "text"), _lines("template"))
def test_a_template_gives_what_the_page_says(source: str, text: str) -> None:
    assert render(source, _env()) == text


@pytest.mark.parametrize(("source", "message"), _lines("error"))
def test_an_error_says_what_the_page_says(source: str, message: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(source, _env())
    assert str(caught.value).splitlines()[0] == message


def test_the_functions_on_the_page_are_those_there_are() -> None:
    assert with_functions(TEXT) == TEXT, (
        "run python -m tork_core.expressions.reference docs/reference/expressions.md"
    )
    assert all(f"**`{one.signature}`**" in TEXT for one in BUILTINS.values())


def test_all_methods_are_on_the_page() -> None:
    section = TEXT.partition("### Methods")[2]
    for methods in METHODS.values():
        for name in methods:
            assert re.search(rf"\b{name}\(", section), name


@pytest.mark.parametrize(
    "source",
    ["nil", "[1, 2.5, nil, true]", '{"a": 1, "b": [1]}', "b'\\xff'", "'a\"\\n'", "1/0 > 1", "-0.5"],
)
def test_literals_read_back(source: str) -> None:
    value = evaluate(source)
    assert evaluate(write_literal(value)) == value
