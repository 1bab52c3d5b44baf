"""What a job must keep to beyond its shape: every reason to refuse one but its expressions.

Each rule is a generator that takes a part of the specification and the path to it, and yields
what is wrong. :func:`job_problems` is the whole; what single values must be is in
``value_rules``.
"""

from __future__ import annotations

import posixpath
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar, cast

import msgspec

from tork_core.model import value_rules as value
from tork_core.model.problems import Path, Problem, quoted
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
    RegistrySpec,
    RetrySpec,
    SidecarSpec,
    SpecStruct,
    SubjobSpec,
    TaskSpec,
    WebhookSpec,
)

Problems = Iterator[Problem]
T = TypeVar("T")

_COMPOSITE_KINDS = ("parallel", "each", "subjob")
_NOT_IN_COMPOSITE = (
    "image",
    "run",
    "cmd",
    "entrypoint",
    "env",
    "queue",
    "pre",
    "post",
    "sidecars",
    "volumes",
    "mounts",
    "networks",
    "retry",
    "limits",
    "timeout",
    "files",
    "workdir",
    "registry",
    "gpus",
)
"""What describes a process: a composite task has none. All these are written as they are called."""


_NUL = "the character U+0000 is not allowed; remove it"


def job_problems(job: JobSpec) -> Problems:
    """Yield everything that is wrong with a job; nothing where it may be accepted."""
    yield from _check(("name",), job.name, value.name)
    yield from _task_list(("tasks",), job.tasks, "a job")
    if job.defaults is not None:
        yield from _defaults(("defaults",), job.defaults)
    yield from _webhooks(("webhooks",), job.webhooks)
    for i, permission in enumerate(job.permissions or ()):
        yield from _permission(("permissions", i), permission)
    yield from _auto_delete(("autoDelete",), job.auto_delete)
    if job.wait is not None:
        yield from _check(("wait", "timeout"), job.wait.timeout, value.duration)
    if job.schedule is not None:
        yield from _check(("schedule", "cron"), job.schedule.cron, value.cron)
    yield from _nul_characters(job)


def _check(path: Path, written: T | None, rule: Callable[[T], str | None]) -> Problems:
    """Yield what a rule says of a value, if there is one and it says something."""
    message = None if written is None else rule(written)
    if message is not None:
        yield Problem(path, message)


def _check_keys(
    path: Path, written: Mapping[str, str] | None, rule: Callable[[str], str | None]
) -> Problems:
    for key in written or ():
        message = rule(key)
        if message is not None:
            yield Problem((*path, key), message, at_key=True)


# --- tasks -----------------------------------------------------------------------------------


def _task_list(path: Path, tasks: Sequence[TaskSpec], of: str) -> Problems:
    if not tasks:
        yield Problem(path, f"{of} needs at least one task")
    for i, task in enumerate(tasks):
        yield from task_problems(task, (*path, i))


def task_problems(task: TaskSpec, path: Path) -> Problems:
    """Yield everything that is wrong with a task and the tasks within it."""
    yield from _check((*path, "name"), task.name, value.name)
    yield from _check((*path, "var"), task.var, value.var)
    yield from _check((*path, "priority"), task.priority, value.priority)
    kinds = [kind for kind in _COMPOSITE_KINDS if getattr(task, kind) is not None]
    if kinds:
        yield from _composite(path, task, kinds)
    else:
        yield from _does_something(path, task)
    yield from _placement(path, task)
    yield from _environment(path, task.env, task.files)
    for part in ("pre", "post", "sidecars"):
        for i, auxiliary in enumerate(getattr(task, part) or ()):
            yield from _auxiliary(path=(*path, part, i), task=auxiliary)
    yield from _storage(path, task)


def _does_something(path: Path, task: TaskSpec | AuxiliaryTaskSpec) -> Problems:
    if not (task.run or task.cmd or task.entrypoint or task.image):
        yield Problem(path, "a task needs something to do; write run, cmd, entrypoint or image")


def _placement(path: Path, task: TaskSpec | DefaultsSpec) -> Problems:
    """Where and how often a task runs, and with how much."""
    yield from _check((*path, "queue"), task.queue, value.queue)
    yield from _check((*path, "timeout"), task.timeout, value.duration)
    yield from _retry((*path, "retry"), task.retry)
    yield from _limits((*path, "limits"), task.limits)


def _defaults(path: Path, defaults: DefaultsSpec) -> Problems:
    yield from _placement(path, defaults)
    yield from _check((*path, "priority"), defaults.priority, value.priority)


def _retry(path: Path, retry: RetrySpec | None) -> Problems:
    if retry is not None:
        yield from _check((*path, "limit"), retry.limit, value.retry_limit)
        yield from _check((*path, "initialDelay"), retry.initial_delay, value.duration)
        yield from _check((*path, "scalingFactor"), retry.scaling_factor, value.scaling_factor)


def _limits(path: Path, limits: LimitsSpec | None) -> Problems:
    if limits is not None:
        yield from _check((*path, "cpus"), limits.cpus, value.cpus)
        yield from _check((*path, "memory"), limits.memory, value.memory)


def _environment(
    path: Path, env: Mapping[str, str] | None, files: Mapping[str, str] | None
) -> Problems:
    yield from _check_keys((*path, "env"), env, value.env_name)
    yield from _check_keys((*path, "files"), files, value.file_name)


def _auxiliary(path: Path, task: AuxiliaryTaskSpec) -> Problems:
    yield from _check((*path, "name"), task.name, value.name)
    yield from _does_something(path, task)
    yield from _environment(path, task.env, task.files)
    yield from _check((*path, "timeout"), task.timeout, value.duration)
    yield from _registry((*path, "registry"), task.registry)
    if isinstance(task, SidecarSpec) and task.probe is not None:
        yield from _check((*path, "probe", "path"), task.probe.path, value.probe_path)
        yield from _check((*path, "probe", "port"), task.probe.port, value.port)
        yield from _check((*path, "probe", "timeout"), task.probe.timeout, value.duration)


def _registry(path: Path, registry: RegistrySpec | None) -> Problems:
    if registry is not None:
        yield from _check((*path, "username"), registry.username, value.not_empty)
        yield from _check((*path, "password"), registry.password, value.not_empty)


def _storage(path: Path, task: TaskSpec) -> Problems:
    """The folders, networks and registry of a task in a container."""
    yield from _volumes((*path, "volumes"), task.volumes or ())
    for i, mount in enumerate(task.mounts or ()):
        yield from _mount((*path, "mounts", i), mount)
    for i, network in enumerate(task.networks or ()):
        yield from _check((*path, "networks", i), network, value.not_empty)
    yield from _check((*path, "workdir"), task.workdir, value.workdir)
    yield from _registry((*path, "registry"), task.registry)


def _volumes(path: Path, volumes: Sequence[str]) -> Problems:
    seen: set[str] = set()
    for i, volume in enumerate(volumes):
        yield from _check((*path, i), volume, value.container_path)
        place = posixpath.normpath(volume)
        if place in seen:
            yield Problem((*path, i), f"{quoted(volume)} is there already; name each path once")
        seen.add(place)


_MOUNT_FIELDS = {"volume": (False, True), "bind": (True, True), "tmpfs": (False, True)}
"""Whether each type of mount has a source and a target."""


def _mount(path: Path, mount: MountSpec) -> Problems:
    has = _MOUNT_FIELDS.get(mount.type)
    if has is None:
        yield Problem(
            (*path, "type"),
            f"{quoted(mount.type)} is not a type of mount; write volume, bind or tmpfs",
        )
        return
    for name, text, wanted in zip(
        ("source", "target"), (mount.source, mount.target), has, strict=True
    ):
        if wanted and not text:
            yield Problem((*path, name), f"a mount of type {mount.type} needs a {name}")
        elif not wanted and text:
            yield Problem((*path, name), f"a mount of type {mount.type} has no {name}; remove it")
    yield from _check((*path, "source"), mount.source or None, value.mount_source)
    yield from _check((*path, "target"), mount.target or None, value.mount_target)


# --- composite tasks -------------------------------------------------------------------------


def _composite(path: Path, task: TaskSpec, kinds: Sequence[str]) -> Problems:
    for kind in kinds[1:]:
        yield Problem((*path, kind), f"a task with {kinds[0]} cannot have {kind} too", at_key=True)
    for name in _NOT_IN_COMPOSITE:
        if getattr(task, name):
            yield Problem(
                (*path, name),
                f"a task with {kinds[0]} cannot have {name}; write it into the tasks within",
                at_key=True,
            )
    if task.parallel is not None:
        yield from _parallel((*path, "parallel"), task.parallel)
    if task.each is not None:
        yield from _each((*path, "each"), task.each)
    if task.subjob is not None:
        yield from _subjob((*path, "subjob"), task.subjob)


def _parallel(path: Path, parallel: ParallelSpec) -> Problems:
    yield from _task_list((*path, "tasks"), parallel.tasks, "parallel")


def _each(path: Path, each: EachSpec) -> Problems:
    yield from _check((*path, "list"), each.list, value.not_empty)
    yield from _check((*path, "var"), each.var, value.var)
    yield from _check((*path, "concurrency"), each.concurrency, value.concurrency)
    yield from task_problems(each.task, (*path, "task"))


def _subjob(path: Path, subjob: SubjobSpec) -> Problems:
    yield from _check((*path, "name"), subjob.name, value.name)
    yield from _task_list((*path, "tasks"), subjob.tasks, "a subjob")
    yield from _auto_delete((*path, "autoDelete"), subjob.auto_delete)
    yield from _webhooks((*path, "webhooks"), subjob.webhooks)


# --- the job's own parts ---------------------------------------------------------------------


def _webhooks(path: Path, webhooks: Sequence[WebhookSpec] | None) -> Problems:
    for i, webhook in enumerate(webhooks or ()):
        yield from _check((*path, i, "url"), webhook.url, value.webhook_url)
        yield from _check((*path, i, "event"), webhook.event, value.webhook_event)


def _permission(path: Path, permission: PermissionSpec) -> Problems:
    if (permission.user is None) is (permission.role is None):
        yield Problem(path, "a permission names exactly one user or one role")
    yield from _check((*path, "user"), permission.user, value.not_empty)
    yield from _check((*path, "role"), permission.role, value.not_empty)


def _auto_delete(path: Path, auto_delete: AutoDeleteSpec | None) -> Problems:
    if auto_delete is not None:
        yield from _check((*path, "after"), auto_delete.after, value.duration)


def _nul_characters(spec: SpecStruct) -> Problems:
    """U+0000 anywhere: PostgreSQL cannot store it and no process can be given it."""
    if b"\\u0000" in msgspec.json.encode(spec):
        yield from _nul_within((), msgspec.to_builtins(spec))


def _nul_within(path: Path, written: object) -> Problems:
    if isinstance(written, str):
        if "\0" in written:
            yield Problem(path, _NUL)
    elif isinstance(written, list):
        for i, item in enumerate(cast("list[object]", written)):
            yield from _nul_within((*path, i), item)
    elif isinstance(written, dict):
        for key, item in cast("dict[str, object]", written).items():
            if "\0" in key:
                yield Problem((*path, key), _NUL, at_key=True)
            yield from _nul_within((*path, key), item)
