"""Jobs in JSON: strict, with places, and by the fast way the same as by the careful one."""

from __future__ import annotations

import json
import time

import pytest

from tork_core.errors import InvalidJob
from tork_core.model.reading import parse_job
from tork_core.model.source import MAX_BYTES
from tork_core.model.spec import JobSpec


def read(data: bytes | str) -> JobSpec:
    return parse_job(data, format="json")


def refusal(data: bytes | str) -> str:
    with pytest.raises(InvalidJob) as refused:
        read(data)
    return str(refused.value)


def test_a_plain_job_is_read():
    job = read(b'{"name": "a", "tasks": [{"run": "x", "env": {"A": "\\u00e9\\n\\ud83d\\ude00"}}]}')
    assert job.name == "a"
    assert job.tasks[0].env == {"A": "é\n😀"}


@pytest.mark.parametrize(
    ("written", "text"),
    [
        *(
            (number, number)
            for number in ("5", "-0", "1.10", "1e5", "1E+05", "123456789012345678901")
        ),
        *(("true", "true"), ("false", "false"), ("null", ""), ('"yes"', "yes"), ('""', "")),
    ],
)
def test_a_field_of_text_takes_numbers_and_booleans_as_written(written: str, text: str):
    assert read(f'{{"tasks": [{{"run": "x"}}], "inputs": {{"a": {written}}}}}').inputs == {
        "a": text
    }
    job = read(f'{{"tasks": [{{"cmd": ["x", {written}], "env": {{"A": {written}}}}}]}}')
    assert job.tasks[0].cmd == ["x", text]
    assert job.tasks[0].env == {"A": text}


def test_null_is_absent():
    job = read('{"name": null, "tasks": [{"run": "x", "retry": null, "env": null}], "tags": null}')
    assert job == read('{"tasks": [{"run": "x"}]}')


def test_blanks_and_a_byte_order_mark_are_accepted():
    assert read(b'\xef\xbb\xbf\r\n\t {"tasks"\r\n:[ {"run" : "x"} ] }\n\n').tasks[0].run == "x"


TASKS = '"tasks": [{"run": "x"}]'
REFUSED = {
    "nothing": ("", 'line 1, column 1: the job is empty; write a list of "tasks"'),
    "null": ("null", 'line 1, column 1: the job is empty; write a list of "tasks"'),
    "a list": (
        "[]",
        'line 1, column 1: a job is a mapping, this is a list; put the tasks under "tasks"',
    ),
    "text": ('"a"', 'line 1, column 1: a job is a mapping with a list of "tasks", this is text'),
    "YAML": (
        "tasks:\n- run: x\n",
        'line 1, column 1: not JSON: "tasks" is neither a number nor text in quotes',
    ),
    "a duplicate key": (
        '{"tasks": [\n {"run": "x", "env": {"A": "1",\n "B": "2", "A": "1"}}]}',
        'line 3, column 12: $.tasks[0].env: "A" is written twice, first on line 2',
    ),
    "a duplicate key in other letters": (
        f'{{{TASKS}, "n\\u0061me": "a", "name": "b"}}',
        'line 1, column 45: "name" is written twice, first on line 1',
    ),
    "an unknown field": (
        '{"tasks": [{"run": "x"},\n {"imgae": "x"}]}',
        'line 2, column 3: $.tasks[1].imgae: unknown field, did you mean "image"?',
    ),
    "NaN": (
        f'{{{TASKS}, "inputs": {{"a": NaN}}}}',
        'line 1, column 43: $.inputs.a: not JSON: "NaN" is neither a number nor text in quotes',
    ),
    "a leading zero": (
        f'{{{TASKS}, "inputs": {{"a": 01}}}}',
        'line 1, column 43: $.inputs.a: not JSON: "01" is neither a number nor text in quotes',
    ),
    "single quotes": (
        "{'a': 1}",
        'line 1, column 2: not JSON: expected a key in double quotes, found "\'"',
    ),
    "a comma too many": (
        f"{{{TASKS},}}",
        'line 1, column 26: not JSON: expected a key in double quotes, found "}"',
    ),
    "a comma too many in a list": (
        '{"tasks": [{"run": "x"},]}',
        'line 1, column 25: $.tasks[1]: not JSON: expected a value, found "]"',
    ),
    "a comma too few": (
        '{"name": "a" "tasks": []}',
        'line 1, column 14: $.name: not JSON: expected "," or "}" after the value',
    ),
    "a colon too few": (
        '{"name" "a"}',
        'line 1, column 9: $.name: not JSON: expected ":" after the key',
    ),
    "an open list": (
        '{"tasks": [{"run": "x"}',
        'line 1, column 24: $.tasks[0]: not JSON: expected "," or "]" after the value',
    ),
    "an open text": (
        '{"name": "a}',
        "line 1, column 10: $.name: not JSON: this text has no closing quote",
    ),
    "a line break in text": (
        '{"name": "a\nb"}',
        "line 1, column 12: $.name: not JSON: a line break in a text is written \\n",
    ),
    "a control character in text": (
        '{"name": "a\x01b"}',
        "line 1, column 12: $.name: not JSON: U+0001 in a text is written as an escape",
    ),
    "a wrong escape": (
        '{"name": "a\\qb"}',
        'line 1, column 12: $.name: not JSON: "\\q" does not begin an escape of JSON',
    ),
    "half of a character": (
        '{"name": "\\ud83d"}',
        "line 1, column 10: $.name: not JSON: U+D83D in this text is half of a character",
    ),
    "more than one value": (
        f"{{{TASKS}}} {{}}",
        "line 1, column 27: not JSON: the text goes on after the end of the value",
    ),
    "no UTF-8": (
        b'{"name": "\xff"}',
        "line 1, column 11: the byte 0xff at offset 10 is not UTF-8; save the file as UTF-8",
    ),
    "NUL": (
        '{"tasks": [{"run": "a\\u0000"}]}',
        "line 1, column 20: $.tasks[0].run: the character U+0000 is not allowed; remove it",
    ),
    "an empty task list": (
        '{"tasks": []}',
        "line 1, column 11: $.tasks: a job needs at least one task",
    ),
    "a broken rule": (
        '{"tasks": [{"run": "x", "queue": "jobs"}]}',
        'line 1, column 34: $.tasks[0].queue: "jobs" is a queue of the engine itself; '
        "choose another name",
    ),
    "a quoted number": (
        '{"tasks": [{"run": "x", "priority": "5"}]}',
        'line 1, column 37: $.tasks[0].priority: expected a whole number, found the text "5"; '
        "write one such as 5",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_with_the_place_and_what_to_do(case: str):
    data, message = REFUSED[case]
    assert refusal(data) == message


def test_text_that_speaks_of_u0000_is_accepted():
    assert read('{"tasks": [{"run": "\\\\u0000"}]}').tasks[0].run == "\\u0000"


def test_two_megabytes_are_refused():
    assert "a job may have up to 1,048,576 bytes" in refusal('{"name": "' + "a" * 2_000_000)


@pytest.mark.parametrize("name", ["tasks", "a"])
def test_nesting_is_refused_at_the_cap(name: str):
    assert "nested more than 64 deep" in refusal(f'{{"{name}":' + "[" * 100_000)


def test_composite_tasks_nest_up_to_the_same_cap_whether_or_not_they_work_yet():
    task = '{"parallel": {"tasks": [' * 25 + '{"run": "x"}' + "]}}" * 25
    assert "nested more than 64 deep" in refusal(f'{{"tasks": [{task}]}}')


def test_more_values_than_the_cap_are_refused():
    tasks = ",".join(['{"run": "x"}'] * 40_000)
    assert "more than 100,000 values" in refusal(f'{{"tasks": [{tasks}]}}')


def test_ten_thousand_tasks_are_read():
    tasks = [{"name": f"t{i}", "run": "x"} for i in range(10_000)]
    assert len(read(json.dumps({"tasks": tasks})).tasks) == 10_000


@pytest.mark.parametrize("pattern", ["[", "{", '{"a":', "[1,", '"', "\\", "-", " ", "1", '"a":'])
def test_no_repetition_of_a_megabyte_costs_more_than_a_second(pattern: str):
    began = time.process_time()
    refusal(pattern * ((MAX_BYTES - 1) // len(pattern)))
    assert time.process_time() - began < 1
