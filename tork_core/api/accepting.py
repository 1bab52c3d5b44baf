"""Reading a submission: from its text to a specification that may be stored."""

from __future__ import annotations

import re
from collections.abc import Iterator

from tork_core.coordinator.decisions.checking import check_expressions
from tork_core.coordinator.decisions.templates import templates_of
from tork_core.errors import ExpressionError, InvalidJob
from tork_core.expressions import FunctionTable
from tork_core.model.reading import Format, check_job, read_job
from tork_core.model.spec import JobSpec

MOST_EXPRESSIONS = 100_000
"""Characters that all expressions of one job may have, repeated ones counted once: to compile so
many takes more than a second."""

_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)


def read_submission(
    job: JobSpec | str | bytes, format: Format, functions: FunctionTable
) -> JobSpec:
    """Return the job that was submitted, as a specification or as text in ``format``.

    Raises InvalidJob with what is wrong with it, its expressions included.
    """
    if isinstance(job, JobSpec):
        check_job(job)
        _check_size(job)
        for error in check_expressions(job, functions).errors:
            raise InvalidJob(_words(error), path=f"$.{error.field}") from error
        return job
    source = read_job(job, format=format)
    _check_size(source.spec)
    for error in check_expressions(source.spec, functions).errors:
        raise source.invalid(_words(error), path=error.field or "") from error
    return source.spec


def _words(error: ExpressionError) -> str:
    """What is wrong with an expression, without its field: the path of the error says that."""
    return str(error).removeprefix(f"{error.field}: ")


def _check_size(spec: JobSpec) -> None:
    seen: set[str] = set()
    size = 0
    for field, text in _templates(spec):
        for expression in _EXPRESSION.findall(text):
            if expression not in seen:
                seen.add(expression)
                size += len(expression)
        if size > MOST_EXPRESSIONS:
            raise InvalidJob(
                f"the expressions of a job may have {MOST_EXPRESSIONS:,} characters in all, and "
                "here they have more; do this in a task",
                path=f"$.{field}",
            )


def _templates(spec: JobSpec) -> Iterator[tuple[str, str]]:
    for number, task in enumerate(spec.tasks):
        for field, text in templates_of(task):
            yield f"tasks[{number}].{field}", text
    if spec.output is not None:
        yield "output", spec.output
