"""Job files in YAML: what a scalar is, what is refused and where."""

from __future__ import annotations

import time

import pytest

from tork_core.errors import InvalidJob
from tork_core.model.caps import MAX_ALIASES, MAX_DEPTH
from tork_core.model.reading import parse_job
from tork_core.model.source import MAX_BYTES
from tork_core.model.spec import JobSpec


def read(data: bytes | str) -> JobSpec:
    return parse_job(data, format="yaml")


def refusal(data: bytes | str) -> str:
    with pytest.raises(InvalidJob) as refused:
        read(data)
    return str(refused.value)


def env_of(flow: str) -> dict[str, str] | None:
    return read(f"tasks:\n- run: x\n  env:\n    A: {flow}\n").tasks[0].env


@pytest.mark.parametrize(
    "written",
    [
        *(
            "0755",
            "0o17",
            "0x1F",
            "1_000",
            "1.10",
            "1e5",
            "-0",
            "+1",
            ".5",
            ".inf",
            "-.INF",
            ".nan",
        ),
        *("yes", "No", "on", "OFF", "y", "n", "True", "FALSE", "true", "false"),
        *("12:30:45", "2024-01-01", "2001-12-14t21:59:43.10-05:00", "190:20:30"),
        *("Null", "NULL", "=", "99999999999999999999999999999999", "1.0000000000000000000001"),
    ],
)
def test_a_field_of_text_takes_a_scalar_as_written(written: str):
    assert env_of(written) == {"A": written}


@pytest.mark.parametrize("written", ["null", "~", "", "!!null null", "!!null"])
def test_nothing_is_empty_text_in_a_map_of_text(written: str):
    assert env_of(written) == {"A": ""}


@pytest.mark.parametrize(
    ("written", "text"),
    [
        ('"null"', "null"),
        ("'~'", "~"),
        ("!!str null", "null"),
        ("!!str", ""),
        ("!!int 5", "5"),
        ("!!float 5.0", "5.0"),
        ("!!bool true", "true"),
        ("|\n      a\n\n      b\n", "a\n\nb\n"),
        (">-\n      a\n      b\n", "a b"),
        ('"\\u00e9\\x41\\U0001F600"', "éA😀"),
    ],
)
def test_quotes_tags_and_blocks_give_their_text(written: str, text: str):
    assert env_of(written) == {"A": text}


@pytest.mark.parametrize("field", ["name", "description", "output", "inputs", "tags", "defaults"])
@pytest.mark.parametrize("nothing", ["null", "~", ""])
def test_a_field_with_nothing_in_it_is_absent(field: str, nothing: str):
    job = read(f"{field}: {nothing}\ntasks:\n- run: x\n")
    assert getattr(job, field) is None


def test_keys_are_text_as_written_too():
    job = read("inputs: {1: a, null: b, true: c, ~: d, 1.10: e}\ntasks: [{run: x}]\n")
    assert job.inputs == {"1": "a", "null": "b", "true": "c", "~": "d", "1.10": "e"}


def test_lists_of_text_take_scalars_as_written():
    task = read("tasks:\n- cmd: [sleep, 10, yes, ~, 1.0]\n").tasks[0]
    assert task.cmd == ["sleep", "10", "yes", "", "1.0"]


# --- forms of a file -------------------------------------------------------------------------


def test_a_byte_order_mark_and_crlf_are_accepted():
    job = read(b"\xef\xbb\xbf---\r\ntasks:\r\n- run: |\r\n    a\r\n    b\r\n")
    assert job.tasks[0].run == "a\nb\n"


def test_columns_do_not_count_the_byte_order_mark_and_lines_end_with_crlf():
    assert refusal("\ufeffnam: x\r\ntasks:\r\n- run: x\r\n").startswith("line 1, column 1: $.nam:")
    assert refusal("\ufefftasks:\r\n- rum: x\r\n").startswith("line 2, column 3: $.tasks[0].rum:")


def test_columns_count_characters_and_not_bytes():
    assert refusal("tasks: [{name: 😀é, rum: x}]").startswith("line 1, column 20: $.tasks[0].rum:")


@pytest.mark.parametrize("lead", ["---\n", "--- # a job\n", "%YAML 1.2\n---\n", "# a\n\n---\n"])
def test_a_document_may_begin_with_a_mark(lead: str):
    assert read(f"{lead}tasks: [{{run: x}}]\n...\n").tasks[0].run == "x"


def test_json_is_yaml_too():
    job = read('{"name": "a\\n\\/\\u00e9", "tasks": [{"run": "x", "retry": {"limit": 3}}]}')
    assert job.name == "a\n/é"
    assert job.tasks[0].retry is not None


# --- merge keys ------------------------------------------------------------------------------


def test_a_merged_key_may_be_overridden_wherever_the_merge_stands():
    job = read(
        """
tasks:
- &base
  image: ubuntu
  run: a
  env: &env {A: 1, B: 2}
- <<: *base
  run: b
- run: c
  <<: *base
  env: {<<: *env, B: 3}
"""
    )
    assert [task.run for task in job.tasks] == ["a", "b", "c"]
    assert [task.image for task in job.tasks] == ["ubuntu"] * 3
    assert [task.env for task in job.tasks] == [{"A": "1", "B": "2"}] * 2 + [{"A": "1", "B": "3"}]


def test_of_several_merged_mappings_the_first_wins():
    job = read("tasks:\n- &a {run: a}\n- &b {run: b, image: b}\n- <<: [*a, *b]\n")
    assert (job.tasks[2].run, job.tasks[2].image) == ("a", "b")


def test_a_quoted_merge_key_is_a_key():
    assert read('inputs: {"<<": a}\ntasks: [{run: x}]').inputs == {"<<": "a"}


def test_an_alias_may_be_a_key_and_a_name_may_be_used_again():
    job = read("inputs: {&k a: &v b, *v : *k, c: &k d, e: *k}\ntasks: [{run: x}]")
    assert job.inputs == {"a": "b", "b": "a", "c": "d", "e": "d"}


# --- refusals --------------------------------------------------------------------------------

REFUSED = {
    "an empty file": ("", 'line 1, column 1: the job is empty; write a list of "tasks"'),
    "comments only": ("# a\n", 'line 1, column 1: the job is empty; write a list of "tasks"'),
    "an empty document": ("---\n", 'line 1, column 1: the job is empty; write a list of "tasks"'),
    "a list": (
        "- run: x\n",
        'line 1, column 1: a job is a mapping, this is a list; put the tasks under "tasks"',
    ),
    "a scalar": (
        "\n hello\n",
        'line 2, column 2: a job is a mapping with a list of "tasks", this is text',
    ),
    "no tasks": ("name: a\n", "line 1, column 1: $.tasks: this field is required"),
    "tasks with nothing": ("tasks:\n", "line 1, column 1: $.tasks: this field is required"),
    "an empty task list": (
        "name: a\ntasks: []\n",
        "line 2, column 8: $.tasks: a job needs at least one task",
    ),
    "an empty task": (
        "tasks:\n- run: x\n-\n",
        "line 3, column 2: $.tasks[1]: this item is empty; fill or remove it",
    ),
    "a task that does nothing": (
        "tasks:\n- run: x\n- name: a\n",
        "line 3, column 3: $.tasks[1]: a task needs something to do; "
        "write run, cmd, entrypoint or image",
    ),
    "an unknown field": (
        "tasks:\n- run: x\n- run: y\n- imgae: x\n",
        'line 4, column 3: $.tasks[2].imgae: unknown field, did you mean "image"?',
    ),
    "an unknown field in another case": (
        "tasks: [{run: x}]\nauto_delete: {after: 1h}\n",
        'line 2, column 1: $.auto_delete: unknown field, did you mean "autoDelete"?',
    ),
    "an unknown field without a like": (
        "tasks: [{run: x, zzz: 1}]\n",
        "line 1, column 18: $.tasks[0].zzz: unknown field",
    ),
    "a field of the job in a task": (
        "tasks:\n- run: x\n  output: y\n",
        "line 3, column 3: $.tasks[0].output: "
        "unknown field of a task; it is one of the job, put it at the top",
    ),
    "a duplicate key": (
        "tasks:\n- run: x\n  env:\n    A: 1\n    B: 2\n    A: 3\n",
        'line 6, column 5: $.tasks[0].env: "A" is written twice, first on line 4',
    ),
    "a duplicate key that is quoted once": (
        'tasks: []\n"tasks": []\n',
        'line 2, column 1: "tasks" is written twice, first on line 1',
    ),
    "two merges": (
        "tasks:\n- &a {run: x}\n- <<: *a\n  <<: *a\n",
        'line 4, column 3: $.tasks[1]: "<<" is written twice; merge several with "<<: [*a, *b]"',
    ),
    "a merge of text": (
        "tasks:\n- <<: x\n",
        'line 2, column 7: $.tasks[0]: "<<" takes an alias of a mapping, or a list of them',
    ),
    "a template without quotes": (
        "tasks:\n- run: x\n  env:\n    A: {{ inputs.a }}\n",
        "line 4, column 8: $.tasks[0].env.A: a key must be text, this is a list or a mapping; "
        'put a template in quotes: "{{ inputs.a }}"',
    ),
    "a template without quotes that holds quotes": (
        'tasks:\n- run: x\n  var: {{ f("a") }}-b\n',
        "line 3, column 8: $.tasks[0].var: a key must be text, this is a list or a mapping; "
        "put a template in quotes: '{{ f(\"a\") }}'",
    ),
    "a template of a secret without quotes": (
        'tasks:\n- run: x\n  env: {A_SECRET:\n    {{ "hush" }}}\n',
        "line 4, column 5: $.tasks[0].env.A_SECRET: a key must be text, this is a list or a "
        'mapping; put a template in quotes: "{{ … }}"',
    ),
    "a template of a secret with quotes in quotes": (
        'tasks:\n- run: x\n  env:\n    A_SECRET: "{{len("hush")}}"\n',
        "line 4, column 23: $.tasks[0].env: not YAML: did not find expected key; "
        "the inner quotes end the text: put the outer ones as '{{ … }}'",
    ),
    "a list as a key": (
        "? [a]\n: b\n",
        "line 1, column 3: a key must be text, this is a list or a mapping",
    ),
    "an alias of a mapping as a key": (
        "tasks:\n- &a {run: x}\n- *a : b\n",
        "line 3, column 3: $.tasks[1]: a key must be text, this is a list or a mapping",
    ),
    "two documents": (
        "tasks: [{run: x}]\n---\ntasks: [{run: y}]\n",
        "line 2, column 1: a second document begins here; submit one job at a time",
    ),
    "tabs": (
        "tasks:\n\t- run: x\n",
        "line 2, column 1: $.tasks: not YAML: found character that cannot start any token; "
        "indent with spaces, not with tabs",
    ),
    "a reserved character": (
        "tasks:\n- run: @x\n",
        "line 2, column 8: $.tasks[0].run: not YAML: found character that cannot start any token; "
        'put text that begins with @ in quotes: "@…"',
    ),
    "a colon in text": (
        "tasks:\n- run: echo a: b\n",
        "line 2, column 14: $.tasks[0]: not YAML: mapping values are not allowed in this context; "
        'put text that holds ": " in quotes, and check the indentation',
    ),
    "an open quote": (
        "tasks:\n- run: 'x\n",
        "line 3, column 1: $.tasks[0].run: not YAML: found unexpected end of stream, "
        "while scanning a quoted scalar that begins on line 2",
    ),
    "wrong indentation": (
        "tasks:\n  - name: a\n   run: b\n",
        "line 3, column 4: $.tasks[1]: not YAML: did not find expected '-' indicator, "
        "while parsing a block collection that begins on line 2",
    ),
    "a Python tag": (
        "tasks:\n- run: !!python/object/apply:os.system [ls]\n",
        'line 2, column 8: $.tasks[0].run: the tag "!!python/object/apply:os.system" '
        "is not supported; remove it",
    ),
    "a tag of its own": (
        "tasks: !list []\n",
        'line 1, column 8: $.tasks: the tag "!list" is not supported; remove it, '
        "or quote a text that begins with !",
    ),
    "a binary": (
        "name: !!binary aGk=\n",
        'line 1, column 7: $.name: the tag "!!binary" is not supported; remove it',
    ),
    "a tag that does not fit": (
        "name: !!int x\n",
        'line 1, column 7: $.name: !!int does not fit "x"',
    ),
    "a tag of a list on a mapping": (
        "tasks: !!seq {}\n",
        "line 1, column 8: $.tasks: !!seq does not fit a mapping",
    ),
    "a tag directive": (
        "%TAG ! tag:a,b:\n---\nname: x\n",
        "line 1, column 1: %TAG directives are not supported",
    ),
    "an alias without an anchor": (
        "tasks:\n- run: *a\n",
        "line 2, column 8: $.tasks[0].run: the alias *a has no anchor before it; "
        "quote a text that begins with *",
    ),
    "an alias in itself": (
        "tasks: &a\n- *a\n",
        "line 2, column 3: $.tasks[0]: the alias *a stands inside what it names",
    ),
    "a control character": (
        "tasks:\n- run: é\x01\n",
        "line 2, column 9: the character U+0001 is not allowed in YAML",
    ),
    "a raw NUL": (
        "tasks:\n- run: a\0\n",
        "line 2, column 9: the character U+0000 is not allowed in YAML",
    ),
    "an escaped NUL": (
        'tasks:\n- run: "a\\0"\n',
        "line 2, column 8: $.tasks[0].run: the character U+0000 is not allowed; remove it",
    ),
    "a NUL in a name": (
        'inputs: {"a\\0": x}\ntasks: [{run: x}]\n',
        'line 1, column 10: $.inputs["a\\x00"]: the character U+0000 is not allowed; remove it',
    ),
    "half of a character": (
        "name: \ud800\n",
        "line 1, column 7: U+D800 is half of a character and cannot be stored",
    ),
    "no UTF-8": (
        b"tasks:\n- run: \xc3\xa9\xff\n",
        "line 2, column 9: the byte 0xff at offset 16 is not UTF-8; save the file as UTF-8",
    ),
    "UTF-16": (
        "tasks: []".encode("utf-16"),
        "line 1, column 1: the byte 0xff at offset 0 is not UTF-8; save the file as UTF-8",
    ),
    "text where a list is expected": (
        "tasks:\n- cmd: echo\n",
        "line 2, column 8: $.tasks[0].cmd: expected a list, found text; "
        "write [a, b], or each item after a -",
    ),
    "a mapping where a list is expected": (
        "tasks:\n  run: x\n",
        "line 2, column 3: $.tasks: expected a list, found a mapping; "
        "write [a, b], or each item after a -",
    ),
    "a list where text is expected": (
        "tasks:\n- run: [x]\n",
        "line 2, column 8: $.tasks[0].run: expected text, found a list",
    ),
    "a list where a mapping of text is expected": (
        "tasks:\n- run: x\n  env:\n  - A=1\n",
        "line 4, column 3: $.tasks[0].env: expected a mapping of names to text, found a list",
    ),
    "a mapping within a mapping of text": (
        "tasks:\n- run: x\n  env:\n    A: {b: c}\n",
        "line 4, column 8: $.tasks[0].env.A: expected text, found a mapping",
    ),
    "a number where a part is expected": (
        "tasks:\n- run: x\n  retry: 3\n",
        "line 3, column 10: $.tasks[0].retry: "
        "expected a mapping (limit, initialDelay, scalingFactor), found a number",
    ),
    "text where a task is expected": (
        "tasks:\n- echo\n",
        "line 2, column 3: $.tasks[0]: "
        "expected a mapping (name, description, tags, image, run, …), found text",
    ),
    "a part without a field it needs": (
        "tasks:\n- run: x\n  retry: {}\n",
        "line 3, column 10: $.tasks[0].retry.limit: this field is required",
    ),
    "quoted numbers": (
        "tasks:\n- run: x\n  priority: '5'\n",
        'line 3, column 13: $.tasks[0].priority: expected a whole number, found the text "5"; '
        "write one such as 5",
    ),
    "an octal number": (
        "tasks:\n- run: x\n  priority: 07\n",
        'line 3, column 13: $.tasks[0].priority: expected a whole number, found the text "07"; '
        "write one such as 5",
    ),
    "a fraction": (
        "tasks:\n- run: x\n  priority: 5.0\n",
        "line 3, column 13: $.tasks[0].priority: expected a whole number, found 5.0; "
        "write one such as 5",
    ),
    "a huge number": (
        f"tasks:\n- run: x\n  priority: {'9' * 19}\n",
        f"line 3, column 13: $.tasks[0].priority: expected a whole number, found {'9' * 19}; "
        "write one such as 5",
    ),
    "yes where true is meant": (
        "tasks:\n- subjob: {detached: yes, tasks: []}\n",
        "line 2, column 22: $.tasks[0].subjob.detached: "
        'expected true or false, found the text "yes"',
    ),
    "a number that is not finite": (
        "tasks:\n- retry: {limit: 1, scalingFactor: 1e999}\n",
        "line 2, column 36: $.tasks[0].retry.scalingFactor: expected a number, found 1e999",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_it_is_refused_with_the_place_and_what_to_do(case: str):
    data, message = REFUSED[case]
    assert refusal(data) == message


def test_all_problems_of_a_file_are_told_together():
    with pytest.raises(InvalidJob) as refused:
        read("nmae: x\ntasks:\n- run: [x]\n  evn: {}\n- retry: 3\n")
    assert [(p.line, p.column, p.path) for p in refused.value.problems] == [
        (1, 1, "$.nmae"),
        (3, 8, "$.tasks[0].run"),
        (4, 3, "$.tasks[0].evn"),
        (5, 10, "$.tasks[1].retry"),
    ]


def test_problems_of_rules_are_told_in_the_order_of_the_file():
    with pytest.raises(InvalidJob) as refused:
        read("tasks:\n- timeout: 1x\n  queue: jobs\n  run: x\n  name: ''\nname: ''\n")
    assert [(p.line, p.path) for p in refused.value.problems] == [
        (2, "$.tasks[0].timeout"),
        (3, "$.tasks[0].queue"),
        (5, "$.tasks[0].name"),
        (6, "$.name"),
    ]


def test_a_file_of_nothing_but_problems_is_not_read_to_its_end():
    many = "".join(f"imgae{i}: x\n" for i in range(40_000))
    with pytest.raises(InvalidJob) as refused:
        read(many)
    assert len(refused.value.problems) == 20


def test_a_text_in_a_message_is_short_and_on_one_line():
    message = refusal(f'tasks:\n- run: x\n  queue: "x-\\n\\e[31m{"a" * 1000}"\n')
    assert message.startswith('line 3, column 10: $.tasks[0].queue: "x-\\n\\x1b[31maaa')
    assert len(message) < 250
    assert message.isprintable()


# --- caps ------------------------------------------------------------------------------------


def test_a_file_of_two_megabytes_is_refused():
    message = refusal("tasks:\n- run: " + "x" * 2_000_000)
    assert message.startswith("line 1, column 1: a job may have up to 1,048,576 bytes, ")


def test_a_script_may_fill_the_largest_file():
    head = "tasks:\n- run: "
    assert read(head + "x" * (MAX_BYTES - len(head))).tasks[0].run
    assert "bytes" in refusal(head + "x" * (MAX_BYTES - len(head) + 1))


def test_the_cap_is_on_bytes_and_not_on_characters():
    assert "bytes" in refusal("tasks:\n- run: " + "é" * (MAX_BYTES // 2))


def test_ten_thousand_aliases_are_refused_with_their_place():
    data = "tasks:\n- &t {run: x}\n" + "- *t\n" * 10_000
    line = 3 + MAX_ALIASES
    assert refusal(data) == (
        f"line {line}, column 3: $.tasks[{MAX_ALIASES + 1}]: "
        "the job is too big: more than 1,000 aliases"
    )


def test_aliases_up_to_the_cap_are_read():
    job = read("tasks:\n- &t {run: x}\n" + "- *t\n" * MAX_ALIASES)
    assert len(job.tasks) == MAX_ALIASES + 1


def laughs(levels: int, each: int, form: str) -> str:
    lines = ["a0: &a0 [x]"]
    for i in range(1, levels):
        aliases = [form.format(n=n, alias=f"*a{i - 1}") for n in range(each)]
        lines.append(f"a{i}: &a{i} [{', '.join(aliases)}]")
    return "\n".join(lines)


@pytest.mark.parametrize("form", ["{alias}", "{{k{n}: {alias}}}", "[[{alias}]]"])
def test_aliases_of_aliases_are_refused_before_they_cost_anything(form: str):
    began = time.process_time()
    assert "the job is too big: more than 100,000 values" in refusal(laughs(40, 9, form))
    assert time.process_time() - began < 0.5


def test_merges_of_merges_are_counted_as_well():
    lines = ["a0: &a0 {k: 1}"]
    lines += [f"a{i}: &a{i} {{<<: [*a{i - 1}, *a{i - 1}], k{i}: 1}}" for i in range(1, 60)]
    assert "the job is too big" in refusal("\n".join(lines))


@pytest.mark.parametrize("opener", ["[", "- ", "{a: "])
def test_nesting_is_refused_at_the_cap(opener: str):
    assert "nested more than 64 deep" in refusal(f"name:\n {opener * 70}")


def test_aliases_do_not_get_round_the_cap_on_nesting():
    deep = "".join(f"a{i}: &a{i} [[[[[[[*a{i - 1}]]]]]]]\n" for i in range(1, 20))
    assert "nested more than 64 deep" in refusal("a0: &a0 x\n" + deep)


def test_nesting_up_to_the_cap_is_read_and_refused_for_what_it_is():
    nested = "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1)
    assert "expected text, found a list" in refusal(f"tasks: [{{run: x}}]\nname: {nested}")
    assert "nested more than" in refusal(f"tasks: [{{run: x}}]\nname: [{nested}]")


def test_more_values_than_the_cap_are_refused():
    assert "more than 100,000 values" in refusal("tasks:\n" + "- a\n" * 100_000)


@pytest.mark.parametrize(
    "pattern",
    ["[", "{", "- ", "? ", "{{ ", "a: ", '"', "!!a ", "&a ", "%TAG !a! b\n", "- - ", "[{", "|\n"],
)
def test_no_repetition_of_a_megabyte_costs_more_than_a_second(pattern: str):
    began = time.process_time()
    refusal(pattern * ((MAX_BYTES - 1) // len(pattern)))
    assert time.process_time() - began < 1
