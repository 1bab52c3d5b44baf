"""A job's change in the making: what was loaded, what is different by now, what has to be told."""

from __future__ import annotations

import copy
from collections.abc import Collection
from datetime import datetime
from enum import Enum

import msgspec

from tork_core.coordinator.decisions.rules import Rules
from tork_core.expressions.limits import Allowance
from tork_core.interfaces.datastore import JobChange, JobView
from tork_core.model.job import Claim, Event, Job, JobId, Task, TaskId
from tork_core.model.spec import JobSpec, TaskSpec
from tork_core.model.states import JobState, TaskState, move_job, move_task


class MissingTasks(Exception):
    """A decision needs tasks that were not loaded: load them too, and decide again."""

    def __init__(self, task_ids: Collection[TaskId]) -> None:
        self.task_ids = task_ids
        super().__init__(f"{len(task_ids)} more tasks are needed")


class Verdict(Enum):
    """What a worker is told of one of its claims."""

    GRANTED = "granted"
    STOPPED = "stopped"
    SETTLED = "settled"


class Order(msgspec.Struct, frozen=True):
    """A verdict on a claim, to be sent to its node."""

    claim: Claim
    verdict: Verdict


class Dispatch(msgspec.Struct, frozen=True):
    """A task's message is to be published to its queue; ``ask`` marks a copy sent again."""

    task: Task
    ask: bool = False


class Outcome(msgspec.Struct):
    """What follows for one job: the change to commit, if any, and what to publish after it.

    ``spec`` is the job's as it is stored, None if there is no such job.
    """

    job_id: JobId
    spec: JobSpec | None
    change: JobChange | None
    dispatches: list[Dispatch]
    orders: list[Order]


class Draft:
    """Reads come from the view, writes go to copies; the view stays as it was loaded."""

    def __init__(
        self, view: JobView, now: datetime, rules: Rules, asked: Collection[TaskId] = ()
    ) -> None:
        self.spec: JobSpec = view.spec
        self.now = now
        self.rules = rules
        self.is_new = view.job.version == 0
        self.allowance = Allowance()
        """What the templates that this decision needs may take together."""
        self.job: Job = view.job
        self._view = view
        self._asked = asked
        self._touched = self.is_new
        self._tasks: dict[TaskId, Task] = {}
        self._specs: dict[TaskId, TaskSpec] = {}
        self._end_active: TaskState | None = None
        self._events: list[Event] = []
        self._dispatches: dict[TaskId, Dispatch] = {}
        self._orders: list[Order] = []

    # -- reading

    @property
    def stands_still(self) -> bool:
        """Whether the job was loaded without an active task, and nothing has changed since."""
        return not self._touched and self._view.counts.active == 0

    def task(self, task_id: TaskId) -> Task | None:
        """A task as it stands in this draft; None if there is none of this id."""
        return self._tasks.get(task_id) or self._view.tasks.get(task_id)

    def need(self, task_ids: Collection[TaskId]) -> None:
        """Make sure that tasks were looked for when the view was loaded; else MissingTasks."""
        missing = [
            found
            for found in task_ids
            if self.task(found) is None and found not in self._asked and not self.is_new
        ]
        if missing:
            raise MissingTasks(missing)

    # -- writing

    def edit_job(self) -> Job:
        """The job, to be changed."""
        if not self._touched:
            self._touched = True
            self.job = copy.copy(self.job)
        return self.job

    def edit_task(self, task: Task) -> Task:
        """A copy of the task, to be changed, that is part of the commit."""
        edited = self._tasks.get(task.id)
        if edited is None:
            edited = self._tasks[task.id] = copy.copy(task)
        self.edit_job()
        return edited

    def add_task(self, task: Task, spec: TaskSpec) -> None:
        """Add a task (or replace a PENDING one), with the specification it will run by."""
        self._tasks[task.id] = task
        self._specs[task.id] = spec
        self.edit_job()

    def move_job(self, state: JobState, detail: str | None = None) -> Job:
        """Change the job's state, with its event."""
        job = self.edit_job()
        job.state = move_job(job.state, state)
        self.event(state.value, detail=detail)
        return job

    def move_task(
        self,
        task: Task,
        state: TaskState,
        detail: str | None = None,
        log_parts: int | None = None,
    ) -> Task:
        """Change a task's state, with its event."""
        task = self.edit_task(task)
        task.state = move_task(task.state, state)
        self.event(state.value, task=task, detail=detail, log_parts=log_parts)
        return task

    def end_active(self, state: TaskState) -> None:
        """End all of the job's active tasks, those that are not loaded too."""
        self._end_active = state
        for task in self._tasks.values():
            if not task.state.ended:
                task.state = move_task(task.state, state)
                task.cancelled_at = self.now
                task.due = None
                if task.claim is not None:
                    self.order(task.claim, Verdict.STOPPED)
        self._dispatches.clear()

    def event(
        self,
        state: str,
        *,
        task: Task | None = None,
        detail: str | None = None,
        log_parts: int | None = None,
    ) -> None:
        """Record a change of the job, or of a task."""
        job = self.edit_job()
        job.events += 1
        self._events.append(
            Event(
                job_id=job.id,
                number=job.events,
                at=self.now,
                state=state,
                task_id=task.id if task else None,
                name=task.name if task else "",
                attempt=task.attempt if task else 0,
                node=task.claim.node if task and task.claim else None,
                detail=detail,
                log_parts=log_parts,
            )
        )

    # -- telling

    def dispatch(self, task: Task, *, ask: bool = False) -> None:
        """Publish the task's message after the commit."""
        self._dispatches[task.id] = Dispatch(task, ask)

    def order(self, claim: Claim, verdict: Verdict) -> None:
        """Tell a worker of its claim after the commit."""
        self._orders.append(Order(claim, verdict))

    def outcome(self) -> Outcome:
        """Close the draft."""
        job = self.job
        change = None
        if self._touched:
            base = job.version
            job.version = base + 1
            job.due = None if job.state.ended else self._next_look(job)
            change = JobChange(
                job=job,
                base=base,
                at=self.now,
                spec=self.spec if self.is_new else None,
                tasks=self._tasks,
                specs=self._specs,
                end_active=self._end_active,
                events=self._events,
            )
        return Outcome(job.id, self.spec, change, list(self._dispatches.values()), self._orders)

    def _next_look(self, job: Job) -> datetime:
        """When the sweeper looks at a job that nothing else has touched: ever more seldom."""
        if job.state is JobState.PENDING:
            return self.now + self.rules.patience
        return self.now + max(self.rules.idle_check, self.now - (job.started_at or self.now))
