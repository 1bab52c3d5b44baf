"""Redaction: secrets are shown to nobody, and stored as they are.

A secret is the value of a variable, an input, an option of a mount or a header whose name has
SECRET, PASSWORD or ACCESS_KEY in it, in any case; a job's ``secrets`` and the passwords of
registries too, and an input or output that such a variable is given as it is. It is hidden in its
own field, and wherever it turns up in any other text of an answer, an event or a log. Ids and
states, which the engine makes itself, are left alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from enum import Enum
from typing import TypeVar, cast

import msgspec

from tork_core.hookspecs import hookimpl
from tork_core.interfaces.middleware import (
    JobMiddleware,
    LogFilter,
    LogMiddleware,
    TaskLogContext,
)
from tork_core.middleware.secrets import SecretFilter, Secrets
from tork_core.model.answers import ContextAnswer, JobAnswer
from tork_core.model.secret_names import REDACTED, WORDS, is_secret_name
from tork_core.model.spec import JobSpec, RegistrySpec, TaskSpec

S = TypeVar("S", bound=msgspec.Struct)

_WORDS = tuple(word.encode() for word in WORDS)

_MAPS = frozenset({"env", "inputs", "opts", "headers"})
"""The fields in which a name can say that its value is a secret."""

_PASSED = re.compile(r"""\s*\{\{\s*(inputs|tasks)(?:\.(\w+)|\[(["'])(.+)\3\])\s*\}\}\s*""")
"""A template that is an input, or the output of a task, and no more."""

_ENGINE_MADE = frozenset({"id", "job_id", "parent_id", "node_id"})
"""Fields that hold no text of a user's; a short secret could turn up in them by chance."""


def show_job(answer: JobAnswer) -> JobAnswer:
    """Return an answer without its secrets."""
    if not _names_a_secret(answer):
        return answer
    return _hidden(answer, _secrets_of(answer))


def show_text(answer: JobAnswer) -> Callable[[str], str]:
    """Return the function that hides a job's secrets in other text about it."""
    return _secrets_of(answer).hide


def log_values(job: JobSpec, task: TaskSpec) -> list[str]:
    """Return the secrets of a job that stand in a rendered task, wherever and under whatever name:
    the worker knows the names of the task's own variables only."""
    secrets = _own_values(job)
    if task.pre or task.post:
        secrets = [*secrets, *_named_secrets(task)]
    if not secrets:
        return []
    written = msgspec.json.encode(task)
    return [value for value in secrets if value and msgspec.json.encode(value)[1:-1] in written]


def _own_values(job: JobSpec) -> list[str]:
    """The secrets of a job as it was written. Remembered: a job of many tasks is asked for each."""
    found = _remembered.get(id(job))
    if found is not None and found[0] is job:
        return found[1]
    inputs = job.inputs or {}
    secrets = [*(job.secrets or {}).values()]
    secrets += [value for name, value in inputs.items() if is_secret_name(name)]
    secrets += [value for task in job.tasks for value in _named_secrets(task)]
    secrets += _passed_on(job.tasks, inputs=inputs)
    while len(_remembered) >= _MOST_REMEMBERED:
        del _remembered[next(iter(_remembered))]
    _remembered[id(job)] = job, secrets
    return secrets


_MOST_REMEMBERED = 64
_remembered: dict[int, tuple[JobSpec, list[str]]] = {}


def _passed_on(specs: Iterable[TaskSpec], **values: Mapping[str, str]) -> Iterator[str]:
    """The values that are secrets by the names of the variables that they are given to.

    Each would be known as one only once such a task is rendered, and to that task's log alone.
    ``values`` are those of each namespace.
    """
    for task in specs:
        for template in _named_secrets(task):
            found = _PASSED.fullmatch(template)
            if found is not None:
                value = values.get(found[1], {}).get(found[2] or found[4])
                if value is not None:
                    yield value


def _named_secrets(task: TaskSpec) -> Iterator[str]:
    for process in (task, *(task.pre or ()), *(task.post or ())):
        for name, value in (process.env or {}).items():
            if is_secret_name(name):
                yield value


def open_log(context: TaskLogContext) -> LogFilter | None:
    """Return the filter that hides a task's secrets in its log, None if it has none."""
    named = (value for name, value in context.env.items() if is_secret_name(name))
    secrets = Secrets([*named, *context.secrets])
    return SecretFilter(secrets) if secrets else None


def _names_a_secret(struct: msgspec.Struct) -> bool:
    """Whether a struct may hold something under a secret name. Writing it as JSON and looking
    at all of it takes a tenth of the time of looking at each of its fields."""
    encoded = msgspec.json.encode(struct).lower()
    return any(word in encoded for word in _WORDS)


def _secrets_of(answer: JobAnswer) -> Secrets:
    outputs = answer.context.tasks if answer.context is not None else {}
    passed = _passed_on(answer.tasks, inputs=answer.inputs or {}, tasks=outputs)
    return Secrets([*_secrets_in(answer), *passed])


def _secrets_in(value: object) -> Iterator[str]:
    """Yield the values of secrets in an answer. Templates are not values."""
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            inner: object = getattr(value, name)
            if inner is None or isinstance(inner, str | int | float):
                continue
            yield from _secrets_in(inner)
            for secret in _own_secrets(value, name, inner):
                if "{{" not in secret:
                    yield secret
        if isinstance(value, RegistrySpec) and "{{" not in value.password:
            yield value.password
    elif isinstance(value, list):
        for item in cast("list[object]", value):
            if isinstance(item, msgspec.Struct) and _names_a_secret(item):
                yield from _secrets_in(item)


def _own_secrets(struct: msgspec.Struct, field: str, value: object) -> Iterable[str]:
    """Return the values in a field of a struct that are secrets by their names."""
    if not isinstance(value, dict):
        return ()
    named = cast("Mapping[str, str]", value)
    return [text for name, text in named.items() if _is_secret(struct, field, name)]


def _is_secret(struct: msgspec.Struct, field: str, name: str) -> bool:
    if field == "secrets":
        return True
    # An output under a secret name is one as well.
    maps = field in _MAPS or (field == "tasks" and isinstance(struct, ContextAnswer))
    return maps and is_secret_name(name)


def _hidden(struct: S, secrets: Secrets) -> S:
    """Return a struct without secrets: itself, where there are none."""
    changed: dict[str, object] = {}
    for name in struct.__struct_fields__:
        value: object = getattr(struct, name)
        if value is None or name in _ENGINE_MADE:
            continue
        shown = _hidden_value(struct, name, value, secrets)
        if shown is not value:
            changed[name] = shown
    return msgspec.structs.replace(struct, **changed) if changed else struct


def _hidden_value(struct: msgspec.Struct, field: str, value: object, secrets: Secrets) -> object:
    if isinstance(value, str):
        if isinstance(struct, RegistrySpec) and field == "password":
            return REDACTED
        return value if isinstance(value, Enum) else secrets.hide(value)
    if isinstance(value, msgspec.Struct):
        return _hidden(value, secrets)
    if isinstance(value, list):
        items = cast("list[object]", value)
        shown = [_hidden_item(struct, field, item, secrets) for item in items]
        same = all(a is b for a, b in zip(items, shown, strict=True))
        return items if same else shown
    if isinstance(value, dict):
        return _hidden_map(struct, field, cast("dict[str, str]", value), secrets)
    return value


def _hidden_item(struct: msgspec.Struct, field: str, item: object, secrets: Secrets) -> object:
    # A job may have ten thousand tasks: most are seen at one look to hold nothing.
    if isinstance(item, msgspec.Struct):
        encoded = msgspec.json.encode(item)
        lower = encoded.lower()
        if not any(word in lower for word in _WORDS) and not secrets.may_be_in(encoded):
            return item
    return _hidden_value(struct, field, item, secrets)


def _hidden_map(
    struct: msgspec.Struct, field: str, texts: dict[str, str], secrets: Secrets
) -> dict[str, str]:
    shown: dict[str, str] = {}
    for name, text in texts.items():
        if _is_secret(struct, field, name):
            shown[name] = REDACTED
        elif field == "job" and name == "id":
            shown[name] = text
        else:
            shown[secrets.hide(name)] = secrets.hide(text)
    return texts if shown == texts else shown


@hookimpl
def tork_job_middleware() -> Iterable[JobMiddleware]:
    """Hide secrets in answers and events."""
    return [JobMiddleware(name="redaction", show=show_job, show_text=show_text)]


@hookimpl
def tork_log_middleware() -> Iterable[LogMiddleware]:
    """Hide secrets in the logs of tasks."""
    return [LogMiddleware(name="redaction", open=open_log, values=log_values)]
