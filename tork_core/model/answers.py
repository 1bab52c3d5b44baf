"""What leaves the engine: a job as ``GET /jobs/{id}`` and ``tork exec --json`` show it.

The smaller answers of the API are in :mod:`tork_core.model.listings`.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from tork_core.model.job import Job, JobRecord, TaskRecord
from tork_core.model.spec import (
    AuxiliaryTaskSpec,
    DefaultsSpec,
    EachSpec,
    JobSpec,
    LimitsSpec,
    MountSpec,
    ParallelSpec,
    RegistrySpec,
    SidecarSpec,
    SubjobSpec,
    TaskSpec,
)
from tork_core.model.states import JobState, TaskState


class Answer(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """The common shape of answers: camelCase, absent fields left out."""


class RetryAnswer(Answer, frozen=True, kw_only=True):
    """The retry rule of a task, and how many tries have failed so far."""

    limit: int
    initial_delay: str | None = None
    scaling_factor: float | None = None
    attempts: int = 0


class TaskAnswer(Answer, frozen=True, kw_only=True):
    """One instance of a task, from SCHEDULED or SKIPPED on; a retry is an instance of its own."""

    id: str
    job_id: str
    position: int
    state: TaskState
    name: str | None = None
    description: str | None = None
    tags: list[str] | None = None
    created_at: datetime | None = None
    scheduled_at: datetime | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    failed_at: datetime | None = None
    cancelled_at: datetime | None = None
    node_id: str | None = None
    attempt: int = 0
    redelivered: int = 0
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
    retry: RetryAnswer | None = None
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
    result: str | None = None
    error: str | None = None


class ContextAnswer(Answer, frozen=True, kw_only=True):
    """What templates of the job's next step would see."""

    job: dict[str, str]
    inputs: dict[str, str] = {}
    tasks: dict[str, str] = {}


class JobAnswer(Answer, frozen=True, kw_only=True):
    """A job with its execution."""

    id: str
    state: JobState
    created_at: datetime
    name: str | None = None
    description: str | None = None
    tags: list[str] | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    failed_at: datetime | None = None
    cancelled_at: datetime | None = None
    position: int = 0
    task_count: int = 0
    inputs: dict[str, str] | None = None
    defaults: DefaultsSpec | None = None
    tasks: list[TaskSpec]
    execution: list[TaskAnswer] = []
    context: ContextAnswer | None = None
    output: str | None = None
    result: str | None = None
    error: str | None = None
    progress: float = 0.0
    unserved_queues: list[str] | None = None
    """Queues in which tasks of the job wait though no worker serves them."""


def job_answer(record: JobRecord) -> JobAnswer:
    """Put a stored job into the form that readers get. Nothing is redacted here."""
    job, spec = record.job, record.spec
    outputs = {item.task.id: item.task.output or "" for item in record.tasks}
    return JobAnswer(
        id=job.id,
        state=job.state,
        created_at=job.created_at,
        name=spec.name or "job",
        description=spec.description,
        tags=spec.tags,
        started_at=job.started_at,
        completed_at=job.completed_at,
        failed_at=job.failed_at,
        cancelled_at=job.cancelled_at,
        position=job.position,
        task_count=job.task_count,
        inputs=spec.inputs,
        defaults=spec.defaults,
        tasks=spec.tasks,
        execution=[task_answer(item) for item in record.tasks],
        context=ContextAnswer(
            job={"id": job.id, "name": spec.name or "job"},
            inputs=spec.inputs or {},
            tasks={var: outputs.get(task, "") for var, task in job.variables.items()},
        ),
        output=spec.output,
        result=job.output,
        error=job.error,
        progress=progress(job.position, job.task_count),
    )


def accepted_answer(job: Job, spec: JobSpec) -> JobAnswer:
    """Put a job into the form in which it was accepted, whatever has become of it since."""
    accepted = Job(id=job.id, created_at=job.created_at, task_count=len(spec.tasks))
    answer = job_answer(JobRecord(spec=spec, job=accepted, tasks=[]))
    return msgspec.structs.replace(answer, context=None)


def progress(position: int, task_count: int) -> float:
    """How much of a job is done, in percent with two decimals, by its current position."""
    return round(max(0, position - 1) / task_count * 100, 2) if task_count else 0.0


def task_answer(record: TaskRecord) -> TaskAnswer:
    """Put a stored task into the form that readers get. Nothing is redacted here."""
    task, spec = record.task, record.spec
    written = {name: getattr(spec, name) for name in TaskSpec.__struct_fields__}
    retry = spec.retry
    written |= {
        "name": task.name,
        "queue": task.queue or spec.queue,
        "var": task.var or spec.var,
        "priority": task.priority or None,
        "retry": retry
        and RetryAnswer(
            limit=retry.limit,
            initial_delay=retry.initial_delay,
            scaling_factor=retry.scaling_factor,
            attempts=task.retry,
        ),
    }
    return TaskAnswer(
        id=task.id,
        job_id=task.job_id,
        position=task.position,
        state=task.state,
        created_at=task.created_at,
        scheduled_at=task.scheduled_at,
        started_at=task.started_at,
        completed_at=task.completed_at,
        failed_at=task.failed_at,
        cancelled_at=task.cancelled_at,
        node_id=task.claim.node if task.claim else None,
        attempt=task.attempt,
        redelivered=task.lost + task.restarts,
        result=task.output,
        error=task.error,
        **written,
    )
