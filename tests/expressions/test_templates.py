"""Templates: what is an expression in a text, and what it becomes."""

from __future__ import annotations

import pytest

from tork_core.expressions import ExpressionError, TextNamespace, compile_template, render

ENV = {"inputs": TextNamespace({"name": "Ann", "n": "5"}), "xs": [1, "a", None], "nothing": None}


@pytest.mark.parametrize(
    ("template", "text"),
    [
        ("", ""),
        ("plain", "plain"),
        ("{{ inputs.name }}", "Ann"),
        ("{{inputs.name}}{{ inputs.n }}", "Ann5"),
        ("{{\n  inputs.name\n}}", "Ann"),
        ("{{ inputs.name\n + 'x' }}", "{{ inputs.name\n + 'x' }}"),
        ('{{ "}}" }}', "}}"),
        ("{{ '{{' }}", "{{"),
        ("{{ {a: {b: 1}} }}", "map[a:map[b:1]]"),
        ("{{{a: {b: 1}}}}", "map[a:map[b:1]]"),
        ("{{ map(xs, {{v: #}}) }}", "[map[v:1] map[v:a] map[v:<nil>]]"),
        ("{{ `}}` }}", "}}"),
        ("{{ 1 /* }} */ }}", "1"),
        ("{{ 1 // it's }}", "1"),
        ("{{ 1 }}}", "1}"),
        ("}} {{ 1 }} {{", "}} 1 {{"),
        ("{{}}", "{{}}"),
        ("{{\n}}", "{{\n}}"),
        ("{{ nothing }}|{{ xs }}", "|[1 a <nil>]"),
        (r"\{{ 1 }}", r"\1"),
        ("{{ inputs.nope }}", ""),
    ],
)
def test_rendering(template: str, text: str) -> None:
    assert render(template, ENV) == text


@pytest.mark.parametrize("template", ["{{ }}", "{{ {{ }}", "{{{ 1 }}", "{{ 1 + }}", "a {{ f( }} b"])
def test_wrong_templates(template: str) -> None:
    with pytest.raises(ExpressionError):
        compile_template(template)


def test_one_failing_expression_fails_the_whole() -> None:
    with pytest.raises(ExpressionError):
        render("{{ 1 }} {{ xs[9] }}", ENV)


def test_a_template_that_is_one_expression_keeps_its_type() -> None:
    assert compile_template("{{ xs }}").value(ENV) == [1, "a", None]
    assert compile_template("{{ nothing }}").value(ENV) is None
    assert compile_template(" {{ 1 }}").value(ENV) == " 1"
    assert compile_template("text").value(ENV) == "text"


def test_constant_templates() -> None:
    assert compile_template("a {{ b").is_constant
    assert compile_template("").is_constant
    assert not compile_template("{{ 1 }}").is_constant


def test_the_place_of_an_error_is_that_in_the_template() -> None:
    with pytest.raises(ExpressionError) as caught:
        compile_template("one\ntwo {{ 1 +* 2 }}")
    assert caught.value.position == (2, 11)


def test_plain_maps_of_text_are_namespaces_when_rendered() -> None:
    assert render("[{{ inputs.nope + 'y' }}]", {"inputs": {"a": "b"}}) == "[y]"
    assert render("{{ each.nope }}", {"each": {"a": "b"}}) == ""
    with pytest.raises(ExpressionError):
        render("{{ each.nope + 'y' }}", {"each": {"a": "b"}})


def test_long_text_is_split_in_good_time() -> None:
    assert render("{{ 1 }} " * 20_000) == "1 " * 20_000
    assert compile_template("{{" * 50_000).is_constant
    assert compile_template("{{ a\n" * 20_000 + "}").is_constant
    assert compile_template("{" * 50_000 + "\nx\ny }}").is_constant
    with pytest.raises(ExpressionError):
        compile_template("{{ " * 20_000 + "}}")
