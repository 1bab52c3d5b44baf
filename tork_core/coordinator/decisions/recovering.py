"""What the sweeper's findings lead to: messages sent again, jobs set going again."""

from __future__ import annotations

from tork_core.coordinator.decisions.draft import Draft
from tork_core.coordinator.decisions.inputs import Unclaimed
from tork_core.coordinator.decisions.stepping import end_job, publish, retry_spec, schedule, step
from tork_core.model.ids import task_id
from tork_core.model.job import Task
from tork_core.model.states import JobState, TaskState


def resend(draft: Draft, item: Unclaimed) -> None:
    """Send a task's message once more, unless somebody else has, or a claim has come."""
    task = draft.task(item.task_id)
    if task is None or draft.job.state.ended or task.state is not TaskState.SCHEDULED:
        return
    if task.published_at is None or task.published_at > item.published_before:
        return
    if task.due is None or task.due > draft.now:
        return
    task = draft.edit_task(task)
    task.sent += 1
    draft.event(task.state.value, task=task, detail="its message was lost; sent again")
    publish(draft, task, ask=True)


def nudge(draft: Draft) -> None:
    """See whether the job can go on, by what is stored of it."""
    job = draft.job
    if job.state.ended:
        return
    if job.position == 0:
        step(draft)
    elif draft.stands_still:
        _resume(draft)
    else:
        draft.edit_job()  # the sweeper's next look moves on


def _resume(draft: Draft) -> None:
    """An active job without an active task: go on from the newest instance at its position."""
    last = _newest_instance(draft)
    job = draft.job
    if last is None:
        if not schedule(draft, job.position) and not draft.job.state.ended:
            step(draft)
    elif last.state in (TaskState.COMPLETED, TaskState.SKIPPED):
        step(draft)
    else:
        end_job(draft, JobState.FAILED, last.error or f"{last.name} is {last.state.value}")


def _newest_instance(draft: Draft) -> Task | None:
    job = draft.job
    rule = retry_spec(draft, job.position)
    tries = range((rule.limit if rule else 0) + 1)
    ids = [task_id(job.id, job.created_at, job.run, str(job.position), n) for n in tries]
    draft.need(ids)
    found = [task for task in map(draft.task, ids) if task is not None]
    return found[-1] if found else None
