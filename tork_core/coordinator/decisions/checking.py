"""Checking the expressions of a job at its submission: what is wrong whatever the values."""

from __future__ import annotations

import re
from collections.abc import Iterator

import msgspec

from tork_core.coordinator.decisions.templates import OPENING, templates_of
from tork_core.errors import ExpressionError
from tork_core.expressions import FunctionTable, Known, check_template
from tork_core.model.spec import JobSpec, TaskSpec

MOST_EXPRESSIONS = 100_000
"""Characters that all expressions of one job may have, repeated ones counted once: to compile so
many takes more than a second."""

_EXPRESSION = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_IN_SCRIPT = re.compile(r"\{\{[^{}\n]{0,100}?\b(?:inputs|secrets|tasks|job)\.\w[^{}\n]{0,100}\}\}")
"""What scripts of other languages, such as a template of Go's, do not have between braces."""


class Findings(msgspec.Struct):
    """What was found: ``errors`` with the path of their field, and warnings for names that cannot
    exist (their values will be empty)."""

    errors: list[ExpressionError] = []
    warnings: list[str] = []


def check_expressions(spec: JobSpec, functions: FunctionTable) -> Findings:
    """Check all expressions of a job: syntax, functions, namespaces, names."""
    too_many = _too_many(spec)
    if too_many is not None:
        return Findings([too_many], [])
    findings = Findings([], [])
    variables: list[str] | None = []
    for number, task in enumerate(spec.tasks):
        known = _known(spec, variables, functions)
        for field, text in templates_of(task):
            _check(text, known, f"tasks[{number}].{field}", findings)
        variables = _after(variables, task)
    if spec.output is not None:
        _check(spec.output, _known(spec, variables, functions), "output", findings)
    return findings


def overlooked(spec: JobSpec) -> Iterator[str]:
    """Yield warnings for what reads like an expression and is not evaluated, with its field."""
    for number, task in enumerate(spec.tasks):
        condition = (task.condition or "").strip()
        if condition not in ("", "true", "false") and OPENING not in condition:
            yield (
                f"tasks[{number}].if: without {{{{ }}}} this is text and no expression, so the "
                'task always runs; write "{{ ... }}" around it'
            )
        for place, script in _scripts(task):
            if found := _IN_SCRIPT.search(script):
                yield (
                    f"tasks[{number}].{place}: {found[0]} stays as it is in a script; give its "
                    "value to the script by env"
                )


def _scripts(task: TaskSpec) -> Iterator[tuple[str, str]]:
    if task.run is not None:
        yield "run", task.run
    for name, others in (("pre", task.pre), ("post", task.post)):
        for number, other in enumerate(others or ()):
            if other.run is not None:
                yield f"{name}[{number}].run", other.run


def _too_many(spec: JobSpec) -> ExpressionError | None:
    """What is wrong where there are more expressions than may be compiled for one job."""
    seen: set[str] = set()
    size = 0
    for field, text in _templates(spec):
        for expression in _EXPRESSION.findall(text):
            if expression not in seen:
                seen.add(expression)
                size += len(expression)
        if size > MOST_EXPRESSIONS:
            return ExpressionError(
                f"the expressions of a job may have {MOST_EXPRESSIONS:,} characters in all, and "
                "here they have more; do this in a task",
                field=field,
            )
    return None


def _templates(spec: JobSpec) -> Iterator[tuple[str, str]]:
    for number, task in enumerate(spec.tasks):
        for field, text in templates_of(task):
            yield f"tasks[{number}].{field}", text
    if spec.output is not None:
        yield "output", spec.output


def _check(text: str, known: Known, field: str, findings: Findings) -> None:
    try:
        findings.warnings += check_template(text, known, field=field)
    except ExpressionError as error:
        findings.errors.append(error)


def _known(spec: JobSpec, variables: list[str] | None, functions: FunctionTable) -> Known:
    return Known(
        {
            "inputs": list(spec.inputs or ()),
            "secrets": list(spec.secrets or ()),
            "tasks": variables,
            "job": ["id", "name"],
        },
        functions,
    )


def _after(variables: list[str] | None, task: TaskSpec) -> list[str] | None:
    """The variables that are set after a task; None where a template gives one its name."""
    if variables is None or task.var is None:
        return variables
    return None if OPENING in task.var else [*variables, task.var]
