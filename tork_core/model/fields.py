"""Which fields of a job work in this version, and what each is for.

One table for all structs of ``spec``. When a feature lands, its ``_later`` becomes ``_works``
here and nothing else has to change: a submission that uses a field which does not work yet is
refused, because a time-out that is silently ignored is worse than none.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

import msgspec

from tork_core.model.problems import Path, Problem
from tork_core.model.spec import (
    AutoDeleteSpec,
    AuxiliaryTaskSpec,
    DefaultsSpec,
    EachSpec,
    JobSpec,
    LimitsSpec,
    MountSpec,
    ParallelSpec,
    PermissionSpec,
    ProbeSpec,
    RegistrySpec,
    RetrySpec,
    ScheduleSpec,
    SidecarSpec,
    SpecStruct,
    SubjobSpec,
    TaskSpec,
    WaitSpec,
    WebhookSpec,
)

NOT_YET = "this field is known but does not work yet in this version (see tork validate --fields)"


class Field(msgspec.Struct, frozen=True):
    """One field: its type in words, what it is for, and whether this version honours it."""

    type: str
    about: str
    works: bool


class FieldRow(msgspec.Struct, frozen=True):
    """One row of ``tork validate --fields``: ``part`` is what the field belongs to."""

    part: str
    name: str
    type: str
    works: bool
    about: str


def _works(type: str, about: str) -> Field:
    return Field(type, about, works=True)


def _later(type: str, about: str) -> Field:
    return Field(type, about, works=False)


_AUXILIARY = {
    "name": _works("template", "Shown in logs and errors; up to 256 characters."),
    "description": _works("text", "For people; the engine does not read it."),
    "cmd": _works("list of templates", "The command and its arguments."),
    "entrypoint": _works("list of text", "In the place of the image's entrypoint."),
    "run": _works("script", "The script to run."),
    "image": _works("template", "The container image to run in."),
    "registry": _later("registry", "Credentials to pull the image."),
    "env": _works("map of templates", "Environment variables; it sees none of its task's own."),
    "files": _later("map of text", "Files to write into the working directory, by name."),
    "timeout": _works("duration", "The longest it may run, such as 45m."),
}

FIELDS: Mapping[type[SpecStruct], Mapping[str, Field]] = {
    JobSpec: {
        "name": _works("text", "Shown in lists; up to 256 characters."),
        "description": _works("text", "For people; the engine does not read it."),
        "tags": _works("list of text", "Words to find the job by."),
        "tasks": _works("list of tasks", "What to do, one after another; at least one."),
        "inputs": _works("map of text", "Values that expressions see as inputs.NAME."),
        "secrets": _later("map of text", "Like inputs, and never shown again."),
        "output": _works("template", "Evaluated when the job completes; gives its result."),
        "defaults": _works("defaults", "What its tasks take when they do not say it themselves."),
        "webhooks": _later("list of webhooks", "URLs that are told of its changes."),
        "permissions": _later("list of permissions", "Who may see it."),
        "autoDelete": _later("autoDelete", "Delete it some time after it completed."),
        "wait": _later("wait", "Answer the submission when it has ended."),
        "schedule": _later("schedule", "Run it again and again."),
    },
    TaskSpec: {
        "name": _works("template", "Shown in lists and logs; up to 256 characters."),
        "description": _works("text", "For people; the engine does not read it."),
        "tags": _works("list of text", "Words to find the task by."),
        "image": _works("template", "The container image; the shell runtime warns and ignores it."),
        "run": _works("script", "The script to run; its first line may name an interpreter."),
        "cmd": _works(
            "list of templates", "The command and its arguments; with run, the script's arguments."
        ),
        "entrypoint": _works(
            "list of text", "The program that cmd, or the script of run, is given to."
        ),
        "env": _works("map of templates", "Environment variables."),
        "queue": _works("template", "The queue of the workers to run on; default if not set."),
        "pre": _works("list of auxiliary tasks", "Run before it, on the same worker."),
        "post": _works("list of auxiliary tasks", "Run after it completed, on the same worker."),
        "sidecars": _later("list of sidecars", "Services that run beside it."),
        "volumes": _works("list of paths", "Temporary volumes, shared with pre and post."),
        "mounts": _later("list of mounts", "Volumes, host paths or memory to mount."),
        "networks": _later("list of text", "Container networks to join."),
        "retry": _works("retry", "Try it again when it fails."),
        "limits": _works("limits", "The most CPU and memory it may use."),
        "timeout": _works(
            "duration",
            "The longest it may run with pre and post, such as 45m; no limit if not set.",
        ),
        "var": _works("template", "Expressions see its output as tasks.VAR; up to 64 characters."),
        "if": _works("template", "Skip the task when this gives false."),
        "parallel": _later("parallel", "Run tasks at once in the place of this one."),
        "each": _later("each", "Run a task for every element of a list."),
        "subjob": _later("subjob", "Run a job in the place of this task."),
        "files": _later("map of text", "Files to write into the working directory, by name."),
        "workdir": _later("path", "The working directory; up to 256 characters."),
        "registry": _later("registry", "Credentials to pull the image."),
        "gpus": _later("text", "GPUs in Docker's words: all, 2, device=…."),
        "priority": _works("whole number", "0 to 9, 0 if not set; the highest is first."),
    },
    DefaultsSpec: {
        "retry": _works("retry", "Try failed tasks again."),
        "limits": _works("limits", "The most CPU and memory each task may use."),
        "timeout": _works("duration", "The longest each task may run, such as 45m."),
        "queue": _works("template", "The queue of the workers to run on."),
        "priority": _works("whole number", "0 to 9, 0 if not set; the highest is first."),
    },
    RetrySpec: {
        "limit": _works("whole number", "How many further tries there are; 1 to 10."),
        "initialDelay": _works(
            "duration", "The wait before the first further try; none if not set."
        ),
        "scalingFactor": _works("number", "What each further wait is multiplied by; 1 if not set."),
    },
    LimitsSpec: {
        "cpus": _works("decimal", "CPUs, such as .5 or 2."),
        "memory": _works("size", "Bytes with b, k, m or g, such as 10m."),
    },
    AuxiliaryTaskSpec: _AUXILIARY,
    SidecarSpec: {
        **{name: _later(field.type, field.about) for name, field in _AUXILIARY.items()},
        "probe": _later("probe", "How to find out that it is ready."),
    },
    ProbeSpec: {
        "path": _later("text", "The path to GET; up to 256 characters."),
        "port": _later("whole number", "The port to ask; 1 to 65535."),
        "timeout": _later("duration", "The longest wait for a 2xx; 1m if not set."),
    },
    MountSpec: {
        "type": _later("text", "volume, bind or tmpfs."),
        "source": _later("path", "The path on the host, of a bind."),
        "target": _later("path", "The path in the container."),
        "opts": _later("map of text", "Options of the mount."),
    },
    RegistrySpec: {
        "username": _later("text", "The name to log in with."),
        "password": _later("text", "The password to log in with; never shown again."),
    },
    ParallelSpec: {
        "tasks": _later("list of tasks", "The tasks to run at once; at least one."),
    },
    EachSpec: {
        "list": _later("expression", "Gives the list."),
        "task": _later("task", "Run for every element."),
        "var": _later("text", "What expressions call the element; item if not set."),
        "concurrency": _later("whole number", "How many at once, 0 for all; up to 99999."),
    },
    SubjobSpec: {
        "name": _later("template", "Shown in lists; up to 256 characters."),
        "description": _later("text", "For people; the engine does not read it."),
        "tasks": _later("list of tasks", "What to do, one after another; at least one."),
        "inputs": _later("map of templates", "Values that its expressions see as inputs.NAME."),
        "secrets": _later("map of templates", "Like inputs, and never shown again."),
        "output": _later("template", "Evaluated when it completes; gives the task's result."),
        "detached": _later("true or false", "Go on without waiting for it."),
        "autoDelete": _later("autoDelete", "Delete it some time after it completed."),
        "webhooks": _later("list of webhooks", "URLs that are told of its changes."),
    },
    WebhookSpec: {
        "url": _later("template", "Where to POST to."),
        "headers": _later("map of templates", "Headers to send."),
        "event": _later("text", "job.StateChange if not set; see the reference for others."),
        "if": _later("template", "Send it only when this does not give false."),
    },
    PermissionSpec: {
        "user": _later("text", "The user who may see the job."),
        "role": _later("text", "The role whose users may see the job."),
    },
    AutoDeleteSpec: {
        "after": _later("duration", "How long after the job completed."),
    },
    WaitSpec: {
        "timeout": _later("duration", "The longest wait for the job's end."),
    },
    ScheduleSpec: {
        "cron": _later("cron", "Five fields, or a descriptor such as @hourly."),
    },
}

PARTS: Mapping[type[SpecStruct], str] = {
    JobSpec: "job",
    TaskSpec: "task",
    DefaultsSpec: "defaults",
    RetrySpec: "retry",
    LimitsSpec: "limits",
    AuxiliaryTaskSpec: "pre and post",
    SidecarSpec: "sidecars",
    ProbeSpec: "probe",
    MountSpec: "mounts",
    RegistrySpec: "registry",
    ParallelSpec: "parallel",
    EachSpec: "each",
    SubjobSpec: "subjob",
    WebhookSpec: "webhooks",
    PermissionSpec: "permissions",
    AutoDeleteSpec: "autoDelete",
    WaitSpec: "wait",
    ScheduleSpec: "schedule",
}
"""What users call each struct."""


def field_rows() -> Iterator[FieldRow]:
    """Yield every field of a job file, the job's own first."""
    for cls, part in PARTS.items():
        for name, field in FIELDS[cls].items():
            yield FieldRow(part, name, field.type, field.works, field.about)


def not_yet(spec: SpecStruct, path: Path = ()) -> Iterator[Problem]:
    """Yield a problem for every field that is set and does not work in this version."""
    table = FIELDS[type(spec)]
    for name, value in written(spec):
        here = (*path, name)
        if not table[name].works:
            yield Problem(here, NOT_YET, at_key=True)
        elif isinstance(value, SpecStruct):
            yield from not_yet(value, here)
        elif isinstance(value, list):
            for i, item in enumerate(cast("list[object]", value)):
                if isinstance(item, SpecStruct):
                    yield from not_yet(item, (*here, i))


def written(spec: SpecStruct) -> Iterator[tuple[str, object]]:
    """Yield the fields of a struct that differ from their defaults, by their names on the wire."""
    names = spec.__struct_encode_fields__
    defaults = spec.__struct_defaults__
    # msgspec lists the defaults of the last fields only, as a function's are.
    first = len(names) - len(defaults)
    for i, attribute in enumerate(spec.__struct_fields__):
        value: object = getattr(spec, attribute)
        if i < first or value != defaults[i - first]:
            yield names[i], value
