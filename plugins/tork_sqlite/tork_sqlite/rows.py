"""From structs to the values of columns, and back."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import TypeVar

import msgspec

from tork_core.interfaces.changes import check_change, published_at
from tork_core.interfaces.datastore import JobChange
from tork_core.model.job import Job, Task
from tork_core.model.states import TaskState
from tork_sqlite.schema import ACTIVE, ENDED, FAILED

T = TypeVar("T")
Value = str | int | bytes | None
Values = tuple[Value, ...]

encode = msgspec.json.Encoder().encode

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def micros(moment: datetime) -> int:
    """A time as it is stored."""
    span = moment - _EPOCH
    return (span.days * 86_400 + span.seconds) * 1_000_000 + span.microseconds


def moment(stored: int) -> datetime:
    """A stored time."""
    return _EPOCH + timedelta(microseconds=stored)


class EncodedChange:
    """A change whose rows are encoded, before anything of its batch is written."""

    __slots__ = ("change", "events", "job", "spec", "specs", "tasks")

    def __init__(self, change: JobChange) -> None:
        job = change.job
        check_change(change)
        self.change = change
        self.job = job_values(job, change.at)
        self.spec = encode(change.spec) if change.base == 0 else b""
        self.tasks = [task_values(task) for task in change.tasks.values()]
        self.specs: list[Values] = [
            (task_id, job.id, encode(spec)) for task_id, spec in change.specs.items()
        ]
        self.events = encode(change.events) if change.events else b""


def job_values(job: Job, at: datetime) -> Values:
    """The values of a job's row."""
    ended = job.completed_at or job.failed_at or job.cancelled_at or at
    return (
        job.id,
        micros(job.created_at),
        job.version,
        micros(job.due) if job.due is not None and not job.state.ended else None,
        micros(ended) if job.state.ended else None,
        encode(job),
    )


def task_values(task: Task) -> Values:
    """The values of a task's row."""
    state = task.state
    published = micros(published_at(task))
    waits = state is TaskState.SCHEDULED and task.due is not None
    pending = state is TaskState.PENDING and task.due is not None
    runs = state is TaskState.RUNNING and task.claim is not None
    return (
        task.id,
        task.job_id,
        task.path,
        (FAILED if state is TaskState.FAILED else ENDED) if state.ended else ACTIVE,
        task.queue,
        task.priority,
        published if waits else None,
        micros(task.due) - published if waits and task.due else None,
        micros(task.due) if pending and task.due else None,
        task.claim.node if runs and task.claim else None,
        encode(task),
    )


class LoadedJob(msgspec.Struct):
    """A job's row, with the number of its active tasks."""

    job: Job
    active: int


decode_tasks = msgspec.json.Decoder(list[Task]).decode
decode_jobs = msgspec.json.Decoder(list[LoadedJob]).decode
