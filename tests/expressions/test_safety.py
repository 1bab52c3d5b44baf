"""Nothing that an expression says or holds makes it go on without end, or fail in another way."""

from __future__ import annotations

import contextlib
import json
from typing import Any

import pytest

from tork_core.expressions import ExpressionError, compile_expression, evaluate, render
from tork_core.expressions.limits import MAX_SOURCE

DEEP = 100


@pytest.mark.parametrize(
    "source",
    [
        "(" * DEEP + "1" + ")" * DEEP,
        "[" * DEEP + "1" + "]" * DEEP,
        "{a:" * DEEP + "1" + "}" * DEEP,
        "-" * DEEP + "1",
        "not " * DEEP + "true",
        "true ? " * DEEP + "1" + " : 2" * DEEP,
        "true ? 1 : " * DEEP + "1",
        "abs(" * DEEP + "1" + ")" * DEEP,
        "map([1], " * DEEP + "#" + ")" * DEEP,
        "all([true], " * DEEP + "#" + ")" * DEEP,
        "2 ** " * DEEP + "1",
        "if true {" * DEEP + "1" + "} else {2}" * DEEP,
        "1" + " + 1" * 900,
        "true" + " and true" * 400,
        "m" + ".a" * 1500,
        "m" + "?.a" * 900,
        "x" + "[0]" * 90,
        "1" + " | abs()" * 90,
        "1; " * 1000 + "1",
        "(1 + " * DEEP + "1" + ")" * DEEP,
    ],
)
def test_nesting_that_must_work(source: str) -> None:
    nested: list[Any] = []
    mapped: dict[str, Any] = {"b": 1}
    for _ in range(90):
        nested = [nested]
    mapped["a"] = mapped
    value = evaluate(f"let value = ({source}); 1", {"m": mapped, "x": nested})
    assert value == 1
    compile_expression(source)


OPENERS = [
    "(",
    "[",
    "{a:",
    "-",
    "!",
    "not ",
    "abs(",
    "map([1], ",
    "true ? ",
    "true ? 1 : ",
    "2 ** ",
]


@pytest.mark.parametrize(
    "opener", [*OPENERS, "x[", "x.a(", "{(", "let a = (", "if ", "1 ?? ", "a?.["]
)
def test_deeper_nesting_is_an_error_of_ours(opener: str) -> None:
    closers = {"(": ")", "[": "]", "{": "}"}
    count = MAX_SOURCE // (len(opener) + 2)
    closer = "".join(closers[letter] for letter in reversed(opener) if letter in closers)
    for body in ("1", ""):
        for source in (opener * count + body + closer * count, opener * count):
            with contextlib.suppress(ExpressionError):
                evaluate(source, {"x": [], "a": None})


def test_a_source_that_is_too_long_is_refused() -> None:
    with pytest.raises(ExpressionError, match="longer than"):
        evaluate("1" + " " * MAX_SOURCE)


ENV = {
    "xs": list(range(100_000)),
    "s": "x" * 900_000,
    "words": [f"w{number}" for number in range(20_000)],
    "m": {str(number): number for number in range(20_000)},
    "json": "[" + "1," * 300_000 + "1]",
    "brackets": "[" * 100_000,
}


@pytest.mark.parametrize(
    "source",
    [
        "1..9223372036854775807",
        "-9223372036854775807..9223372036854775807",
        "sequence(0, 1000000000)",
        "map(1..1000, map(1..1000, map(1..1000, #)))",
        "all(xs, all(xs, # >= 0))",
        "sum(map(1..1000, sum(1..1000)))",
        "repeat('ab', 9999999999)",
        "repeat(repeat('ab', 1000), 1000)",
        "map(1..1000, s + s)",
        "map(1..1000, s[1:])",
        "map(1..1000, trimPrefix(s, 'x'))",
        "map(1..1000, upper(s))",
        "map(1..999, repeat('a', 10000))",
        "replace(s, '', 'yy')",
        "split(s, '') == split(s, '')",
        "flatten(map(1..1000, xs))",
        "concat(xs, xs, xs, xs, xs, xs, xs, xs, xs, xs)",
        "uniq(xs)",
        "reduce(1..60, [#acc, #acc], 1)",
        "reduce(1..60, {{a: #acc, b: #acc}}, 1)",
        "flatten(reduce(1..60, [#acc, #acc], 1))",
        "string(reduce(1..60, [#acc, #acc], 1))",
        "toJSON(reduce(1..60, [#acc, #acc], 1))",
        "max(reduce(1..60, [#acc, #acc], 1))",
        "let a = reduce(1..60, [#acc, #acc], 1); a == reduce(1..60, [#acc, #acc], 1)",
        "reduce(1..60, #acc + #acc, 'x')",
        "reduce(1..60, concat(#acc, #acc), [1])",
        "reduce(1..200, [#acc], 1)",
        "toJSON(reduce(1..200, [#acc], 1))",
        "reduce(1..60, #acc * #acc, 10)",
        "fromJSON(json)",
        "fromJSON(brackets)",
        "map(1..100000, # in xs)",
        "s matches '((x{1,300}){1,3})y'",
        "filter(1..1000, 's' matches '(\\\\pL|\\\\pN){1,' + string(#) + '}')",
        "map(1..100000, $env)",
        "sort(map(1..100000, [#]))",
    ],
)
def test_work_is_bounded(source: str) -> None:
    # That it comes back at all is the test: each would take from seconds to forever.
    with pytest.raises(ExpressionError):
        evaluate(source, ENV)


@pytest.mark.parametrize(
    "source",
    [
        "sum(1..100000)",
        "len(map(1..10000, # * 2 + 1))",
        "len(sort(words))",
        "len(toJSON(m)) > 0",
        "len(split(s, ''))",
        "s matches 'x*$'",
        "len(groupBy(words, len(#)))",
        "count(words, # startsWith 'w1')",
    ],
)
def test_work_that_must_be_possible(source: str) -> None:
    assert evaluate(source, ENV)


def test_values_that_contain_themselves() -> None:
    xs: list[Any] = []
    xs.append(xs)
    m: dict[str, Any] = {}
    m["m"] = m
    for source in (
        "xs",
        "string(xs)",
        "toJSON(m)",
        "xs == [xs]",
        "m == {m: m}",
        "flatten(xs)",
        "max(xs)",
    ):
        with pytest.raises(ExpressionError):
            evaluate(source, {"xs": xs, "m": m})


def test_a_caller_deep_in_its_own_calls_gets_our_error() -> None:
    def deep(levels: int) -> object:
        return deep(levels - 1) if levels else evaluate("[" * 100 + "1" + "]" * 100)

    seen: list[str] = []
    for levels in range(0, 980, 35):
        try:
            deep(levels)
            seen.append("value")
        except ExpressionError:
            seen.append("error")
        except RecursionError:
            # The test's own calls; ours come back as an error of ours.
            break
    assert "value" in seen


@pytest.mark.parametrize("text", ["\ud800", "'\ud800'", "{{ '\ud800' }}", "a\x00b", "\u2028", "ﬀ"])
def test_odd_characters(text: str) -> None:
    for call in (evaluate, render):
        try:
            json.dumps(call(text, {}))
        except ExpressionError as error:
            str(error).encode("utf-8", "surrogatepass")
