"""What follows from the end of the one process that everything ran in, told by the next one."""

from __future__ import annotations

from datetime import datetime

from tork_core.coordinator.decisions.draft import Draft
from tork_core.coordinator.decisions.ending import end_failed, new_attempt
from tork_core.coordinator.decisions.inputs import Restarted
from tork_core.coordinator.decisions.stepping import end_job, publish
from tork_core.model.job import Task
from tork_core.model.states import JobState, TaskState

REASON = "the process was restarted"


def restart(draft: Draft, item: Restarted) -> None:
    """Give a task that ran a new attempt, and one that waited for a worker a new message.

    A PENDING task waits for its time, which the datastore has kept.
    """
    task = draft.task(item.task_id)
    if task is None or draft.job.state.ended:
        return
    if task.state is TaskState.RUNNING and not _is_new(draft, task.started_at, item):
        _begin_again(draft, task)
    elif task.state is TaskState.SCHEDULED and not _is_new(draft, task.published_at, item):
        task = draft.edit_task(task)
        draft.event(task.state.value, task=task, detail=REASON)
        publish(draft, task, ask=True)


def _is_new(draft: Draft, at: datetime | None, item: Restarted) -> bool:
    """Whether something has happened since the start; not, if a clock that was set back says so."""
    return at is not None and item.since <= at <= draft.now


def _begin_again(draft: Draft, task: Task) -> None:
    """A restart is mostly not the task's fault, so many are allowed; but not without end."""
    task = draft.edit_task(task)
    task.restarts += 1
    if task.restarts < draft.rules.restart_limit:
        new_attempt(draft, task, REASON)
        return
    error = (
        f"the process was restarted {task.restarts} times while this task ran; it is not tried "
        "again: see whether the task ends the process"
    )
    end_failed(draft, task, error, None)
    end_job(draft, JobState.FAILED, error)
