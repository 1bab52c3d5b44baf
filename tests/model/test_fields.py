"""The table of fields and what it is used for."""

from __future__ import annotations

import msgspec
import pytest

from tork_core.errors import InvalidJob
from tork_core.model import spec as spec_module
from tork_core.model.fields import FIELDS, NOT_YET, PARTS, field_rows
from tork_core.model.reading import parse_job
from tork_core.model.spec import SpecStruct

STRUCTS = [
    cls
    for cls in vars(spec_module).values()
    if isinstance(cls, type) and issubclass(cls, SpecStruct) and cls is not SpecStruct
]

TEXT = ("text", "template", "expression", "script", "duration", "size", "decimal", "path", "cron")


def type_words(info: msgspec.inspect.Type) -> set[str]:
    """Return the words that the table may use for a type."""
    match info:
        case msgspec.inspect.UnionType(types=types):
            (info,) = (one for one in types if not isinstance(one, msgspec.inspect.NoneType))
            return type_words(info)
        case msgspec.inspect.StrType():
            return set(TEXT)
        case msgspec.inspect.IntType():
            return {"whole number"}
        case msgspec.inspect.FloatType():
            return {"number"}
        case msgspec.inspect.BoolType():
            return {"true or false"}
        case msgspec.inspect.DictType():
            return {"map of text", "map of templates"}
        case msgspec.inspect.ListType(item_type=msgspec.inspect.StrType()):
            return {"list of text", "list of templates", "list of paths"}
        case msgspec.inspect.ListType(item_type=msgspec.inspect.StructType(cls=cls)):
            return {f"list of {words}s" for words in struct_words(cls)}
        case msgspec.inspect.StructType(cls=cls):
            return struct_words(cls)
        case _:
            raise AssertionError(info)


def struct_words(cls: type) -> set[str]:
    name = cls.__name__.removesuffix("Spec")
    words = name[0].lower() + name[1:]
    return {words, "auxiliary task"} if words == "auxiliaryTask" else {words}


def test_the_table_names_every_struct_and_every_field_of_it():
    assert set(FIELDS) == set(PARTS) == set(STRUCTS)
    for cls in STRUCTS:
        own = FIELDS[cls]
        assert sorted(own) == sorted(cls.__struct_encode_fields__), cls


@pytest.mark.parametrize("cls", STRUCTS)
def test_the_types_in_the_table_are_those_of_the_struct(cls: type[SpecStruct]):
    info = msgspec.inspect.type_info(cls)
    assert isinstance(info, msgspec.inspect.StructType)
    for field in info.fields:
        assert FIELDS[cls][field.encode_name].type in type_words(field.type), field.encode_name


def test_every_row_has_one_line_that_says_what_the_field_is_for():
    rows = list(field_rows())
    assert len(rows) == sum(len(fields) for fields in FIELDS.values())
    assert rows[0].part == "job"
    for row in rows:
        assert row.about.endswith(".")
        assert len(row.about) < 80


def test_these_fields_work():
    assert {f"{row.part}.{row.name}" for row in field_rows() if row.works} == {
        *(
            f"job.{name}"
            for name in ["name", "description", "tags", "tasks", "inputs", "output", "defaults"]
        ),
        *(
            f"task.{name}"
            for name in ["name", "description", "tags", "image", "run", "cmd", "entrypoint"]
        ),
        *(f"task.{name}" for name in ["env", "queue", "retry", "limits", "var", "if", "priority"]),
        *(f"task.{name}" for name in ["timeout", "pre", "post", "volumes"]),
        *(
            f"pre and post.{name}"
            for name in ["name", "description", "image", "run", "cmd", "entrypoint", "env"]
        ),
        "pre and post.timeout",
        *(f"defaults.{name}" for name in ["retry", "limits", "timeout", "queue", "priority"]),
        *(f"limits.{name}" for name in ["cpus", "memory"]),
        *(f"retry.{name}" for name in ["limit", "initialDelay", "scalingFactor"]),
    }


def test_a_field_that_does_not_work_yet_is_refused_by_its_name_and_not_ignored():
    with pytest.raises(InvalidJob) as refused:
        parse_job("tasks:\n- run: x\n  workdir: /x\n", format="yaml")
    assert str(refused.value) == f"line 3, column 3: $.tasks[0].workdir: {NOT_YET}"


@pytest.mark.parametrize(
    ("job", "path"),
    [
        ("{tasks: [{run: x}], secrets: {a: b}}", "$.secrets"),
        ("{tasks: [{run: x, pre: [{run: x, files: {a: b}}]}]}", "$.tasks[0].pre[0].files"),
        (
            "{tasks: [{run: x, files: {a: b}}]}",
            "$.tasks[0].files",
        ),
        ("{tasks: [{parallel: {tasks: [{run: x}]}}]}", "$.tasks[0].parallel"),
    ],
)
def test_it_is_found_wherever_it_stands(job: str, path: str):
    with pytest.raises(InvalidJob) as refused:
        parse_job(job, format="yaml")
    assert (refused.value.path, refused.value.message) == (path, NOT_YET)


def test_a_field_with_nothing_in_it_is_not_used():
    assert parse_job("tasks: [{run: x, timeout: , pre: ~}]", format="yaml").tasks[0].timeout is None
