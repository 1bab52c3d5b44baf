"""The in-memory datastore: connections to rows that live in this process.

Each node gets a :class:`MemoryDatastore` of its own on the shared :class:`MemoryStore`.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

from tork_core.errors import Unavailable
from tork_core.interfaces.datastore import (
    Beat,
    Committed,
    Due,
    FeedItem,
    HeldTask,
    JobChange,
    JobPage,
    Loaded,
    LogPage,
    Waiting,
)
from tork_core.model.job import Event, JobId, JobRecord, LogPart, TaskId
from tork_core.model.node import Node
from tork_core.model.spec import TaskSpec
from tork_memory.rows import EncodedChange
from tork_memory.store import MemoryStore


class MemoryDatastore:
    """One connection to an in-memory datastore.

    Its methods are those of :class:`tork_core.interfaces.datastore.Datastore`.
    """

    def __init__(self, store: MemoryStore) -> None:
        self._shared = store
        self._closed = False

    def close(self) -> None:
        """Cut the connection: every call from now on, and a commit on its way, raises
        Unavailable."""
        self._closed = True

    async def load(self, keys: Mapping[JobId, Collection[TaskId]]) -> Loaded:
        """Load jobs with the named tasks, and the time."""
        store = self._store()
        views = {
            job_id: view
            for job_id, task_ids in keys.items()
            if (view := store.view(job_id, task_ids)) is not None
        }
        return Loaded(store.now(), views)

    async def commit(self, changes: Sequence[JobChange]) -> Committed:
        """Write changes; all rows are encoded before the first is written."""
        store = self._store()
        committed = Committed(conflicts=set(), ended=[])
        for number, encoded in enumerate([EncodedChange(change) for change in changes]):
            if number and store.stepwise:
                await asyncio.sleep(0)
                store = self._store()
            ended = store.write(encoded)
            if ended is None:
                committed.conflicts.add(encoded.change.job.id)
            else:
                committed.ended += ended
        return committed

    async def specs(self, keys: Collection[tuple[JobId, TaskId]]) -> dict[TaskId, TaskSpec]:
        """Load rendered specifications."""
        return self._store().specs(keys)

    async def job(self, job_id: JobId) -> JobRecord | None:
        """Load a job with all of its tasks."""
        return self._store().record(job_id)

    async def jobs(
        self, *, until: tuple[datetime, JobId] | None = None, offset: int = 0, limit: int = 10
    ) -> JobPage:
        """Load jobs in brief, the newest first."""
        return self._store().jobs(until, offset, limit)

    async def task(self, task_id: TaskId) -> JobRecord | None:
        """Load a task with its job in brief."""
        return self._store().task(task_id)

    async def events(self, job_id: JobId, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """Load the events of a job."""
        return self._store().events(job_id, after, limit)

    async def feed(self, after: int, limit: int) -> list[FeedItem]:
        """Load events of all jobs in the order of their commits."""
        return self._store().feed.read(after, limit)

    async def mark(self, name: str) -> int:
        """Load a mark."""
        return self._store().marks.get(name)

    async def move_mark(self, name: str, position: int) -> None:
        """Move a mark on, never back."""
        self._store().marks.move(name, position)

    async def append_log(self, parts: Sequence[LogPart]) -> None:
        """Store log parts, each once."""
        self._store().append_log(parts)

    async def log(
        self, job_id: JobId, *, task_id: TaskId | None = None, after: int = 0, limit: int = 1000
    ) -> list[LogPart]:
        """Load log parts of a job or a task."""
        return self._store().log(job_id, task_id, after, limit)

    async def log_page(
        self,
        job_id: JobId,
        *,
        task_id: TaskId | None = None,
        until: int | None = None,
        offset: int = 0,
        limit: int = 25,
    ) -> LogPage:
        """Load log parts of a job or a task, the newest first."""
        return self._store().log_page(job_id, task_id, until, offset, limit)

    async def due(self, limit: int) -> Due:
        """Load the jobs and PENDING tasks whose time has come."""
        return self._store().due(limit)

    async def active(
        self, after: tuple[JobId, TaskId] | None, limit: int
    ) -> list[tuple[JobId, TaskId]]:
        """Load active tasks by job and id."""
        return self._store().active(after, limit)

    async def waiting(self) -> list[Waiting]:
        """Sum up the SCHEDULED tasks whose time has come."""
        return self._store().waiting()

    async def overdue(
        self, queue: str, priority: int, *, published_before: datetime, limit: int
    ) -> list[tuple[JobId, TaskId]]:
        """Load SCHEDULED tasks whose time has come, the oldest first."""
        return self._store().overdue(queue, priority, published_before, limit)

    async def running(self, nodes: Collection[str]) -> list[HeldTask]:
        """Load the RUNNING tasks of nodes."""
        return self._store().running(nodes)

    async def claimants(self) -> list[str]:
        """Load the nodes that have claimed RUNNING tasks."""
        return self._store().claimants()

    async def beat(self, beats: Sequence[Beat], *, gap: float) -> list[Node]:
        """Write heartbeats and return the nodes."""
        store = self._store()
        now = store.now()
        return [store.nodes.beat(beat.node, gap, now) for beat in beats]

    async def nodes(self) -> tuple[datetime, list[Node]]:
        """Load the time and all nodes."""
        store = self._store()
        return store.now(), store.nodes.all()

    async def expire(self, nodes: Mapping[str, datetime]) -> list[str]:
        """Mark nodes LOST that were not heard of again."""
        return self._store().nodes.expire(nodes)

    async def lease(self, name: str, holder: str, seconds: float) -> bool:
        """Take or renew a lease."""
        store = self._store()
        return store.leases.take(name, holder, seconds, store.now())

    async def release(self, name: str, holder: str) -> None:
        """Give a lease back."""
        self._store().leases.release(name, holder)

    def _store(self) -> MemoryStore:
        if self._closed:
            raise Unavailable("datastore", "the connection is closed")
        return self._shared
