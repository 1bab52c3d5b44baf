"""Jobs and tasks as they are stored: the rows that change, beside the specification that does not.

Times are aware datetimes in UTC, always the datastore's. Rows are mutable structs; whoever loads
one owns a copy.
"""

from __future__ import annotations

from datetime import datetime

import msgspec

from tork_core.model.spec import JobSpec, TaskSpec
from tork_core.model.states import JobState, TaskState

JobId = str
TaskId = str


class Claim(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel"):
    """One delivery of an attempt, named by the worker that holds it.

    ``node`` is the worker's incarnation, ``number`` its own counter, ``beat`` the number of the
    last heartbeat that it had sent before it asked.
    """

    node: str
    number: int
    beat: int = 0

    @property
    def key(self) -> tuple[str, int]:
        """What makes two claims the same one, whatever heartbeat they carry."""
        return self.node, self.number


class Row(msgspec.Struct, omit_defaults=True, rename="camel", kw_only=True):
    """The common shape of stored rows."""


class Job(Row, kw_only=True):
    """The part of a job that changes; small, and written with every commit."""

    id: JobId
    created_at: datetime
    version: int = 0
    """Counts the commits of the job; 0 before the first."""
    state: JobState = JobState.PENDING
    position: int = 0
    """1-based index of the current top-level task; one more than there are after the last."""
    task_count: int = 0
    run: int = 1
    """1 for the first run, counted up by a restart."""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    failed_at: datetime | None = None
    cancelled_at: datetime | None = None
    due: datetime | None = None
    """When the sweeper looks at the job; None for an ended one."""
    events: int = 0
    """The number of the job's newest event."""
    variables: dict[str, TaskId] = {}
    """Which task's output each ``var`` holds."""
    output: str | None = None
    """What the job's output template gave; shown as ``result``."""
    error: str | None = None


class Task(Row, kw_only=True):
    """The part of a task that changes."""

    id: TaskId
    job_id: JobId
    path: str
    """Where it stands in the task tree: ``2`` is the second top-level task."""
    position: int
    created_at: datetime
    state: TaskState = TaskState.CREATED
    name: str = ""
    queue: str = ""
    priority: int = 0
    var: str = ""
    retry: int = 0
    """How many failed instances of the same task came before this one."""
    attempt: int = 1
    """The epoch: counted up when a worker is lost or hands the task back."""
    lost: int = 0
    """How many attempts ended with their worker, which the task may be to blame for."""
    restarts: int = 0
    """How many attempts ended with the whole process, which somebody may have restarted."""
    claim: Claim | None = None
    scheduled_at: datetime | None = None
    published_at: datetime | None = None
    """When its message was last sent to its queue."""
    sent: int = 0
    """How often the sweeper has sent the message of this attempt again."""
    started_at: datetime | None = None
    completed_at: datetime | None = None
    failed_at: datetime | None = None
    cancelled_at: datetime | None = None
    due: datetime | None = None
    """When the sweeper looks at the task; None while nothing but a report is awaited."""
    output: str | None = None
    error: str | None = None
    log_parts: int | None = None
    """How many parts the log of the last attempt has; None until the attempt has ended."""


class Counts(msgspec.Struct, frozen=True):
    """How many tasks of a job are active (not ended)."""

    active: int = 0


class Event(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """One change of a job or one of its tasks, committed with the change itself.

    Events of a job are numbered from 1 without gaps. ``task_id`` is None where the job itself
    changed; ``detail`` says in words why, where the state alone does not.
    """

    job_id: JobId
    number: int
    at: datetime
    state: str
    task_id: TaskId | None = None
    name: str = ""
    attempt: int = 0
    node: str | None = None
    detail: str | None = None
    log_parts: int | None = None
    """With the end of an attempt: how many parts its log has. They may come later than this."""


class LogPart(msgspec.Struct, frozen=True, omit_defaults=True, rename="camel", kw_only=True):
    """A piece of a task's log. Parts of one attempt are numbered from 1 without gaps."""

    job_id: JobId
    task_id: TaskId
    attempt: int
    number: int
    contents: str
    created_at: datetime | None = None
    """When it was stored, by the datastore's clock."""
    cursor: int = 0
    """The datastore's own order of the parts of a job: followers resume after it."""


class TaskRecord(msgspec.Struct, kw_only=True):
    """A task as a reader sees it: the row, and the rendered specification it runs by."""

    task: Task
    spec: TaskSpec


class JobRecord(msgspec.Struct, kw_only=True):
    """A job as a reader sees it: its specification, its row, and all of its tasks."""

    spec: JobSpec
    job: Job
    tasks: list[TaskRecord]
