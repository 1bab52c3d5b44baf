"""``tork validate``."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

GOOD = "name: hello\ntasks:\n  - name: hi\n    image: ubuntu:mantic\n    run: echo hi\n"


def test_a_good_file_is_good(tork, tmp_path: Path) -> None:
    (tmp_path / "hello.yaml").write_text(GOOD)
    done = tork("validate", "hello.yaml")
    assert (done.status, done.out, done.err) == (0, "hello.yaml: good\n", "")


def test_every_problem_is_a_line_with_file_line_and_column(tork, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("tasks:\n  - run: a\n    imgae: b\n  - runn: c\n")
    done = tork("validate", "bad.yaml")
    assert done.status == 1
    assert done.out.splitlines() == [
        'bad.yaml:3:5: $.tasks[0].imgae: unknown field, did you mean "image"?',
        'bad.yaml:4:5: $.tasks[1].runn: unknown field, did you mean "run"?',
    ]


def test_one_bad_file_of_several_is_enough_to_fail(tork, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(GOOD)
    (tmp_path / "bad.yaml").write_text("tasks: []\n")
    done = tork("validate", "good.yaml", "bad.yaml")
    assert done.status == 1
    assert done.out.startswith("good.yaml: good\nbad.yaml:1:")


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["-"], GOOD),
        (["-"], '\n {"tasks": [{"run": "x"}]}'),
        (["--format", "json", "-"], '{"tasks": [{"run": "x"}]}'),
        (["--format", "yaml", "-"], GOOD),
    ],
)
def test_standard_input_is_read(tork, arguments: list[str], text: str) -> None:
    done = tork("validate", *arguments, stdin=text)
    assert (done.status, done.out) == (0, "standard input: good\n")


def test_json_goes_by_the_name_of_the_file(tork, tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text('{"tasks": [{"run": "x",}]}')
    done = tork("validate", "job.json")
    assert done.status == 1
    assert "JSON" in done.out


@pytest.mark.parametrize(
    "data",
    [b"", b"\xff\xfe", b"\0", b"- a\n- b\n", b"{", b"a: &x [*x]", b"tasks: [" * 2000, b"%TAG ! x"],
)
def test_whatever_a_file_holds_there_is_a_line_and_no_traceback(tork, data: bytes) -> None:
    done = tork("validate", "-", stdin=data)
    assert done.status == 1
    assert done.out.startswith("standard input:")
    assert "Traceback" not in done.out + done.err


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("tasks:\n  - run: a\n    env:\n      A: '{{ inputs. }}'\n", "standard input:4:10: "),
        ("tasks:\n  - run: a\n    if: '{{ nope(1) }}'\n", "standard input:3:9: $.tasks[0].if: "),
        ("output: '{{ 1 + }}'\ntasks:\n  - run: a\n", "standard input:1:9: $.output: "),
    ],
)
def test_expressions_are_checked_with_their_place(tork, text: str, line: str) -> None:
    done = tork("validate", "-", stdin=text)
    assert done.status == 1
    assert done.out.startswith(line)


def test_a_name_that_cannot_exist_is_a_warning(tork) -> None:
    text = "inputs: {name: x}\ntasks:\n  - run: a\n    env:\n      A: '{{ inputs.nam }}'\n"
    done = tork("validate", "-", stdin=text)
    assert done.status == 0
    warning, good = done.out.splitlines()
    assert warning.startswith("standard input: warning: tasks[0].env.A: there is no inputs.nam")
    assert good == "standard input: good"


@pytest.mark.parametrize(
    ("task", "warning"),
    [
        ("{run: a, if: inputs.go == 'yes'}", "tasks[0].if: without {{ }} this is text"),
        ("{run: 'echo {{ inputs.go }}'}", "tasks[0].run: {{ inputs.go }} stays as it is"),
        ("{run: a, post: [{run: 'echo {{job.id}}'}]}", "tasks[0].post[0].run: {{job.id}} stays"),
    ],
)
def test_what_reads_like_an_expression_and_is_none_is_a_warning(
    tork, task: str, warning: str
) -> None:
    done = tork("validate", "-", stdin=f"tasks: [{task}]\ninputs: {{go: 'yes'}}\n")
    assert done.status == 0
    assert done.out.startswith(f"standard input: warning: {warning}")
    assert len(done.out.splitlines()) == 2


@pytest.mark.parametrize(
    "task",
    [
        "{run: a, if: false}",
        "{run: a, if: 'true'}",
        "{run: a, if: '{{ true }}'}",
        "{run: 'docker inspect --format {{.State.Status}} it'}",
    ],
)
def test_what_is_meant_as_it_stands_is_good(tork, task: str) -> None:
    assert tork("validate", "-", stdin=f"tasks: [{task}]\n").out == "standard input: good\n"


def test_the_answer_may_be_json(tork, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("tasks:\n  - run: a\n    imgae: b\n")
    done = tork("validate", "--json", "bad.yaml")
    assert done.status == 1
    (found,) = json.loads(done.out)
    assert (found["file"], found["valid"]) == ("bad.yaml", False)
    (problem,) = found["problems"]
    assert (problem["line"], problem["column"], problem["path"]) == (3, 5, "$.tasks[0].imgae")


def test_fields_are_listed_with_whether_they_work(tork) -> None:
    done = tork("validate", "--fields")
    assert done.status == 0
    rows = [line.split() for line in done.out.splitlines()]
    assert ["task", "run", "yes"] in [row[:3] for row in rows]
    assert ["task", "sidecars", "not", "yet"] in [row[:4] for row in rows]
