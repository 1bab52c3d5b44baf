"""Reading jobs: from the bytes of a file or a request to a specification that may be accepted.

    bytes -> Source -> nodes (yaml_reader, json_reader) -> JobSpec (shape) -> fields, rules

What is refused is refused with :class:`~tork_core.errors.InvalidJob`, which names line, column
and field, and whose ``problems`` are all that was found. Expressions are not looked at here.
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterable, Iterator
from typing import Literal, TypeAlias

from tork_core.errors import InvalidJob
from tork_core.model.fields import not_yet
from tork_core.model.json_plain import decode_plain
from tork_core.model.json_reader import read_json
from tork_core.model.nodes import Mapping, Node, Scalar, Sequence, describe, offset_of
from tork_core.model.problems import MAX_PROBLEMS, Path, Problem, path_text
from tork_core.model.rules import job_problems
from tork_core.model.shape import shape_job
from tork_core.model.source import Source
from tork_core.model.spec import JobSpec
from tork_core.model.yaml_reader import read_yaml

Format: TypeAlias = Literal["yaml", "json"]


def parse_job(data: bytes | str, *, format: Format) -> JobSpec:
    """Return the job that a file or a request holds.

    Raises InvalidJob with the first of its problems; all of them are ``error.problems``.
    """
    return read_job(data, format=format).spec


def read_job(data: bytes | str, *, format: Format) -> ReadJob:
    """Return the job and where its parts stand, for who looks for more that may be wrong.

    Raises InvalidJob as :func:`parse_job` does.
    """
    source = Source(data)
    if format == "json":
        spec = decode_plain(source.encoded)
        if spec is not None and not problems_of(spec):
            return ReadJob(spec, source, format)
    root = _read(source, format)
    spec, problems = shape_job(root)
    if spec is None:
        raise _invalid(problems, root, source)
    problems = problems_of(spec)
    if problems:
        raise _invalid(problems, root, source)
    return ReadJob(spec, source, format)


def check_job(spec: JobSpec) -> None:
    """Raise InvalidJob if a job that was made in Python may not be accepted."""
    problems = problems_of(spec)
    if problems:
        raise _joined(InvalidJob(p.message, path=path_text(p.path)) for p in problems)


def problems_of(spec: JobSpec) -> list[Problem]:
    """Return what is wrong with a job of the right shape: fields that do not work yet, rules."""
    found = itertools.chain(not_yet(spec), job_problems(spec))
    return list(itertools.islice(found, MAX_PROBLEMS))


class ReadJob:
    """A job, and its source for errors that are found later."""

    def __init__(self, spec: JobSpec, source: Source, format: Format) -> None:
        self.spec = spec
        self._source = source
        self._format: Format = format

    def invalid(self, message: str, *, path: str) -> InvalidJob:
        """Return an error about the value at ``path`` (``tasks[1].env.NAME``), with its place."""
        path = path if path.startswith("$") else f"$.{path}"
        places = {path_text(steps): offset for steps, offset in _walk(self._root, ())}
        parents = itertools.accumulate(re.findall(r"[^.\[]+|[.\[][^.\[]*", path))
        offset = [places[parent] for parent in parents if parent in places][-1]
        line, column = self._source.place(offset)
        return InvalidJob(message, path=path, line=line, column=column)

    @property
    def _root(self) -> Node:
        return _read(self._source, self._format)


def _read(source: Source, format: Format) -> Mapping:
    root = read_yaml(source) if format == "yaml" else read_json(source)
    if root is None:
        raise source.invalid('the job is empty; write a list of "tasks"', offset=0)
    if isinstance(root, Sequence):
        raise source.invalid(
            'a job is a mapping, this is a list; put the tasks under "tasks"', offset=root.offset
        )
    if isinstance(root, Scalar):
        raise source.invalid(
            f'a job is a mapping with a list of "tasks", this is {describe(root)}',
            offset=root.offset,
        )
    return root


def _invalid(problems: Iterable[Problem], root: Node, source: Source) -> InvalidJob:
    placed = [
        (problem, offset_of(root, problem.path, at_key=problem.at_key))
        if problem.offset is None
        else (problem, problem.offset)
        for problem in problems
    ]
    # Shape finds problems in an order that names causes first; rules go by the structs.
    if any(problem.offset is None for problem, _ in placed):
        placed.sort(key=lambda pair: pair[1])
    return _joined(source.invalid(p.message, offset=at, path=p.path) for p, at in placed)


def _joined(errors: Iterator[InvalidJob]) -> InvalidJob:
    first = next(errors)
    first.others = tuple(errors)
    return first


def _walk(node: Node, path: Path) -> Iterator[tuple[Path, int]]:
    yield path, node.offset
    if isinstance(node, Sequence):
        for i, item in enumerate(node.items):
            yield from _walk(item, (*path, i))
    elif isinstance(node, Mapping):
        for name, entry in node.entries.items():
            yield from _walk(entry.node, (*path, name))
