"""What a change means wherever it is kept: for datastores, so that all of them agree."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

from tork_core.interfaces.datastore import JobChange
from tork_core.model.job import Task
from tork_core.model.states import TaskState

_ENDED_AT: Mapping[TaskState, str] = {
    TaskState.COMPLETED: "completed_at",
    TaskState.FAILED: "failed_at",
    TaskState.CANCELLED: "cancelled_at",
}
"""The states that a set-wise end may give, and the time it sets."""


def check_change(change: JobChange) -> None:
    """Raise ValueError for a change that no datastore can keep."""
    job = change.job
    if change.base == 0 and change.spec is None:
        raise ValueError(f"job {job.id} is new and has no specification")
    if job.version <= change.base:
        raise ValueError(f"job {job.id} does not move its version {change.base}")
    if change.end_active is not None and change.end_active not in _ENDED_AT:
        raise ValueError(f"tasks cannot be ended as {change.end_active.value}")


def end_task(task: Task, state: TaskState, at: datetime) -> None:
    """End an active task as ``JobChange.end_active`` says."""
    task.state = state
    task.due = None
    setattr(task, _ENDED_AT[state], at)


def published_at(task: Task) -> datetime:
    """When a task was last sent to its queue, as far as its row tells."""
    return task.published_at or task.scheduled_at or task.created_at
