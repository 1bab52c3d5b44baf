"""From a tree of nodes to a specification: known fields of the right types, or what is wrong.

The structs of ``spec`` are the only declaration; their shapes are derived from them once. All
problems of a file are collected, so that its author can put them right together.
"""

from __future__ import annotations

import difflib
import math
import re
from collections.abc import Callable, Iterable
from functools import cache
from typing import Protocol, cast

import msgspec
import msgspec.inspect

from tork_core.model.nodes import Kind, Mapping, Node, Scalar, Sequence, describe
from tork_core.model.problems import MAX_PROBLEMS, Path, Problem, quoted
from tork_core.model.spec import JobSpec, TaskSpec
from tork_core.model.units import CPUS, DURATIONS

# Far beyond any count a job has, and what a 64-bit column takes.
_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")
_SUGGESTED_LENGTH = 64


def shape_job(root: Node) -> tuple[JobSpec | None, list[Problem]]:
    """Return the job that a tree stands for and no problems, or None and its problems."""
    problems = _Problems()
    try:
        value = _struct_shape(JobSpec).read(root, (), problems)
    except _Enough:
        value = None
    job = value if isinstance(value, JobSpec) and not problems.found else None
    return job, problems.found


class _Enough(Exception):
    """So many problems were found that the rest of the file is not looked at."""


class _Problems:
    def __init__(self) -> None:
        self.found: list[Problem] = []

    def add(self, path: Path, message: str, offset: int) -> None:
        self.found.append(Problem(path, message, offset))
        if len(self.found) >= MAX_PROBLEMS:
            raise _Enough

    def expected(self, what: str, node: Node, path: Path, hint: str = "") -> None:
        self.add(path, f"expected {what}, found {describe(node)}{hint}", node.offset)


class _Shape(Protocol):
    """Reads a node as one type. None is what was not written, or what is wrong and reported."""

    def read(self, node: Node, path: Path, problems: _Problems) -> object: ...


class _Text:
    """Takes the scalar as written, numbers and booleans too."""

    def __init__(self, hint: str = "") -> None:
        self._hint = hint

    def read(self, node: Node, path: Path, problems: _Problems) -> str | None:
        if not isinstance(node, Scalar):
            problems.expected("text", node, path, self._hint)
            return None
        return None if node.kind is Kind.NULL else node.text


class _Whole:
    def __init__(self, hint: str = "") -> None:
        self._hint = hint

    def read(self, node: Node, path: Path, problems: _Problems) -> int | None:
        if isinstance(node, Scalar):
            if node.kind is Kind.NULL:
                return None
            if node.kind is Kind.NUMBER and _WHOLE.fullmatch(node.text):
                return int(node.text)
        what = f"expected a whole number, found {_shown(node)}{self._hint}"
        problems.add(path, what, node.offset)
        return None


class _Number:
    def read(self, node: Node, path: Path, problems: _Problems) -> float | None:
        if isinstance(node, Scalar):
            if node.kind is Kind.NULL:
                return None
            if node.kind is Kind.NUMBER and math.isfinite(number := float(node.text)):
                return number
        problems.add(path, f"expected a number, found {_shown(node)}", node.offset)
        return None


class _Flag:
    def read(self, node: Node, path: Path, problems: _Problems) -> bool | None:
        if isinstance(node, Scalar):
            if node.kind is Kind.NULL:
                return None
            if node.kind is Kind.FLAG:
                return node.text == "true"
        problems.add(path, f"expected true or false, found {_shown(node)}", node.offset)
        return None


class _List:
    def __init__(self, item: _Shape) -> None:
        self._item = item

    def read(self, node: Node, path: Path, problems: _Problems) -> list[object] | None:
        if isinstance(node, Scalar) and node.kind is Kind.NULL:
            return None
        if not isinstance(node, Sequence):
            problems.expected("a list", node, path, "; write [a, b], or each item after a -")
            return None
        read = self._item.read
        items = [read(item, (*path, i), problems) for i, item in enumerate(node.items)]
        if not isinstance(self._item, _Text):
            for i, item in enumerate(node.items):
                if isinstance(item, Scalar) and item.kind is Kind.NULL:
                    problems.add((*path, i), "this item is empty; fill or remove it", item.offset)
            return items
        return ["" if item is None else item for item in items]


class _TextMap:
    """A mapping of text to text, in which what is empty is empty text."""

    def read(self, node: Node, path: Path, problems: _Problems) -> dict[str, str] | None:
        if isinstance(node, Scalar) and node.kind is Kind.NULL:
            return None
        if not isinstance(node, Mapping):
            problems.expected("a mapping of names to text", node, path)
            return None
        read = _TEXT.read
        return {
            name: read(entry.node, (*path, name), problems) or ""
            for name, entry in node.entries.items()
        }


class _Field(msgspec.Struct, frozen=True):
    attribute: str
    shape: _Shape
    required: bool


class _StructShape:
    """A struct: takes its own fields and no others."""

    def __init__(self, cls: type[msgspec.Struct]) -> None:
        self._cls = cls
        # Filled by _struct_shape: a task's shape holds itself, within parallel and each.
        self.fields: dict[str, _Field] = {}

    def read(self, node: Node, path: Path, problems: _Problems) -> msgspec.Struct | None:
        if isinstance(node, Scalar) and node.kind is Kind.NULL:
            return None
        if not isinstance(node, Mapping):
            problems.expected(f"a mapping ({self._summary()})", node, path)
            return None
        values: dict[str, object] = {}
        before = len(problems.found)
        for name, entry in node.entries.items():
            field = self.fields.get(name)
            if field is None:
                problems.add((*path, name), self._unknown(name), entry.offset)
                continue
            value = field.shape.read(entry.node, (*path, name), problems)
            if value is not None:
                values[field.attribute] = value
        if len(problems.found) > before:
            return None
        missing = [n for n, f in self.fields.items() if f.required and f.attribute not in values]
        for name in missing:
            problems.add((*path, name), "this field is required", node.offset)
        return None if missing else _construct(self._cls, values)

    def _summary(self) -> str:
        names = list(self.fields)
        return ", ".join(names[:5]) + (", …" if len(names) > 5 else "")

    def _unknown(self, name: str) -> str:
        if self._cls is JobSpec and name in _struct_shape(TaskSpec).fields:
            return 'unknown field of a job; it is one of a task, put it under "tasks"'
        if self._cls is TaskSpec and name in _struct_shape(JobSpec).fields:
            return "unknown field of a task; it is one of the job, put it at the top"
        nearest = _nearest(name, self.fields)
        return f'unknown field, did you mean "{nearest}"?' if nearest else "unknown field"


_TEXT = _Text()

_EXAMPLES = {
    "cpus": CPUS,
    "memory": "10m or 2g",
    "timeout": DURATIONS,
    "initialDelay": DURATIONS,
    "after": DURATIONS,
    "limit": "3",
    "priority": "5",
}
"""What may be written in fields of a form of their own, by their names."""


@cache
def _struct_shape(cls: type[msgspec.Struct]) -> _StructShape:
    shape = _StructShape(cls)
    info = msgspec.inspect.type_info(cls)
    assert isinstance(info, msgspec.inspect.StructType)
    _fill(shape, info, {cls: shape})
    return shape


def _fill(
    shape: _StructShape,
    info: msgspec.inspect.StructType,
    known: dict[type, _StructShape],
) -> None:
    for field in info.fields:
        name, example = field.encode_name, _EXAMPLES.get(field.encode_name)
        hint = f"; write one such as {example}" if example else ""
        shape.fields[name] = _Field(field.name, _shape_of(field.type, known, hint), field.required)


def _shape_of(
    info: msgspec.inspect.Type, known: dict[type, _StructShape], hint: str = ""
) -> _Shape:
    """Return the shape of a type; ``hint`` ends what is said of a text or a number that is none."""
    match info:
        case msgspec.inspect.UnionType(types=types):
            (info,) = (one for one in types if not isinstance(one, msgspec.inspect.NoneType))
            return _shape_of(info, known, hint)
        case msgspec.inspect.StructType(cls=cls):
            if cls not in known:
                known[cls] = _StructShape(cls)
                _fill(known[cls], info, known)
            return known[cls]
        case msgspec.inspect.ListType(item_type=item):
            return _List(_shape_of(item, known))
        case msgspec.inspect.DictType():
            return _TextMap()
        case msgspec.inspect.IntType():
            return _Whole(hint)
        case msgspec.inspect.FloatType():
            return _Number()
        case msgspec.inspect.BoolType():
            return _Flag()
        case _:
            assert isinstance(info, msgspec.inspect.StrType), info
            return _Text(hint)


def _construct(cls: type[msgspec.Struct], values: dict[str, object]) -> msgspec.Struct:
    # The shapes made sure of the types; a type checker cannot follow that through a table.
    return cast("Callable[..., msgspec.Struct]", cls)(**values)


def _nearest(name: str, known: Iterable[str]) -> str | None:
    if len(name) > _SUGGESTED_LENGTH:
        return None
    lower = {one.lower(): one for one in known}
    found = difflib.get_close_matches(name.lower().replace("_", ""), lower, n=1, cutoff=0.7)
    return lower[found[0]] if found else None


def _shown(node: Node) -> str:
    if not isinstance(node, Scalar):
        return describe(node)
    if node.kind is Kind.TEXT:
        return f"the text {quoted(node.text)}"
    return node.text
