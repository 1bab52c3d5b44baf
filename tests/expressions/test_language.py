"""What the language means where the shared cases say little: our own rules and the corners."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from types import SimpleNamespace
from zoneinfo import ZoneInfo

import pytest

from tork_core.expressions import (
    ExpressionError,
    TextNamespace,
    compile_expression,
    evaluate,
)


@pytest.mark.parametrize(
    ("source", "value"),
    [
        ("a ?? b ?? 3", 3),
        ("1 + a ?? 2 + 3", 6),
        ("-a ?? 2", -2),
        ("-a ?? 2 * 3", -6),
        ("1 + 2 | string() + 'x' | upper()", "3X"),
        ("not true == false", True),
        ("not 2 in [3]", None),
        ("2 ** -1", 0.5),
        ("1 < 2 == true", True),
        ("if false {1} else if true {2} else {3}", 2),
        ("let x = 1; let y = x + 1; x; y", 2),
        ("true ? let x = 2; x * 2 : 0", 4),
        ("(1; 2; 3)", 3),
        ("1; 2;", 2),
        ("{a: 1, a: 2}", {"a": 1}),
        ("{0x10: 1}['0x10']", 1),
        ("{(('a') + 'b'): 1}.ab", 1),
        ("{true: 1}['true']", 1),
        ("map([1], # acc)", None),
        ("reduce([1, 2], # acc + #)", 3),
        ("map([1, 2], map([10, 20], # + 1))", [[11, 21], [11, 21]]),
        ("map([[1], [2, 3]], sum(#))", [1, 5]),
        ("count([true, false, true])", 2),
        ("filter([{a: true}], {.a})", [{"a": True}]),
        ("'é' * 2", None),
        ("'\\u{1F600}'", "😀"),
        ("'\\uD83D'", "\ufffd"),
        ("`a``b`", "a`b"),
        ("[1, 2, 3][-1:]", [3]),
        ("[1, 2, 3][5:1]", []),
        ("b'\\xff\\101'[0]", 255),
        ("1 /* two */ + // three\n 4", 5),
        ("$env?.nope", None),
        ("$env['b'] ?? 1", 1),
        ("'b' in $env", True),
    ],
)
def test_expressions(source: str, value: object) -> None:
    env = {"a": None, "b": None}
    if value is None and "?." not in source:
        with pytest.raises(ExpressionError):
            evaluate(source, env)
    else:
        assert evaluate(source, env) == value


@pytest.mark.parametrize(
    "source",
    [
        *("", " ", "1 +", "(", "1)", "a b", "let x = 1", "let x = 1;", "if a {1}", "a ? b", "f(,)"),
        *("[1,,2]", "{a 1}", "{-1: 2}", "{a.b: 1}", "x.1", "1.a", "1x", "0x", "08e", "'a", '"a\n"'),
        *("'\\q'", "`a", "/* a", "a & b", "a = b", "#", ".a", "##", "$env.", "::", "::nope()"),
        *("map([1], {})", "map([1], {a: #})", "len({1})", "map([1], #nope)", "any([1], #index)"),
        *("a ?? b + 1", "1 == 2 ? ", "x..", "a not b", "true.a", "nil?.b", "1?.a", "f(x)(y)"),
        *(
            "(f)(x)",
            "let len = 1; len",
            "let x = 1; let x = 2; x",
            "a²",
            "\x00",
            "a ?:",
            "if a {} else {}",
        ),
    ],
)
def test_what_is_no_expression(source: str) -> None:
    with pytest.raises(ExpressionError):
        compile_expression(source)


class Colour(StrEnum):
    RED = "red"


def test_values_of_the_environment_are_taken_in() -> None:
    zone = ZoneInfo("Europe/Paris")
    env = {
        "at": datetime(2024, 2, 29, 12, tzinfo=zone),
        "naive": datetime(2024, 2, 29, 12),
        "long": timedelta(hours=1, microseconds=5),
        "zone": zone,
        "offset": timezone(timedelta(hours=2)),
        "pair": (1, "a"),
        "colour": Colour.RED,
        "nested": {"times": [datetime(2024, 1, 1, tzinfo=UTC)]},
    }
    assert evaluate("at.Hour()", env) == 12
    assert evaluate("string(at)", env) == "2024-02-29 12:00:00 +0100 CET"
    assert evaluate("naive.Location()", env) == ZoneInfo("UTC")
    assert evaluate("string(long)", env) == "1h0m0.000005s"
    assert evaluate("at + long", env) == env["at"] + env["long"]
    assert evaluate("string(at.In(offset))", env) == "2024-02-29 13:00:00 +0200 +0200"
    assert evaluate("pair[1] + string(len(pair))", env) == "a2"
    assert evaluate("pair", env) == [1, "a"]
    assert evaluate("colour + '!'", env) == "red!"
    assert evaluate("colour == 'red'", env) is True
    assert evaluate("nested.times[0] == date('2024-01-01')", env) is True
    assert evaluate("[at, long]", env) == [env["at"], env["long"]]


@pytest.mark.parametrize(
    "source",
    ["x.y", "x['y']", "x.__class__", "x?.y", "x.y()", "x[0]", "len(x)", "string(x)", "x + 1", "-x"],
)
def test_nothing_is_read_of_an_object(source: str) -> None:
    with pytest.raises(ExpressionError):
        evaluate(source, {"x": SimpleNamespace(y=1)})


@pytest.mark.parametrize(
    "source", ["x.__class__", "x.upper()", "x.format", "m.keys()", "m.__len__", "xs.append(1)"]
)
def test_python_attributes_are_no_fields(source: str) -> None:
    env = {"x": "a", "m": {"a": 1}, "xs": [1]}
    with contextlib.suppress(ExpressionError):
        assert evaluate(source, env) is None


def test_an_opaque_value_can_be_handed_on() -> None:
    thing = object()
    assert evaluate("[x, 1]", {"x": thing}) == [thing, 1]


def test_missing_names_of_a_text_namespace_are_empty() -> None:
    env = {"inputs": TextNamespace({"a": "1"})}
    assert evaluate("inputs.nope == ''", env) is True
    assert evaluate("inputs['nope'] + 'y'", env) == "y"
    assert evaluate("inputs.nope ?? 'd'", env) == ""
    assert evaluate("'nope' in inputs", env) is False
    assert evaluate("get(inputs, 'nope')", env) is None
    assert evaluate("len(inputs)", env) == 1
    assert evaluate("inputs", env) == {"a": "1"}


def test_unknown_names_are_errors_though_they_are_not_reached() -> None:
    with pytest.raises(ExpressionError, match="unknown name nope"):
        evaluate("true ? 1 : nope", {})
    with pytest.raises(ExpressionError, match="did you mean inputs"):
        evaluate("imputs.x", {"inputs": {}})


def test_a_name_hides_a_function() -> None:
    with pytest.raises(ExpressionError, match="is a name here"):
        evaluate("len('a')", {"len": 1})
    assert evaluate("::len('a') + len", {"len": 1}) == 2


def test_results_of_any_type_of_key() -> None:
    assert evaluate("groupBy([1, 2, 3], # > 1)") == {False: [1], True: [2, 3]}
    assert evaluate("len(groupBy([1, 1.0, true], #))") == 3
    assert evaluate("groupBy(['a'], #).nope") == []
    assert evaluate("fromPairs([[1, 2]])[1]") == 2


def test_the_environment_is_not_changed() -> None:
    env = {"xs": [3, 1, 2]}
    assert evaluate("sort(xs)", env) == [1, 2, 3]
    assert evaluate("reverse(xs)", env) == [2, 1, 3]
    assert evaluate("concat(xs, xs)", env) == [3, 1, 2, 3, 1, 2]
    assert env == {"xs": [3, 1, 2]}
