"""Steps: which task comes next, and what becomes of the job when none does."""

from __future__ import annotations

import msgspec

from tork_core.coordinator.decisions.draft import Draft
from tork_core.coordinator.decisions.inputs import Ripened
from tork_core.coordinator.decisions.templates import TaskTemplates, render_output
from tork_core.errors import ExpressionError, InvalidJob
from tork_core.model.ids import task_id
from tork_core.model.job import Task, TaskId
from tork_core.model.messages import DEFAULT_QUEUE
from tork_core.model.spec import DefaultsSpec, LimitsSpec, RetrySpec, TaskSpec
from tork_core.model.states import JobState, TaskState


def step(draft: Draft) -> None:
    """Go on after the current position: schedule the next task that is to run, or end the job."""
    job = draft.edit_job()
    while job.position < job.task_count:
        job.position += 1
        if schedule(draft, job.position) or job.state.ended:
            return
    job.position = job.task_count + 1
    _complete(draft)


def schedule(draft: Draft, position: int, retry: int = 0) -> bool:
    """Schedule the task at a position; False if it was skipped, or failed and ended the job."""
    written = draft.spec.tasks[position - 1]
    task = _new_task(draft, position, retry)
    templates = TaskTemplates(draft, task, written)
    try:
        if retry == 0 and not templates.wanted():
            _skip(draft, task, written)
            return False
        spec = draft.rules.admit_task(templates.render())
    except (ExpressionError, InvalidJob) as error:
        _refuse(draft, task, written, str(error))
        return False
    defaults = draft.spec.defaults
    if defaults is not None:
        spec = _with_defaults(spec, defaults)
    task.name = spec.name or task.name
    task.var = spec.var or ""
    task.queue = spec.queue or (defaults and defaults.queue) or DEFAULT_QUEUE
    task.priority = _first(spec.priority, defaults and defaults.priority, 0)
    send(draft, task, spec)
    return True


def send(draft: Draft, task: Task, spec: TaskSpec) -> None:
    """Make a task SCHEDULED, and its job with the first of them; its message goes out."""
    draft.add_task(task, spec)
    if draft.job.state is JobState.PENDING:
        job = draft.move_job(JobState.SCHEDULED)
        job.started_at = draft.now
    draft.move_task(task, TaskState.SCHEDULED, f"queue {task.queue}")
    task.scheduled_at = draft.now
    publish(draft, task)


def publish(draft: Draft, task: Task, *, ask: bool = False) -> None:
    """Have the message of a SCHEDULED task sent, and the sweeper look for its claim."""
    rules = draft.rules
    task.published_at = draft.now
    wait = rules.patience
    if task.sent:
        wait = min(rules.resend_delay * 2 ** min(task.sent - 1, 16), rules.resend_limit)
    task.due = draft.now + wait
    draft.dispatch(task, ask=ask)


def retry_spec(draft: Draft, position: int) -> RetrySpec | None:
    """The retry rule of the task at a position: its own, or the job's default."""
    defaults = draft.spec.defaults
    return draft.spec.tasks[position - 1].retry or (defaults.retry if defaults else None)


def ripen(draft: Draft, item: Ripened) -> None:
    """Schedule a PENDING task whose time has come."""
    task = draft.task(item.task_id)
    if task is None or task.state is not TaskState.PENDING or draft.job.state.ended:
        return
    if task.due is None or task.due <= draft.now:
        schedule(draft, task.position, task.retry)


def end_job(draft: Draft, state: JobState, error: str | None = None) -> None:
    """End the job, and with it whatever is still active of it."""
    job = draft.move_job(state, error)
    job.error = error
    if state is JobState.COMPLETED:
        job.completed_at = draft.now
    elif state is JobState.FAILED:
        job.failed_at = draft.now
    else:
        job.cancelled_at = draft.now
    if state is not JobState.COMPLETED:
        draft.end_active(TaskState.CANCELLED)


def _complete(draft: Draft) -> None:
    """The last task is done: the job's output becomes its result."""
    job = draft.edit_job()
    job.started_at = job.started_at or draft.now
    try:
        job.output = render_output(draft)
    except ExpressionError as error:
        end_job(draft, JobState.FAILED, str(error))
        return
    end_job(draft, JobState.COMPLETED)


def _new_task(draft: Draft, position: int, retry: int) -> Task:
    """The instance of a task that is to be scheduled: new, or PENDING until now."""
    job = draft.job
    path = str(position)
    found = _identify(draft, path, retry)
    waiting = draft.task(found)
    return Task(
        id=found,
        job_id=job.id,
        path=path,
        position=position,
        name=f"task {position}",
        state=TaskState.PENDING,
        retry=retry,
        created_at=waiting.created_at if waiting else draft.now,
    )


def _identify(draft: Draft, path: str, retry: int) -> TaskId:
    job = draft.job
    return task_id(job.id, job.created_at, job.run, path, retry)


def _with_defaults(spec: TaskSpec, defaults: DefaultsSpec) -> TaskSpec:
    """A task with what it does not say itself, as far as the worker has to know it."""
    if defaults.limits is not None:
        limits = (spec.limits or LimitsSpec()).over(defaults.limits)
        spec = msgspec.structs.replace(spec, limits=limits)
    if spec.timeout is None and defaults.timeout is not None:
        spec = msgspec.structs.replace(spec, timeout=defaults.timeout)
    return spec


def _skip(draft: Draft, task: Task, written: TaskSpec) -> None:
    task.name = written.name or task.name
    draft.add_task(task, written)
    draft.move_task(task, TaskState.SKIPPED, f"if: {written.condition} is false")
    task.completed_at = draft.now


def _refuse(draft: Draft, task: Task, written: TaskSpec, error: str) -> None:
    """A task whose templates fail is failed before it runs; trying again would not help."""
    task.name = written.name or task.name
    draft.add_task(task, written)
    draft.move_task(task, TaskState.FAILED, error)
    task.failed_at = draft.now
    task.error = error
    end_job(draft, JobState.FAILED, error)


def _first(*values: int | None) -> int:
    return next((value for value in values if value is not None), 0)
