"""``tork expr``."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner, Result

from tork_core.cli.failures import run
from tork_core.cli.main import tork


def _expr(*arguments: str, stdin: str | None = None) -> Result:
    # As users call it: click remembers the help option of its first call, which docs are made of.
    return CliRunner().invoke(tork, ["expr", *arguments], input=stdin, catch_exceptions=False)


@pytest.mark.parametrize(
    ("arguments", "out"),
    [
        (["1 + len(inputs.x)", "--input", "x=abc"], "4"),
        (["inputs.x", "-i", "x=a=b"], "a=b"),
        (["inputs.nope"], ""),
        (["tasks.t + '!'", "-t", "t=done"], "done!"),
        (["map(xs, # * 2)", "--let", "xs=[1, 2.5]"], "[2, 5.0]"),
        (["nil"], "nil"),
        (["{a: 'x'}"], '{"a": "x"}'),
        (["duration('90m')"], 'duration("1h30m0s")'),
        (["--json", "[duration('1s'), nil]"], "[\n  1000000000,\n  null\n]"),
        (["--template", "Hello {{ inputs.x }}", "-i", "x=Ann"], "Hello Ann"),
        (["--explain", "--", "-a ** 2"], "- (of one)\n  **\n    name a\n    2"),
        (["--explain", "--template", "{{ a.b }}"], "field .b of\n  name a"),
    ],
)
def test_values_are_printed(arguments: list[str], out: str) -> None:
    done = _expr(*arguments)
    assert (done.exit_code, done.output) == (0, out + "\n")


def test_the_expression_may_come_from_standard_input() -> None:
    assert _expr("-", stdin="1 +\n2\n").output == "3\n"


def test_the_functions_are_listed_with_their_origin() -> None:
    lines = _expr("--functions").output.splitlines()
    assert any(line.startswith("upper(text: string) -> string") for line in lines)
    assert any("randomInt" in line and " tork " in line for line in lines)
    rows = json.loads(_expr("--functions", "--json").output)
    assert {"name", "signature", "origin", "description"} == set(rows[0])


@pytest.mark.parametrize(
    "arguments", [[], ["1", "--input", "x"], ["1", "--let", "x={"], ["1", "2"], ["1", "--nope"]]
)
def test_wrong_usage(arguments: list[str]) -> None:
    assert _expr(*arguments).exit_code == 2


def test_an_error_is_shown_with_a_caret(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(tork, ["expr", "1 +"]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.endswith("(1:3)\n | 1 +\n | ..^\n")


def test_the_help_shows_examples() -> None:
    assert "tork expr '1 + len(inputs.x)' --input x=abc" in _expr("--help").output
