"""The datastore in a SQLite file: connections to what one process has opened."""

from __future__ import annotations

import sqlite3
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TypeVar

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
from tork_sqlite import commits, following, nodes, reading, sweeping
from tork_sqlite.rows import EncodedChange
from tork_sqlite.store import SqliteStore

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]


class SqliteDatastore:
    """One connection to an opened file; those of one process share its threads.

    Its methods are those of :class:`tork_core.interfaces.datastore.Datastore`.
    """

    def __init__(self, store: SqliteStore) -> None:
        self._shared = store
        self._closed = False

    def close(self) -> None:
        """Cut the connection: every call from now on, and those on their way, raise Unavailable."""
        self._closed = True

    async def load(self, keys: Mapping[JobId, Collection[TaskId]]) -> Loaded:
        """Load jobs with the named tasks, and the time."""
        store = self._store()
        if not keys:
            return Loaded(store.now(), {})
        views = await self._hot(partial(reading.views, keys=keys, cache=store.specs))
        return Loaded(store.now(), views)

    async def commit(self, changes: Sequence[JobChange]) -> Committed:
        """Write changes; all rows are encoded before the first is written."""
        store = self._store()
        if not changes:
            return Committed(conflicts=set(), ended=[])
        encoded = [EncodedChange(change) for change in changes]
        work = partial(commits.write, changes=encoded, positions=store.positions)
        committed = await self._write(work)
        for found in encoded:
            job, spec = found.change.job, found.change.spec
            if found.spec and spec is not None and job.id not in committed.conflicts:
                store.specs.put(job.id, job.created_at, spec, len(found.spec))
        return committed

    async def specs(self, keys: Collection[tuple[JobId, TaskId]]) -> dict[TaskId, TaskSpec]:
        """Load rendered specifications."""
        return await self._hot(partial(reading.task_specs, keys=keys))

    async def job(self, job_id: JobId) -> JobRecord | None:
        """Load a job with all of its tasks."""
        return await self._slow(partial(reading.record, job_id=job_id))

    async def jobs(
        self, *, until: tuple[datetime, JobId] | None = None, offset: int = 0, limit: int = 10
    ) -> JobPage:
        """Load jobs in brief, the newest first."""
        return await self._slow(partial(reading.page, until=until, offset=offset, limit=limit))

    async def task(self, task_id: TaskId) -> JobRecord | None:
        """Load a task with its job in brief."""
        return await self._slow(partial(reading.brief_of_task, task_id=task_id))

    async def events(self, job_id: JobId, *, after: int = 0, limit: int = 1000) -> list[Event]:
        """Load the events of a job."""
        return await self._slow(partial(following.events, job_id=job_id, after=after, limit=limit))

    async def feed(self, after: int, limit: int) -> list[FeedItem]:
        """Load events of all jobs in the order of their commits."""
        return await self._slow(partial(following.feed, after=after, limit=limit))

    async def mark(self, name: str) -> int:
        """Load a mark."""
        return await self._hot(partial(following.mark, name=name))

    async def move_mark(self, name: str, position: int) -> None:
        """Move a mark on, never back."""
        await self._write(partial(following.move_mark, name=name, position=position))

    async def append_log(self, parts: Sequence[LogPart]) -> None:
        """Store log parts, each once."""
        now = self._store().now()
        await self._write(partial(following.append_log, parts=parts, now=now))

    async def log(
        self, job_id: JobId, *, task_id: TaskId | None = None, after: int = 0, limit: int = 1000
    ) -> list[LogPart]:
        """Load log parts of a job or a task."""
        return await self._slow(
            partial(following.log, job_id=job_id, task_id=task_id, after=after, limit=limit)
        )

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
        return await self._slow(
            partial(
                following.log_page,
                job_id=job_id,
                task_id=task_id,
                until=until,
                offset=offset,
                limit=limit,
            )
        )

    async def due(self, limit: int) -> Due:
        """Load the jobs and PENDING tasks whose time has come."""
        return await self._hot(partial(sweeping.due, now=self._store().now(), limit=limit))

    async def active(
        self, after: tuple[JobId, TaskId] | None, limit: int
    ) -> list[tuple[JobId, TaskId]]:
        """Load active tasks by job and id."""
        return await self._hot(partial(sweeping.active, after=after, limit=limit))

    async def waiting(self) -> list[Waiting]:
        """Sum up the SCHEDULED tasks whose time has come."""
        return await self._hot(partial(sweeping.waiting, now=self._store().now()))

    async def overdue(
        self, queue: str, priority: int, *, published_before: datetime, limit: int
    ) -> list[tuple[JobId, TaskId]]:
        """Load SCHEDULED tasks whose time has come, the oldest first."""
        return await self._hot(
            partial(
                sweeping.overdue,
                queue=queue,
                priority=priority,
                now=self._store().now(),
                published_before=published_before,
                limit=limit,
            )
        )

    async def running(self, nodes: Collection[str]) -> list[HeldTask]:
        """Load the RUNNING tasks of nodes."""
        return await self._hot(partial(sweeping.running, nodes=nodes))

    async def claimants(self) -> list[str]:
        """Load the nodes that have claimed RUNNING tasks."""
        return await self._hot(sweeping.claimants)

    async def beat(self, beats: Sequence[Beat], *, gap: float) -> list[Node]:
        """Write heartbeats and return the nodes."""
        now = self._store().now()
        rows = [found.node for found in beats]
        return await self._write(partial(nodes.beat, beats=rows, gap=gap, now=now))

    async def nodes(self) -> tuple[datetime, list[Node]]:
        """Load the time and all nodes."""
        found = await self._hot(nodes.listed)
        return self._store().now(), found

    async def expire(self, nodes: Mapping[str, datetime]) -> list[str]:
        """Mark nodes LOST that were not heard of again."""
        return await self._write(partial(_expire, nodes=nodes))

    async def lease(self, name: str, holder: str, seconds: float) -> bool:
        """Take or renew a lease."""
        store = self._store()
        return store.leases.take(name, holder, seconds, store.now())

    async def release(self, name: str, holder: str) -> None:
        """Give a lease back."""
        self._store().leases.release(name, holder)

    def _store(self) -> SqliteStore:
        if self._closed:
            raise Unavailable("datastore", "the connection is closed")
        return self._shared

    async def _answered(self, answer: Awaitable[T]) -> T:
        value = await answer
        self._store()
        return value

    async def _write(self, work: Work[T]) -> T:
        return await self._answered(self._store().writer.run(work))

    async def _hot(self, read: Work[T]) -> T:
        return await self._answered(self._store().hot.run(read))

    async def _slow(self, read: Work[T]) -> T:
        return await self._answered(self._store().slow.run(read))


_expire = nodes.expire
