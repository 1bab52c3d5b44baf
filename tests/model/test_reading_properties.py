"""What holds for every text: the readers refuse with InvalidJob alone, and lose nothing."""

from __future__ import annotations

import json
from typing import cast

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from tork_core.errors import InvalidJob
from tork_core.model.json_plain import decode_plain
from tork_core.model.json_reader import read_json
from tork_core.model.reading import Format, parse_job, problems_of, read_job
from tork_core.model.shape import shape_job
from tork_core.model.source import Source
from tork_core.model.spec import DefaultsSpec, JobSpec, RetrySpec, SpecStruct, TaskSpec
from tork_core.model.yaml_reader import read_yaml

FORMATS = st.sampled_from(("yaml", "json"))

# --- jobs of every shape ---------------------------------------------------------------------

# No surrogates, which no file can hold.
CHARACTERS = st.characters(exclude_categories=("Cs",))
AWKWARD = [
    *("0755", "yes", "null", "~", "1.10", "12:30:45", "2024-01-01", "{{ a }}", "<<", "a: b", "- a"),
    *("\n a\n", " a", "a\r\n", "\t", "#", "&a", "*a", "!a", "\x85", "\u2028", "\ufeff", "'\""),
]
TEXT = st.text(CHARACTERS, max_size=8) | st.sampled_from(AWKWARD)


def values(info: msgspec.inspect.Type, depth: int) -> st.SearchStrategy[object]:
    match info:
        case msgspec.inspect.StrType():
            return TEXT
        case msgspec.inspect.IntType():
            return st.integers(-(10**17), 10**17)
        case msgspec.inspect.FloatType():
            return st.floats(allow_nan=False, allow_infinity=False)
        case msgspec.inspect.BoolType():
            return st.booleans()
        case msgspec.inspect.DictType():
            return st.dictionaries(TEXT, TEXT, max_size=2)
        case msgspec.inspect.ListType(item_type=item):
            return st.lists(values(item, depth), max_size=2)
        case msgspec.inspect.StructType(cls=cls):
            return structs(cast("type[SpecStruct]", cls), depth - 1)
        case _:
            raise AssertionError(info)


def structs(cls: type[SpecStruct], depth: int = 4) -> st.SearchStrategy[object]:
    """Return any structs of a class: of an optional field one in a few is set."""
    info = msgspec.inspect.type_info(cls)
    assert isinstance(info, msgspec.inspect.StructType)
    fields: dict[str, st.SearchStrategy[object]] = {}
    for field in info.fields:
        if field.required:
            deep = isinstance(field.type, msgspec.inspect.ListType) and depth <= 0
            fields[field.name] = (
                st.just([]) if deep else st.deferred(lambda field=field: values(field.type, depth))
            )
        elif depth > 0:
            kinds = field.type
            if isinstance(kinds, msgspec.inspect.UnionType):
                (kinds,) = (k for k in kinds.types if not isinstance(k, msgspec.inspect.NoneType))
            if cls is TaskSpec and field.name == "each" and depth <= 2:
                continue
            fields[field.name] = st.just(field.default) | st.deferred(
                lambda kinds=kinds: values(kinds, depth)
            )
    return st.builds(cls, **fields)


@settings(max_examples=200, deadline=None)
@given(structs(JobSpec))
def test_every_job_survives_yaml_and_json(job: JobSpec):
    plain = msgspec.to_builtins(job)
    for text in (yaml.safe_dump(plain), yaml.safe_dump(plain, default_flow_style=True)):
        root = read_yaml(Source(text))
        assert root is not None
        assert shape_job(root) == (job, [])
    for text in (msgspec.json.encode(job), json.dumps(plain), json.dumps(plain, indent=1)):
        root = read_json(Source(text))
        assert root is not None
        assert shape_job(root) == (job, [])


# --- jobs that may be accepted ---------------------------------------------------------------

WORDS = st.text(CHARACTERS.filter(lambda c: c != "\0"), min_size=1, max_size=20).filter(str.strip)
MAPS = st.dictionaries(WORDS.filter(lambda w: "=" not in w), WORDS, max_size=3)
QUEUES = WORDS.map(lambda word: f"q{word}q").filter(str.isprintable)
RETRIES = st.builds(RetrySpec, limit=st.integers(1, 10))


def optional(strategy: st.SearchStrategy[object]) -> st.SearchStrategy[object]:
    return st.none() | strategy


TASKS = st.builds(
    TaskSpec,
    name=optional(WORDS),
    tags=optional(st.lists(WORDS, max_size=2)),
    image=optional(WORDS),
    run=WORDS,
    cmd=optional(st.lists(WORDS, max_size=2)),
    env=optional(MAPS),
    queue=optional(QUEUES),
    retry=optional(RETRIES),
    var=optional(WORDS),
    condition=optional(WORDS),
    priority=optional(st.integers(0, 9)),
)
JOBS = st.builds(
    JobSpec,
    name=optional(WORDS),
    description=optional(WORDS),
    tasks=st.lists(TASKS, min_size=1, max_size=3),
    inputs=optional(MAPS),
    output=optional(WORDS),
    defaults=optional(st.builds(DefaultsSpec, retry=optional(RETRIES), queue=optional(QUEUES))),
)


@settings(max_examples=200, deadline=None)
@given(JOBS)
def test_a_job_that_may_be_accepted_is_read_back_from_yaml_and_json(job: JobSpec):
    plain = msgspec.to_builtins(job)
    assert parse_job(yaml.safe_dump(plain), format="yaml") == job
    assert parse_job(json.dumps(plain), format="json") == job
    assert parse_job(msgspec.json.encode(job), format="json") == job


# --- texts of every kind ---------------------------------------------------------------------


def read_or_refuse(data: bytes | str, form: Format) -> None:
    try:
        spec = parse_job(data, format=form)
    except InvalidJob as refused:
        error = refused
    else:
        assert problems_of(spec) == []
        msgspec.json.encode(spec)
        return
    assert error.line is not None
    assert error.line >= 1
    assert error.column is not None
    assert error.column >= 1
    assert error.path.startswith("$")
    assert error.problems[0] is error


@settings(max_examples=500, deadline=None)
@given(st.binary(max_size=200), FORMATS)
def test_any_bytes_are_read_or_refused(data: bytes, form: Format):
    read_or_refuse(data, form)


@settings(max_examples=500, deadline=None)
@given(st.text(max_size=200), FORMATS)
def test_any_text_is_read_or_refused(data: str, form: Format):
    read_or_refuse(data, form)


YAML_PIECES = [
    *("tasks", "run", "env", "inputs", "name", "a", "b", "~", "null", "0755", "<<:", "é", "😀"),
    *(":", "-", "?", ",", "[", "]", "{", "}", "&", "&a", "*a", "!", "!!str", "!!int", "!a", "|"),
    *(">-", "'", '"', "#", "---", "...", "%", "%YAML", "%TAG", "@", "`", "{{", "}}", "\\"),
    *("\\0", "\\ud800", "\ufeff", "\x85", "\u2028", "\n", "\n  ", "\n- ", " ", ": "),
    *("\t", "\r\n", "tasks:\n- run: x\n  ", "\0"),
]


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(YAML_PIECES), max_size=30).map("".join))
def test_any_mixture_of_yaml_is_read_or_refused(data: str):
    read_or_refuse(data, "yaml")
    read_or_refuse("tasks:\n- run: x\n  env:\n    A: " + data, "yaml")


JSON_PIECES = [
    *("{", "}", "[", "]", ",", ":", '"tasks"', '"run"', '"env"', '"a"', '"', "\\", "\\u0000"),
    *("\\ud800", "\\n", "1", "-1", "1.5e3", "01", ".", "true", "false", "null", "NaN", "é", "😀"),
    *('{"tasks":[{"run":"x",', "}]}", "\x00", "\x01", "'", "\n", " ", "\t"),
]


@settings(max_examples=1500, deadline=None)
@given(st.lists(st.sampled_from(JSON_PIECES), max_size=30).map("".join))
def test_any_mixture_of_json_is_read_or_refused(data: str):
    read_or_refuse(data, "json")


# --- the fast way and the careful way --------------------------------------------------------

TEXTS = st.sampled_from(['"a"', '"b"', '""', '"\\u0061"', '"{:,"', '"\\""', '"\\\\"'])
SCALARS = TEXTS | st.sampled_from(["1", "5", "1.0", "null", "true"])
MOSTLY_TEXTS = st.one_of(TEXTS, TEXTS, TEXTS, SCALARS)
NAMES = st.sampled_from(["a", "b", "c", "d", "e", "\\u0061"])


def json_object(*fields: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    """Return objects of some of the fields, now and then with one of them twice."""
    return st.lists(st.one_of(fields), max_size=4).map(lambda chosen: f"{{{', '.join(chosen)}}}")


def json_field(name: str, written: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    return written.map(lambda text: f'"{name}": {text}')


ENVS = json_object(st.tuples(NAMES, MOSTLY_TEXTS).map(lambda pair: f'"{pair[0]}": {pair[1]}'))
JSON_TASKS = json_object(
    json_field("run", TEXTS),
    json_field("env", ENVS),
    json_field("name", MOSTLY_TEXTS),
    json_field("cmd", MOSTLY_TEXTS.map(lambda text: f"[{text}]")),
    json_field("retry", st.just('{"limit": 5}') | SCALARS.map(lambda n: f'{{"limit": {n}}}')),
    json_field("priority", st.just("5") | SCALARS),
)
JSON_JOBS = st.tuples(
    st.lists(JSON_TASKS, max_size=2),
    json_object(
        json_field("name", MOSTLY_TEXTS),
        json_field("inputs", ENVS),
        json_field("output", TEXTS),
        json_field("nmae", TEXTS),
        json_field("tasks", st.just("[]")),
    ),
).map(lambda parts: f'{{"tasks": [{", ".join(parts[0])}], {parts[1][1:]}'.replace(", }", "}"))


@settings(max_examples=2000, deadline=None)
@given(JSON_JOBS)
def test_what_the_fast_way_takes_the_careful_way_reads_the_same(data: str):
    fast = decode_plain(data.encode())
    if fast is not None:
        root = read_json(Source(data))
        assert root is not None
        assert shape_job(root) == (fast, [])


@pytest.mark.parametrize(
    "data",
    [
        '{"tasks": [{"run": "x", "run": "x"}]}',
        '{"tasks": [{"run": "x", "env": {"a": "1", "\\u0061": "1"}}]}',
        '{"tasks": [{"run": "x"}], "name": "\\"", "name": ":\\\\"}',
    ],
)
def test_the_fast_way_takes_no_job_with_a_key_twice(data: str):
    assert decode_plain(data.encode()) is None


def test_the_fast_way_takes_an_ordinary_job():
    data = b'{"name":"a\\"b: {","tasks":[{"run":"echo \\\\","env":{"A":"1"},"retry":{"limit":2}}]}'
    assert decode_plain(data) == parse_job(data, format="json")


# --- places for who finds more ---------------------------------------------------------------

YAML_JOB = """\
tasks:
- run: x
- run: y
  env:
    A: "{{ bad }}"
    "b.c[0]": z
"""


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        ("tasks[1].env.A", 5, 8),
        ("$.tasks[1].env.A", 5, 8),
        ('$.tasks[1].env["b.c[0]"]', 6, 15),
        ("$.tasks[1].env.NONE", 5, 5),
        ("$.tasks[7].run", 2, 1),
        ("$.output", 1, 1),
    ],
)
def test_an_error_that_is_found_later_gets_its_place(path: str, line: int, column: int):
    job = read_job(YAML_JOB, format="yaml")
    error = job.invalid("no such thing", path=path)
    assert (error.line, error.column, error.message) == (line, column, "no such thing")
    assert error.path == (path if path.startswith("$") else f"$.{path}")


def test_an_error_that_is_found_later_gets_its_place_in_json_too():
    job = read_job('{"tasks": [\n {"run": "x"}]}', format="json")
    error = job.invalid("no such thing", path="tasks[0].run")
    assert str(error) == "line 2, column 10: $.tasks[0].run: no such thing"
