"""Claims: who may start an attempt. The first claim that is recorded wins."""

from __future__ import annotations

from tork_core.coordinator.decisions.draft import Draft, Verdict
from tork_core.coordinator.decisions.inputs import Claimed
from tork_core.model.job import Claim, Task
from tork_core.model.states import JobState, TaskState


def claim(draft: Draft, item: Claimed) -> None:
    """Grant the claim if it is the first of its attempt, or the recorded one repeated."""
    task = draft.task(item.task_id)
    if task is None or not is_open(draft, task) or task.attempt != item.attempt:
        draft.order(item.claim, Verdict.STOPPED)
    elif task.claim is None:
        record(draft, task, item.claim)
        draft.order(item.claim, Verdict.GRANTED)
    else:
        same = task.claim.key == item.claim.key
        draft.order(item.claim, Verdict.GRANTED if same else Verdict.STOPPED)


def is_open(draft: Draft, task: Task) -> bool:
    """Whether a worker has a say in a task: not before it was sent out, and not after its end."""
    waits_or_runs = task.state in (TaskState.SCHEDULED, TaskState.RUNNING)
    return waits_or_runs and not draft.job.state.ended


def record(draft: Draft, task: Task, found: Claim) -> Task:
    """Write a claim down: task and job are RUNNING from here on."""
    task = draft.edit_task(task)
    task.claim = found
    task.started_at = draft.now
    task.due = None
    draft.move_task(task, TaskState.RUNNING)
    if draft.job.state is JobState.SCHEDULED:
        draft.move_job(JobState.RUNNING)
    return task
