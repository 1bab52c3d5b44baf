"""The states of jobs and tasks, and the one table of allowed transitions.

Every change of a state in the engine goes through :func:`move`, which consults the table.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from tork_core.errors import Conflict


class JobState(StrEnum):
    """The states of a job."""

    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to a job in this state."""
        return self in ENDED_JOB


class TaskState(StrEnum):
    """The states of a task."""

    CREATED = "CREATED"
    PENDING = "PENDING"
    SCHEDULED = "SCHEDULED"
    RUNNING = "RUNNING"
    COMPLETED = "COMPLETED"
    FAILED = "FAILED"
    CANCELLED = "CANCELLED"
    SKIPPED = "SKIPPED"

    @property
    def ended(self) -> bool:
        """Whether nothing more happens to a task in this state."""
        return self in ENDED_TASK


ENDED_JOB = frozenset({JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED})
ENDED_TASK = frozenset(
    {TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED, TaskState.SKIPPED}
)

JOB_TRANSITIONS: Mapping[JobState, frozenset[JobState]] = {
    JobState.PENDING: frozenset({JobState.SCHEDULED, JobState.FAILED, JobState.CANCELLED})
    | {JobState.COMPLETED},
    JobState.SCHEDULED: frozenset({JobState.RUNNING}) | ENDED_JOB,
    JobState.RUNNING: ENDED_JOB,
    JobState.COMPLETED: frozenset(),
    JobState.FAILED: frozenset(),
    JobState.CANCELLED: frozenset(),
}
"""A job whose tasks are all skipped goes from PENDING to COMPLETED in one commit."""

TASK_TRANSITIONS: Mapping[TaskState, frozenset[TaskState]] = {
    TaskState.CREATED: frozenset({TaskState.PENDING, TaskState.CANCELLED}),
    TaskState.PENDING: frozenset(
        {TaskState.SCHEDULED, TaskState.SKIPPED, TaskState.FAILED, TaskState.CANCELLED}
    ),
    TaskState.SCHEDULED: frozenset(
        {TaskState.RUNNING, TaskState.SCHEDULED, TaskState.FAILED, TaskState.CANCELLED}
    ),
    TaskState.RUNNING: frozenset(
        {TaskState.SCHEDULED, TaskState.COMPLETED, TaskState.FAILED, TaskState.CANCELLED}
    ),
    TaskState.COMPLETED: frozenset(),
    TaskState.FAILED: frozenset(),
    TaskState.CANCELLED: frozenset(),
    TaskState.SKIPPED: frozenset(),
}
"""RUNNING or SCHEDULED to SCHEDULED is a new attempt: a lost worker, or a task handed back."""


def move_job(current: JobState, target: JobState) -> JobState:
    """Return ``target`` if a job may go there from ``current``; raise Conflict if it may not."""
    if target not in JOB_TRANSITIONS[current]:
        raise Conflict(f"a job cannot go from {current.value} to {target.value}")
    return target


def move_task(current: TaskState, target: TaskState) -> TaskState:
    """Return ``target`` if a task may go there from ``current``; raise Conflict if it may not."""
    if target not in TASK_TRANSITIONS[current]:
        raise Conflict(f"a task cannot go from {current.value} to {target.value}")
    return target
