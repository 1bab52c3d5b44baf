"""Reading a submission: from its text to a specification that may be stored."""

from __future__ import annotations

from tork_core.coordinator.decisions.checking import check_expressions
from tork_core.errors import ExpressionError, InvalidJob
from tork_core.expressions import FunctionTable
from tork_core.model.reading import Format, check_job, read_job
from tork_core.model.secret_names import is_secret_name
from tork_core.model.spec import JobSpec


def read_submission(
    job: JobSpec | str | bytes, format: Format, functions: FunctionTable
) -> JobSpec:
    """Return the job that was submitted, as a specification or as text in ``format``.

    Raises InvalidJob with what is wrong with it, its expressions included.
    """
    if isinstance(job, JobSpec):
        check_job(job)
        for error in check_expressions(job, functions).errors:
            raise InvalidJob(_words(error), path=f"$.{error.field}") from error
        return job
    source = read_job(job, format=format)
    for error in check_expressions(source.spec, functions).errors:
        raise source.invalid(_words(error), path=error.field or "") from error
    return source.spec


def _words(error: ExpressionError) -> str:
    """What is wrong with an expression, without its field: the path of the error says that."""
    if error.field is not None and is_secret_name(error.field):
        line, column = error.position
        return (
            f"an expression is wrong at {line}:{column}; it is not shown, since the field's name "
            "says that it holds a secret"
        )
    return str(error).removeprefix(f"{error.field}: ")
