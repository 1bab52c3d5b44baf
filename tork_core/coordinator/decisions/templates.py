"""Templates of jobs: which fields may hold them, and what they give.

A template sees ``inputs``, ``secrets``, ``tasks`` (the outputs of earlier tasks, by their ``var``)
and ``job`` (``id``, ``name``). Only the outputs that it names are loaded.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

import msgspec

from tork_core.coordinator.decisions.draft import Draft
from tork_core.errors import ExpressionError
from tork_core.expressions import Context, Template, TextNamespace, compile_template
from tork_core.model import value_rules
from tork_core.model.job import Task
from tork_core.model.spec import AuxiliaryTaskSpec, TaskSpec

T = TypeVar("T")

OPENING = "{{"
_NOTHING_DRAWN = random.Random(0)
"""For templates that call no function: a seeded source for each would cost more than they do."""

_RULES = {"name": value_rules.name, "var": value_rules.var, "queue": value_rules.queue}
"""What holds for the text that a template gives as it does for text that was written. Where it
gives none, the field counts as left out."""


class TaskTemplates:
    """The templates of one task, filled in from the job as it stands in a draft."""

    def __init__(self, draft: Draft, task: Task, written: TaskSpec) -> None:
        self._draft = draft
        self._task = task
        self._written = written
        self._scope = Scope(draft, task.id)

    def wanted(self) -> bool:
        """Whether the task is to run: unless its ``if`` gives false, or the text ``false``."""
        condition = self._written.condition
        if condition is None:
            return True
        value = self._scope.value(condition, self._field("if"))
        return value is not False and str(value).strip() != "false"

    def render(self) -> TaskSpec:
        """The task with all templates filled in; raises ExpressionError with the field's path."""
        written = self._written
        if all(field == "if" for field, _ in templates_of(written)):
            return written
        text = self._text
        rendered = msgspec.structs.replace(
            written,
            name=text(written.name, "name"),
            var=text(written.var, "var"),
            image=text(written.image, "image"),
            queue=text(written.queue, "queue"),
            env=self._map(written.env, "env"),
            cmd=self._list(written.cmd, "cmd"),
            pre=self._auxiliaries(written.pre, "pre"),
            post=self._auxiliaries(written.post, "post"),
        )
        for name in ("var", "queue"):
            self._check(getattr(rendered, name), name)
        return rendered

    def _auxiliaries(
        self, written: Sequence[AuxiliaryTaskSpec] | None, field: str
    ) -> list[AuxiliaryTaskSpec] | None:
        if written is None:
            return None
        return [
            msgspec.structs.replace(
                task,
                name=self._text(task.name, f"{field}[{index}].name"),
                image=self._text(task.image, f"{field}[{index}].image"),
                env=self._map(task.env, f"{field}[{index}].env"),
                cmd=self._list(task.cmd, f"{field}[{index}].cmd"),
            )
            for index, task in enumerate(written)
        ]

    def _text(self, text: str | None, field: str) -> str | None:
        if text is None:
            return None
        rendered = self._scope.render(text, self._field(field))
        if field.endswith("name"):
            self._check(rendered, field)
        return rendered

    def _map(self, values: Mapping[str, str] | None, field: str) -> dict[str, str] | None:
        if values is None:
            return None
        return {
            name: self._scope.render(text, self._field(f"{field}.{name}"))
            for name, text in values.items()
        }

    def _list(self, values: Sequence[str] | None, field: str) -> list[str] | None:
        if values is None:
            return None
        return [
            self._scope.render(text, self._field(f"{field}[{index}]"))
            for index, text in enumerate(values)
        ]

    def _check(self, text: str | None, field: str) -> None:
        """Hold what a template gave to the rule of its field."""
        rule = _RULES[field.rpartition(".")[2]]
        message = rule(text) if text else None
        if message is not None:
            raise ExpressionError(message, field=self._field(field))

    def _field(self, name: str) -> str:
        return f"tasks[{self._task.position - 1}].{name}"


class Scope:
    """What templates see of a job. What they draw at random is derived from ``seed``, so that
    deciding again gives the same."""

    def __init__(self, draft: Draft, seed: str) -> None:
        self._draft = draft
        self._seed = seed

    def render(self, text: str, field: str) -> str:
        """The text that a template gives."""
        if OPENING not in text:
            return text
        rendered = self._evaluate(text, field, Template.render)
        if "\0" in rendered:
            # No process can be given it, and not every datastore can keep it.
            raise ExpressionError("this gives the character U+0000", field=field)
        return rendered

    def value(self, text: str, field: str) -> object:
        """What a template gives; one that is a single expression keeps its type."""
        if OPENING not in text:
            return text
        return self._evaluate(text, field, Template.value)

    def _evaluate(
        self,
        text: str,
        field: str,
        how: Callable[[Template, Mapping[str, object], Context], T],
    ) -> T:
        functions = self._draft.rules.functions
        try:
            template = compile_template(text, functions)
            return how(template, self._names(template), self._context(template))
        except ExpressionError as error:
            error.field = error.field or field
            raise

    def _context(self, template: Template) -> Context:
        draft = self._draft
        source = random.Random(self._seed) if template.functions else _NOTHING_DRAWN
        return Context(
            now=lambda: draft.now,
            random=source,
            functions=draft.rules.functions,
            allowance=draft.allowance,
        )

    def _names(self, template: Template) -> dict[str, object]:
        draft = self._draft
        spec, job = draft.spec, draft.job
        return {
            "inputs": TextNamespace(spec.inputs or {}),
            "secrets": TextNamespace(spec.secrets or {}),
            "tasks": TextNamespace(self._outputs(template)),
            "job": TextNamespace({"id": job.id, "name": spec.name or "job"}),
        }

    def _outputs(self, template: Template) -> dict[str, str]:
        """The outputs that the template may use; they have to be loaded."""
        draft, variables = self._draft, self._draft.job.variables
        names = {name[1] for name in template.references if name[0] == "tasks" and len(name) > 1}
        if not template.references.isdisjoint({("tasks",), ("$env",)}):
            names = set(variables)
        used = {name: variables[name] for name in sorted(names) if name in variables}
        draft.need(used.values())
        outputs: dict[str, str] = {}
        for name, task_id in used.items():
            task = draft.task(task_id)
            outputs[name] = (task.output if task else None) or ""
        return outputs


def render_output(draft: Draft) -> str | None:
    """What the job's output template gives; None if the job has none."""
    if draft.spec.output is None:
        return None
    return Scope(draft, draft.job.id).render(draft.spec.output, "output")


def templates_of(task: TaskSpec) -> Iterator[tuple[str, str]]:
    """Yield the texts of a task that hold templates, with their field (``env.NAME``)."""
    for field, text in _texts(task):
        if text is not None and OPENING in text:
            yield field, text


def _texts(task: TaskSpec) -> Iterator[tuple[str, str | None]]:
    """Yield every text of a task that may hold a template."""
    yield "name", task.name
    yield "var", task.var
    yield "image", task.image
    yield "queue", task.queue
    yield "if", task.condition
    yield from _process_texts("", task)
    for kind, auxiliaries in (("pre", task.pre), ("post", task.post)):
        for index, auxiliary in enumerate(auxiliaries or ()):
            prefix = f"{kind}[{index}]."
            yield f"{prefix}name", auxiliary.name
            yield f"{prefix}image", auxiliary.image
            yield from _process_texts(prefix, auxiliary)


def _process_texts(prefix: str, task: TaskSpec | AuxiliaryTaskSpec) -> Iterator[tuple[str, str]]:
    for name, text in (task.env or {}).items():
        yield f"{prefix}env.{name}", text
    for index, text in enumerate(task.cmd or ()):
        yield f"{prefix}cmd[{index}]", text
