"""Errors: message, place, caret, hint."""

from __future__ import annotations

import pytest

from tork_core.expressions import ExpressionError, evaluate


@pytest.mark.parametrize(
    ("source", "position"),
    [
        ("1 +", (1, 3)),
        ("1 + * 2", (1, 5)),
        ("xs[7]", (1, 3)),
        ("1 +\n 'a'", (1, 3)),
        ("len(\n  1)", (2, 3)),
        ("map(xs,\n #.a)", (2, 4)),
        ("n.a.b", (1, 3)),
        ("nope", (1, 1)),
        ("xs matches 'a'", (1, 4)),
        ("not 1", (1, 1)),
        ("1 ? 2 : 3", (1, 3)),
        ("'a' + 'b' + 1", (1, 11)),
        ("'\\q'", (1, 2)),
        ("date('x')", (1, 1)),
        ("date('2024-01-01').Nope()", (1, 20)),
    ],
)
def test_the_place_of_an_error(source: str, position: tuple[int, int]) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(source, {"xs": [1], "n": None})
    assert caught.value.position == position
    assert caught.value.source == source


def test_the_text_of_an_error() -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate("1 +\nxs[7] + 2", {"xs": [1]})
    assert str(caught.value) == (
        "the index 7 is out of range (the length is 1) (2:3); get(x, i) gives nil then"
        "\n | xs[7] + 2\n | ..^"
    )


def test_every_evaluation_raises_an_error_of_its_own() -> None:
    errors = []
    for _ in range(2):
        with pytest.raises(ExpressionError) as caught:
            evaluate("xs[7]", {"xs": []})
        errors.append(caught.value)
    assert errors[0] is not errors[1]


@pytest.mark.parametrize(
    ("source", "hint"),
    [
        ("a = 1", "write == to compare"),
        ("a & b", "write && or and"),
        ("'a' + 1", "string(x) makes text of any value"),
        ("'a' in 'abc'", "text contains a text: write `contains`"),
        ("n.a", "?.a gives nil for a field of nil"),
        ("9223372036854775807 + 1", "make one of the numbers a float"),
        ("upper(1)", "upper(text: string) -> string"),
        ("map([1], {a: #})", "write {{ … }} for a predicate that gives a map"),
    ],
)
def test_hints(source: str, hint: str) -> None:
    with pytest.raises(ExpressionError) as caught:
        evaluate(source, {"n": None})
    assert caught.value.hint == hint
