"""Random expressions, templates and values: nothing but ExpressionError comes out."""

from __future__ import annotations

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tork_core.expressions import ExpressionError, compile_expression, evaluate, render
from tork_core.expressions.explain import explain
from tork_core.expressions.functions.library import BUILTINS
from tork_core.expressions.limits import MAX_ELEMENTS, MAX_STEPS
from tork_core.expressions.splitting import split_template

FUZZ = settings(
    max_examples=400, deadline=None, suppress_health_check=list(HealthCheck), print_blob=True
)

ENV: dict[str, Any] = {
    "a": 7,
    "f": 2.5,
    "s": "héllo",
    "n": None,
    "yes": True,
    "xs": [3, 1, 2],
    "mixed": [1, "a", None, 2.5, True, [1], {"k": 1}],
    "m": {"k": 1, "deep": {"xs": [{"k": "v"}]}},
    "inputs": {"x": "1"},
}

_names = st.sampled_from([*ENV, "k", "nope", "$env", "#", "#acc", "#index", "nil", "true"])
_literals = st.one_of(
    st.integers(0, 2**63).map(str),
    st.floats(allow_nan=False, allow_infinity=False, min_value=0).map(repr),
    st.text(max_size=5).map(lambda text: "`" + text.replace("`", "``") + "`"),
    st.sampled_from(
        [
            "'a'",
            '"\\n"',
            "b'a'",
            "[]",
            "{}",
            "1..3",
            "'2024-02-29'",
            "'1h'",
            "'UTC'",
            "'a|b'",
            "'%'",
        ]
    ),
)
_binary = st.sampled_from(
    "or and == != < > <= >= in matches contains startsWith endsWith .. + - * / % ** ?? || && "
    "not_in not_matches ; |".replace("not_", "not ").split(" ")
).filter(bool)
_functions = st.sampled_from([*BUILTINS, "nope"])
_methods = st.sampled_from(["Hour", "Add", "Format", "String", "Round", "In", "AddDate", "Nope"])


def _compound(inner: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    several = st.lists(inner, max_size=3).map(", ".join)
    return st.one_of(
        st.tuples(inner, _binary, inner).map(" ".join),
        st.tuples(st.sampled_from(["-", "not ", "!", "+"]), inner).map("".join),
        inner.map("({})".format),
        st.builds("{}({})".format, _functions, several),
        st.builds("{}({}, {})".format, _functions, inner, inner),
        st.builds("{} | {}({})".format, inner, _functions, several),
        st.builds("({}).{}({})".format, inner, _methods, several),
        st.builds("{}.k".format, inner),
        st.builds("{}?.k.k".format, inner),
        st.builds("{}[{}]".format, inner, inner),
        st.builds("{}[{}:{}]".format, inner, inner, inner),
        st.builds("{} ? {} : {}".format, inner, inner, inner),
        st.builds("if {} {{ {} }} else {{ {} }}".format, inner, inner, inner),
        st.builds("let v = {}; {}".format, inner, inner),
        several.map("[{}]".format),
        st.builds("{{a: {}, ({}): {}}}".format, inner, inner, inner),
        st.builds("map({}, {{{{a: {}}}}})".format, inner, inner),
        st.builds("reduce({}, {}, {})".format, inner, inner, inner),
    )


_expressions = st.recursive(st.one_of(_names, _literals), _compound, max_leaves=12)


def _try(source: str) -> None:
    try:
        compiled = compile_expression(source)
        explain(compiled.tree)
        assert compiled.references is not None
        compiled(ENV)
    except ExpressionError as error:
        _check(error)


def _check(error: ExpressionError) -> None:
    """An error has a text, and a place inside its source."""
    line, column = error.position
    assert str(error).startswith(error.message)
    assert line >= 1
    assert column >= 1


@FUZZ
@given(_expressions)
def test_expressions_made_by_the_grammar(source: str) -> None:
    _try(source)


@FUZZ
@given(_expressions, st.data())
def test_damaged_expressions(source: str, data: st.DataObject) -> None:
    place = data.draw(st.integers(0, len(source)))
    length = data.draw(st.integers(0, 3))
    _try(source[:place] + data.draw(st.text(max_size=2)) + source[place + length :])


@FUZZ
@given(st.text(max_size=60))
def test_any_text(source: str) -> None:
    _try(source)


@FUZZ
@given(st.binary(max_size=60))
def test_any_bytes(data: bytes) -> None:
    _try(data.decode("utf-8", "surrogateescape"))
    _try(data.decode("latin-1"))


@FUZZ
@given(st.text(alphabet="{}'\"`a1 +\n/*\\", max_size=40))
def test_any_template(text: str) -> None:
    pieces = "".join(piece for piece, place in split_template(text) if place is None)
    assert all(letter in text for letter in pieces)
    try:
        assert isinstance(render(text, ENV), str)
    except ExpressionError as error:
        _check(error)


_values = st.recursive(
    st.one_of(
        st.none(),
        st.booleans(),
        st.integers(),
        st.floats(),
        st.text(max_size=5),
        st.binary(max_size=5),
        st.datetimes(),
        st.timedeltas(),
        st.timezones(),
        st.complex_numbers(),
        st.just(object()),
    ),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.one_of(st.text(max_size=3), st.integers()), inner, max_size=3),
        st.tuples(inner, inner),
        st.frozensets(st.integers(), max_size=2),
    ),
    max_leaves=5,
)
_calls = st.one_of(
    st.builds("{}(x)".format, _functions),
    st.builds("{}(x, y)".format, _functions),
    st.builds("{}(x, y, z)".format, _functions),
    st.builds("{}(x, #)".format, _functions),
    st.builds("x {} y".format, _binary),
    st.builds("x.{}(y)".format, _methods),
    st.sampled_from(
        ["x", "x.k", "x[y]", "x[y:z]", "-x", "not x", "[x, y]", "{(x): y}", "x ? y : z"]
    ),
)


@settings(FUZZ, max_examples=1_500)
@given(_calls, _values, _values, _values)
def test_any_value(source: str, x: object, y: object, z: object) -> None:
    try:
        evaluate(source, {"x": x, "y": y, "z": z})
    except ExpressionError as error:
        _check(error)


_loops = st.recursive(
    st.sampled_from(["1..1000", "xs", "1..99999", "words"]),
    lambda inner: st.one_of(
        st.builds("map({}, {})".format, inner, inner),
        st.builds("filter({}, len(string(#)) > {})".format, inner, st.integers(0, 3)),
        st.builds("map({}, [#, #])".format, inner),
        st.builds("flatten({})".format, inner),
        st.builds("concat({}, {})".format, inner, inner),
        st.builds("sortBy({}, string(#))".format, inner),
        st.builds("uniq({})".format, inner),
        st.builds("reduce({}, [#acc, #], 0)".format, inner),
        st.builds("map({}, toJSON(#))".format, inner),
        st.builds("map({}, repeat(string(#), 100))".format, inner),
        st.builds("groupBy({}, string(#))".format, inner),
    ),
    max_leaves=6,
)


@settings(FUZZ, max_examples=60)
@given(_loops)
def test_every_evaluation_ends_within_its_cap(source: str) -> None:
    from tork_core.expressions.frame import Frame

    expression = compile_expression(source)
    frame = Frame()
    frame.env = {"xs": list(range(2_000)), "words": ["w"] * 2_000}
    try:
        expression._run(frame)
    except ExpressionError:
        return
    assert 0 <= frame.steps <= MAX_STEPS
    assert 0 <= frame.elements <= MAX_ELEMENTS
