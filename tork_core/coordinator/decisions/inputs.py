"""What can happen to a job, as the decisions take it."""

from __future__ import annotations

from datetime import datetime

import msgspec

from tork_core.model.job import Claim, JobId, TaskId
from tork_core.model.messages import ReportItem
from tork_core.model.spec import JobSpec


class Submitted(msgspec.Struct, frozen=True):
    """Somebody hands in a new job under an id that was made for it."""

    job_id: JobId
    spec: JobSpec


class Nudged(msgspec.Struct, frozen=True):
    """Somebody believes that a job does not move: a message on ``jobs``, or the sweeper."""

    job_id: JobId


class Ripened(msgspec.Struct, frozen=True):
    """The time of a PENDING task may have come: a message on ``pending``, or the sweeper."""

    job_id: JobId
    task_id: TaskId


class Claimed(msgspec.Struct, frozen=True):
    """A worker asks to be allowed to start an attempt."""

    job_id: JobId
    task_id: TaskId
    attempt: int
    claim: Claim


class Reported(msgspec.Struct, frozen=True):
    """A worker reports the end of an attempt, or hands it back."""

    job_id: JobId
    task_id: TaskId
    claim: Claim
    report: ReportItem


class Lost(msgspec.Struct, frozen=True):
    """An attempt is lost with its worker, or its worker no longer knows of it."""

    job_id: JobId
    task_id: TaskId
    attempt: int
    claim: Claim
    reason: str


class Restarted(msgspec.Struct, frozen=True):
    """The one process that everything ran in has ended, and this is the next one: what was active
    before its start, at ``since``, has neither a worker nor a message now."""

    job_id: JobId
    task_id: TaskId
    since: datetime


class Unclaimed(msgspec.Struct, frozen=True):
    """The message of a SCHEDULED task, last published by that time, is presumed lost."""

    job_id: JobId
    task_id: TaskId
    published_before: datetime


class Cancelled(msgspec.Struct, frozen=True):
    """A user cancels the job."""

    job_id: JobId


Input = Submitted | Nudged | Ripened | Claimed | Reported | Lost | Restarted | Unclaimed | Cancelled


def tasks_of(item: Input) -> tuple[TaskId, ...]:
    """The tasks that an input names, which have to be loaded for it."""
    found = getattr(item, "task_id", None)
    return () if found is None else (found,)
