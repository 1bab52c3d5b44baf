"""A job as its author writes it: the specification, which never changes after submission.

All names are camelCase on the wire. Every struct is frozen, unknown fields are refused, and what
was not written is left out when the specification is shown again.
"""

from __future__ import annotations

import msgspec


class SpecStruct(
    msgspec.Struct,
    frozen=True,
    omit_defaults=True,
    rename="camel",
    forbid_unknown_fields=True,
    kw_only=True,
):
    """The common shape of every part of a specification."""


class RetrySpec(SpecStruct, frozen=True, kw_only=True):
    """How often a failed task is tried again (``limit``: 1 to 10 further tries)."""

    limit: int
    initial_delay: str | None = None
    scaling_factor: float | None = None


class LimitsSpec(SpecStruct, frozen=True, kw_only=True):
    """Resource limits: ``cpus`` as a decimal (``.5``), ``memory`` as a size (``10m``)."""

    cpus: str | None = None
    memory: str | None = None

    def over(self, other: LimitsSpec | None) -> LimitsSpec:
        """These limits, with the other's where there is none."""
        if other is None:
            return self
        return LimitsSpec(cpus=self.cpus or other.cpus, memory=self.memory or other.memory)


class RegistrySpec(SpecStruct, frozen=True, kw_only=True):
    """Credentials of the registry that an image is pulled from."""

    username: str
    password: str


class MountSpec(SpecStruct, frozen=True, kw_only=True):
    """A mount of a container: ``volume`` (target only), ``bind`` (both) or ``tmpfs``."""

    type: str
    source: str | None = None
    target: str | None = None
    opts: dict[str, str] | None = None


class ProbeSpec(SpecStruct, frozen=True, kw_only=True):
    """How to find out that a sidecar is ready: GET ``path`` on ``port`` until it answers 2xx."""

    path: str
    port: int
    timeout: str | None = None


class AuxiliaryTaskSpec(SpecStruct, frozen=True, kw_only=True):
    """A pre or post task: runs on the worker of its task and shares its volumes."""

    name: str | None = None
    description: str | None = None
    cmd: list[str] | None = None
    entrypoint: list[str] | None = None
    run: str | None = None
    image: str | None = None
    registry: RegistrySpec | None = None
    env: dict[str, str] | None = None
    files: dict[str, str] | None = None
    timeout: str | None = None


class SidecarSpec(AuxiliaryTaskSpec, frozen=True, kw_only=True):
    """A service that runs beside its task."""

    probe: ProbeSpec | None = None


class ParallelSpec(SpecStruct, frozen=True, kw_only=True):
    """Tasks that all run at once."""

    tasks: list[TaskSpec]


class EachSpec(SpecStruct, frozen=True, kw_only=True):
    """One task for every element of ``list``; ``concurrency`` of them at once, 0 for all."""

    list: str
    task: TaskSpec
    var: str | None = None
    concurrency: int = 0


class WebhookSpec(SpecStruct, frozen=True, kw_only=True):
    """A URL that is told of the job's or its tasks' changes."""

    url: str
    headers: dict[str, str] | None = None
    event: str | None = None
    condition: str | None = msgspec.field(default=None, name="if")


class AutoDeleteSpec(SpecStruct, frozen=True, kw_only=True):
    """Delete the job this long after it completed."""

    after: str


class SubjobSpec(SpecStruct, frozen=True, kw_only=True):
    """A job of its own in the place of a task."""

    name: str | None = None
    description: str | None = None
    tasks: list[TaskSpec]
    inputs: dict[str, str] | None = None
    secrets: dict[str, str] | None = None
    output: str | None = None
    detached: bool = False
    auto_delete: AutoDeleteSpec | None = None
    webhooks: list[WebhookSpec] | None = None


class TaskSpec(SpecStruct, frozen=True, kw_only=True):
    """One task as written."""

    name: str | None = None
    description: str | None = None
    tags: list[str] | None = None
    image: str | None = None
    run: str | None = None
    cmd: list[str] | None = None
    entrypoint: list[str] | None = None
    env: dict[str, str] | None = None
    queue: str | None = None
    pre: list[AuxiliaryTaskSpec] | None = None
    post: list[AuxiliaryTaskSpec] | None = None
    sidecars: list[SidecarSpec] | None = None
    volumes: list[str] | None = None
    mounts: list[MountSpec] | None = None
    networks: list[str] | None = None
    retry: RetrySpec | None = None
    limits: LimitsSpec | None = None
    timeout: str | None = None
    var: str | None = None
    condition: str | None = msgspec.field(default=None, name="if")
    parallel: ParallelSpec | None = None
    each: EachSpec | None = None
    subjob: SubjobSpec | None = None
    files: dict[str, str] | None = None
    workdir: str | None = None
    registry: RegistrySpec | None = None
    gpus: str | None = None
    priority: int | None = None


class DefaultsSpec(SpecStruct, frozen=True, kw_only=True):
    """What all tasks of a job take when they do not say it themselves."""

    retry: RetrySpec | None = None
    limits: LimitsSpec | None = None
    timeout: str | None = None
    queue: str | None = None
    priority: int | None = None


class PermissionSpec(SpecStruct, frozen=True, kw_only=True):
    """Who may see the job: a ``user`` or a ``role``."""

    user: str | None = None
    role: str | None = None


class WaitSpec(SpecStruct, frozen=True, kw_only=True):
    """Answer the submission only when the job has ended, or after ``timeout``."""

    timeout: str


class ScheduleSpec(SpecStruct, frozen=True, kw_only=True):
    """When to run a scheduled job (five cron fields, or a descriptor such as ``@hourly``)."""

    cron: str


class JobSpec(SpecStruct, frozen=True, kw_only=True):
    """One job as written."""

    name: str | None = None
    description: str | None = None
    tags: list[str] | None = None
    tasks: list[TaskSpec]
    inputs: dict[str, str] | None = None
    secrets: dict[str, str] | None = None
    output: str | None = None
    defaults: DefaultsSpec | None = None
    webhooks: list[WebhookSpec] | None = None
    permissions: list[PermissionSpec] | None = None
    auto_delete: AutoDeleteSpec | None = None
    wait: WaitSpec | None = None
    schedule: ScheduleSpec | None = None
