"""What an expression says of itself before it runs, and the checks at submission."""

from __future__ import annotations

import pytest

from tork_core.expressions import (
    ExpressionError,
    Known,
    check_expression,
    check_template,
    compile_expression,
    compile_template,
)


@pytest.mark.parametrize(
    ("source", "references"),
    [
        ("1", set()),
        ("tasks.a", {("tasks", "a")}),
        ("tasks['a b']", {("tasks", "a b")}),
        ("tasks?.a.b", {("tasks", "a")}),
        ("tasks.a.b + inputs.x", {("tasks", "a"), ("inputs", "x")}),
        ("(tasks).a", {("tasks", "a")}),
        ("tasks[inputs.k]", {("tasks",), ("inputs", "k")}),
        ("keys(tasks)", {("tasks",)}),
        ("'a' in tasks", {("tasks",)}),
        ("tasks", {("tasks",)}),
        ("tasks.a()", {("tasks",)}),
        ("tasks[0:1]", {("tasks",)}),
        ("$env.tasks.a", {("tasks", "a")}),
        ("$env['tasks']['a']", {("tasks", "a")}),
        ("$env.tasks", {("tasks",)}),
        ("$env", {("$env",)}),
        ("$env[inputs.k]", {("$env",), ("inputs", "k")}),
        ("let tasks2 = tasks.a; tasks2.b", {("tasks", "a")}),
        ("let x = tasks; x.a", {("tasks",)}),
        ("map(xs, tasks.a + #.b)", {("xs",), ("tasks", "a")}),
        ("tasks.a ?? (tasks.b ? 1 : tasks.c)", {("tasks", "a"), ("tasks", "b"), ("tasks", "c")}),
    ],
)
def test_references(source: str, references: set[tuple[str, ...]]) -> None:
    assert compile_expression(source).references == references


def test_references_of_a_template_are_those_of_its_expressions() -> None:
    template = compile_template("{{ tasks.a }} {{ len(inputs.b) }} {{ upper(inputs.b) }}")
    assert template.references == {("tasks", "a"), ("inputs", "b")}
    assert template.functions == {"len", "upper"}


KNOWN = Known({"inputs": ["name"], "tasks": ["first"], "item": None})


def test_a_good_template_has_no_warnings() -> None:
    assert check_template("{{ inputs.name }} {{ tasks.first }} {{ item.any.thing }}", KNOWN) == []


def test_names_that_cannot_exist_are_warnings() -> None:
    assert check_template("{{ inputs.nmae }} {{ tasks.second }}", KNOWN, field="output") == [
        "output: there is no inputs.nmae; did you mean name?",
        "output: there is no tasks.second",
    ]


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("1 +", "ends too early"),
        ("lenn(inputs.name)", "unknown function lenn"),
        ("imputs.name", "unknown name imputs"),
        ("inputs('a')", "is a name here"),
        ("upper()", "takes 1 argument"),
        ("upper(1)", "needs a string"),
        ("'a' matches '('", "regular expression"),
    ],
)
def test_what_is_wrong_whatever_the_values_is_an_error(source: str, message: str) -> None:
    with pytest.raises(ExpressionError, match=message) as caught:
        check_expression(source, KNOWN, field="tasks[1].if")
    assert str(caught.value).startswith("tasks[1].if: ")
    assert caught.value.source == source


def test_errors_of_templates_name_their_field() -> None:
    with pytest.raises(ExpressionError) as caught:
        check_template("{{ 1 + }}", KNOWN, field="tasks[1].env.NAME")
    assert caught.value.field == "tasks[1].env.NAME"


def test_compiling_knows_no_names() -> None:
    expression = compile_expression("nope.x + nope2(1)")
    with pytest.raises(ExpressionError):
        expression({"nope": {"x": 1}})
