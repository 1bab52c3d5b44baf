"""Datastores hold the truth: jobs, tasks, events, nodes, log parts.

The job is the unit of consistency. What is loaded is a copy; what follows for a job is committed
in one compare-and-set by the job's version, all of it or none. What a datastore must keep is
written at each method, and tested by :class:`tork_core.testing.datastore.DatastoreContract`.
All times are the datastore's own: ``now`` comes with what is loaded.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Protocol

import msgspec

from tork_core.model.job import Claim, Counts, Event, Job, JobId, JobRecord, LogPart, Task, TaskId
from tork_core.model.node import Node
from tork_core.model.spec import JobSpec, TaskSpec
from tork_core.model.states import TaskState


class JobView(msgspec.Struct):
    """What a decision sees of a job: the tasks that were asked for, and their parents."""

    spec: JobSpec
    job: Job
    tasks: dict[TaskId, Task]
    counts: Counts


class Loaded(msgspec.Struct):
    """The views of the jobs that exist, and the datastore's time."""

    now: datetime
    views: dict[JobId, JobView]


class JobChange(msgspec.Struct, kw_only=True):
    """All that is written for one job, in one compare-and-set.

    ``base`` is the version that was loaded (0: the job is new, and ``spec`` is given); ``job``
    carries the version after it. ``tasks`` are rows to insert or replace, ``specs`` the rendered
    specifications of the new ones. ``end_active`` is set-wise: every active task of the job that
    is not in ``tasks`` takes this state (COMPLETED, FAILED or CANCELLED) at the time ``at``, has
    nothing due any more, and keeps its claim. Events are appended.
    """

    job: Job
    base: int
    at: datetime
    spec: JobSpec | None = None
    tasks: dict[TaskId, Task] = {}
    specs: dict[TaskId, TaskSpec] = {}
    end_active: TaskState | None = None
    events: list[Event] = []


class HeldTask(msgspec.Struct, frozen=True):
    """A task together with the claim that is recorded for its current attempt."""

    job_id: JobId
    task_id: TaskId
    attempt: int
    claim: Claim


class Committed(msgspec.Struct):
    """What became of a batch: the jobs of which nothing was written, because another commit
    came first, and the claims of running tasks that set-wise ends have ended."""

    conflicts: set[JobId]
    ended: list[HeldTask]


class Due(msgspec.Struct):
    """What the sweeper has to look at: jobs, and PENDING tasks, whose ``due`` has come."""

    now: datetime
    jobs: list[JobId]
    tasks: list[tuple[JobId, TaskId]]


class Waiting(msgspec.Struct, frozen=True):
    """The SCHEDULED tasks of one queue and priority whose ``due`` has come.

    ``oldest`` is the earliest ``published_at`` among them, ``newest_claimed`` the latest
    ``published_at`` of any task of that queue and priority that was ever claimed.
    """

    queue: str
    priority: int
    oldest: datetime
    newest_claimed: datetime | None = None


class FeedItem(msgspec.Struct, frozen=True):
    """An event, and its position among the events of all jobs."""

    position: int
    event: Event


class JobPage(msgspec.Struct, frozen=True):
    """A page of a listing of ``total`` jobs, in brief; see :meth:`Datastore.jobs`."""

    total: int
    jobs: list[JobRecord]


class LogPage(msgspec.Struct, frozen=True):
    """A page of a log of ``total`` parts; see :meth:`Datastore.log_page`."""

    total: int
    parts: list[LogPart]


class Beat(msgspec.Struct, frozen=True):
    """One heartbeat to write: the node as it describes itself, ``node.beat`` its number."""

    node: Node


class Datastore(Protocol):
    """A connection to the datastore, shared by everything in one process."""

    async def load(self, keys: Mapping[JobId, Collection[TaskId]]) -> Loaded:
        """Load jobs with the named tasks (and their parents) in one read.

        The parents of a task are the tasks of its job at the shorter paths (``2`` and ``2.1`` for
        ``2.1.3``); where several have one path, the newest. Jobs and tasks that do not exist are
        left out. An empty mapping gives the time alone. Rendered specifications are not loaded:
        see :meth:`specs`.
        """
        ...

    async def commit(self, changes: Sequence[JobChange]) -> Committed:
        """Write changes of different jobs in one write; each job all or nothing.

        A change whose job has another version than ``base`` (or exists already, for a new job)
        is a conflict and leaves no trace, and the others are written all the same. Raises
        Unavailable when the outcome is unknown: each change is then written whole or not at all.
        """
        ...

    async def specs(self, keys: Collection[tuple[JobId, TaskId]]) -> dict[TaskId, TaskSpec]:
        """Load the rendered specifications of tasks; unknown ones are left out.

        A row written again without a specification keeps the one it had.
        """
        ...

    async def job(self, job_id: JobId) -> JobRecord | None:
        """Load a job with all of its tasks, in the order of their position and then creation."""
        ...

    async def jobs(
        self, *, until: tuple[datetime, JobId] | None = None, offset: int = 0, limit: int = 10
    ) -> JobPage:
        """Load at most ``limit`` jobs after the first ``offset``, the newest first: by their
        creation and then their ids, both descending.

        With ``until`` (the creation and the id of a job, which need not exist any more) the
        listing begins there: what is newer is neither loaded nor counted, so that pages stay as
        they are while jobs arrive. Each job comes in brief: of its tasks only those that its
        ``variables`` name and those that FAILED, in the order of :meth:`job`.
        """
        ...

    async def task(self, task_id: TaskId) -> JobRecord | None:
        """Load the job of a task in brief, as in :meth:`jobs`, with this task beside the others."""
        ...

    async def events(self, job_id: JobId, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """Load the events of a job with numbers above ``after``, in order."""
        ...

    async def feed(self, after: int, limit: int) -> list[FeedItem]:
        """Load at most ``limit`` events of all jobs with positions above ``after``, in order.

        Positions are above 0, grow in the order of the commits (for one job, with the numbers of
        its events), may leave gaps, and stay with their events as long as the job exists. A
        reader that goes on from the last position it got misses no event of a job that still
        exists: whatever is not yet seen when a position is given out has, or will get, a higher
        one. Commits that run side by side make that the hard part, since positions drawn
        within them become visible out of order. Either nothing is given out past a position
        whose commit may still be on its way, or events get their positions after the commit, at
        the latest from the first feed that finds them, one feed at a time. So an event may come
        a moment after its commit, and an empty list means no more than that there is nothing yet.
        The cost does not grow with what lies before ``after``.
        """
        ...

    async def mark(self, name: str) -> int:
        """Load a mark: how far a reader has come; 0 if it was never moved."""
        ...

    async def move_mark(self, name: str, position: int) -> None:
        """Move a mark on. It never moves back: a lower position than the stored one changes
        nothing, also when several move it at once. As durable as a commit."""
        ...

    async def append_log(self, parts: Sequence[LogPart]) -> None:
        """Store log parts, each once: task, attempt and number name it. Sets ``created_at``.

        Parts of jobs that do not exist are dropped.
        """
        ...

    async def log(
        self, job_id: JobId, *, task_id: TaskId | None = None, after: int = 0, limit: int = 1000
    ) -> list[LogPart]:
        """Load the log parts of a job (or one of its tasks) with cursors above ``after``.

        A reader that goes on from the last cursor it got misses no part of an attempt.
        """
        ...

    async def log_page(
        self,
        job_id: JobId,
        *,
        task_id: TaskId | None = None,
        until: int | None = None,
        offset: int = 0,
        limit: int = 25,
    ) -> LogPage:
        """Load at most ``limit`` log parts of a job (or one of its tasks) after the first
        ``offset``, the newest first, by their cursors.

        With ``until`` parts with higher cursors are neither loaded nor counted, so that pages
        stay as they are while the log grows.
        """
        ...

    async def due(self, limit: int) -> Due:
        """Load at most ``limit`` jobs and ``limit`` PENDING tasks whose ``due`` has come,
        the longest overdue first. A job that has ended is never due. The cost does not grow with
        what is not due."""
        ...

    async def active(
        self, after: tuple[JobId, TaskId] | None, limit: int
    ) -> list[tuple[JobId, TaskId]]:
        """Load at most ``limit`` active tasks behind one of them (None: from the first), by the
        ids of their jobs and then their own.

        A reader that goes on from the last it got sees every task that is active all the while.
        The cost does not grow with the tasks that have ended.
        """
        ...

    async def waiting(self) -> list[Waiting]:
        """Sum up the SCHEDULED tasks whose ``due`` has come, by queue and priority, in order.

        The cost does not grow with the number of tasks that wait.
        """
        ...

    async def overdue(
        self, queue: str, priority: int, *, published_before: datetime, limit: int
    ) -> list[tuple[JobId, TaskId]]:
        """Load the SCHEDULED tasks of a queue and priority whose ``due`` has come and which were
        published at or before a time, the oldest first."""
        ...

    async def running(self, nodes: Collection[str]) -> list[HeldTask]:
        """Load the RUNNING tasks whose recorded claims belong to these nodes."""
        ...

    async def claimants(self) -> list[str]:
        """Load the ids of all nodes that have RUNNING tasks by the record, in order."""
        ...

    async def beat(self, beats: Sequence[Beat], *, gap: float) -> list[Node]:
        """Write heartbeats and return the nodes as they are stored afterwards, in that order.

        Sets ``last_heartbeat_at`` to now, and ``steady_since`` too if the heartbeat before it is
        more than ``gap`` seconds old or there was none. A node that is LOST, a heartbeat with a
        lower number than the stored one, and one of a node that is OFFLINE change nothing.
        """
        ...

    async def nodes(self) -> tuple[datetime, list[Node]]:
        """Load the time and all nodes, by name and id."""
        ...

    async def expire(self, nodes: Mapping[str, datetime]) -> list[str]:
        """Mark nodes LOST if ``last_heartbeat_at`` is still the given one and they are not LOST
        or OFFLINE; return those that this call has marked, by id. One write."""
        ...

    async def lease(self, name: str, holder: str, seconds: float) -> bool:
        """Take or renew a lease; False while somebody else holds it. Advisory.

        It lasts for ``seconds`` from now, by the datastore's clock.
        """
        ...

    async def release(self, name: str, holder: str) -> None:
        """Give a lease back, if it is this holder's."""
        ...
