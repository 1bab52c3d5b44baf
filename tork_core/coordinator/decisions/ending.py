"""The ends of attempts: completed, failed, handed back, lost."""

from __future__ import annotations

from datetime import timedelta

from tork_core.coordinator.decisions.claiming import is_open, record
from tork_core.coordinator.decisions.draft import Draft, Verdict
from tork_core.coordinator.decisions.inputs import Lost, Reported
from tork_core.coordinator.decisions.stepping import (
    end_job,
    publish,
    retry_spec,
    schedule,
    step,
)
from tork_core.model.ids import task_id
from tork_core.model.job import Claim, Task
from tork_core.model.messages import ReportItem
from tork_core.model.spec import RetrySpec
from tork_core.model.states import JobState, TaskState
from tork_core.model.units import parse_duration

LONGEST_RETRY_DELAY = 24 * 3600.0
"""Seconds; a scaling factor makes the wait for the next try no longer than a day."""


def report(draft: Draft, item: Reported) -> None:
    """Take the end of an attempt, if it is the claim's to report. The worker may forget it."""
    task = draft.task(item.task_id)
    draft.order(item.claim, Verdict.SETTLED)
    if task is None or not is_open(draft, task) or task.attempt != item.report.attempt:
        return
    if item.report.handed_back:
        _hand_back(draft, task, item.claim, item.report)
        return
    if task.claim is None:
        # A worker with `--claim doubtful` may be done before it has asked.
        task = record(draft, task, item.claim)
    if task.claim is None or task.claim.key != item.claim.key:
        return
    if item.report.error is None:
        _complete(draft, task, item.report)
    else:
        _fail(draft, task, item.report.error, item.report.log_parts)


def lose(draft: Draft, item: Lost) -> None:
    """Begin a new attempt of a task whose worker is gone or has forgotten it."""
    task = draft.task(item.task_id)
    if task is None or not is_open(draft, task) or task.attempt != item.attempt:
        return
    if task.claim is None or task.claim.key != item.claim.key:
        return
    task = draft.edit_task(task)
    task.lost += 1
    if task.lost >= draft.rules.lost_limit:
        error = (
            f"the worker that ran this task was lost {task.lost} times, the last time because "
            f"{item.reason}; it is not tried again: see whether the task ends its worker"
        )
        end_failed(draft, task, error, None)
        end_job(draft, JobState.FAILED, error)
        return
    new_attempt(draft, task, item.reason)


def _hand_back(draft: Draft, task: Task, claim: Claim, item: ReportItem) -> None:
    """A worker gives an attempt back. If its claim was never recorded it may be on its way yet:
    the new attempt makes sure that it is refused when it comes."""
    if task.claim is None or task.claim.key == claim.key:
        new_attempt(draft, task, item.error or "handed back by its worker")


def new_attempt(draft: Draft, task: Task, reason: str) -> None:
    """Send a task to its queue once more, for another worker, and say why."""
    task = draft.edit_task(task)
    task.attempt += 1
    task.claim = None
    task.sent = 0
    task.log_parts = None
    draft.move_task(task, TaskState.SCHEDULED, reason)
    publish(draft, task)


def _complete(draft: Draft, task: Task, item: ReportItem) -> None:
    task = draft.move_task(task, TaskState.COMPLETED, log_parts=item.log_parts)
    task.completed_at = draft.now
    task.output = item.output or None
    task.log_parts = item.log_parts
    if task.var and task.output:
        job = draft.edit_job()
        job.variables = {**job.variables, task.var: task.id}
    step(draft)


def _fail(draft: Draft, task: Task, error: str, log_parts: int | None) -> None:
    """Fail this instance; another follows it up to the user's limit of retries."""
    task = end_failed(draft, task, error, log_parts)
    rule = retry_spec(draft, task.position)
    if rule is None or task.retry >= rule.limit:
        end_job(draft, JobState.FAILED, error)
        return
    delay = _retry_delay(rule, task.retry)
    if delay:
        _wait(draft, task, delay)
    else:
        schedule(draft, task.position, task.retry + 1)


def end_failed(draft: Draft, task: Task, error: str, log_parts: int | None) -> Task:
    """End this instance of a task as FAILED; what becomes of its job is the caller's."""
    task = draft.move_task(task, TaskState.FAILED, error, log_parts)
    task.log_parts = log_parts
    task.failed_at = draft.now
    task.error = error
    task.due = None
    return task


def _retry_delay(rule: RetrySpec, failed_before: int) -> timedelta:
    if rule.initial_delay is None:
        return timedelta()
    seconds = parse_duration(rule.initial_delay)
    for _ in range(failed_before):
        seconds = min(seconds * (rule.scaling_factor or 1.0), LONGEST_RETRY_DELAY)
    return timedelta(seconds=min(seconds, LONGEST_RETRY_DELAY))


def _wait(draft: Draft, failed: Task, delay: timedelta) -> None:
    """Put the next instance down as PENDING; the sweeper schedules it when its time has come."""
    job = draft.job
    retry = failed.retry + 1
    task = Task(
        id=task_id(job.id, job.created_at, job.run, failed.path, retry),
        job_id=job.id,
        path=failed.path,
        position=failed.position,
        name=failed.name,
        state=TaskState.PENDING,
        retry=retry,
        created_at=draft.now,
        due=draft.now + delay,
    )
    draft.add_task(task, draft.spec.tasks[failed.position - 1])
    draft.event(TaskState.PENDING.value, task=task, detail=f"next try in {delay}")
