"""The rows of the in-memory datastore and their indexes: what its connections share.

Everything here is synchronous: a call sees and leaves whole jobs. When a connection lets others
have a turn between the jobs of a batch is its own affair (:mod:`tork_memory.datastore`).
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from heapq import nsmallest

from tork_core.interfaces.changes import end_task
from tork_core.interfaces.datastore import Due, HeldTask, JobPage, JobView, LogPage, Waiting
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.leases import Leases
from tork_core.model.job import (
    Counts,
    Event,
    JobId,
    JobRecord,
    LogPart,
    Task,
    TaskId,
    TaskRecord,
)
from tork_core.model.spec import TaskSpec
from tork_core.model.states import TaskState
from tork_memory.feed import Feed, Marks
from tork_memory.indexes import TaskKey, TimeIndex
from tork_memory.listing import JobList, Place
from tork_memory.logs import LogBook
from tork_memory.nodes import NodeTable
from tork_memory.rows import (
    EncodedChange,
    JobEntry,
    TaskEntry,
    decode_job,
    decode_task,
    decode_task_spec,
    encode,
)
from tork_memory.task_index import TaskIndex

KEPT_JOBS = 2_000
KEPT_LOG_BYTES = 64 * 2**20


class MemoryStore:
    """Jobs, tasks, events, log parts, nodes, leases and marks, with the datastore's clock.

    The last ``kept_jobs`` ended jobs and about ``kept_log_bytes`` of logs are kept; those that
    ended first go first. ``stepwise`` makes commits show their jobs one after the other, as a
    datastore without transactions over several jobs does.
    """

    def __init__(
        self,
        environment: Environment,
        *,
        kept_jobs: int = KEPT_JOBS,
        kept_log_bytes: int = KEPT_LOG_BYTES,
        stepwise: bool = False,
    ) -> None:
        self.stepwise = stepwise
        self.nodes = NodeTable()
        self.leases = Leases()
        self.feed = Feed()
        self.marks = Marks()
        self._environment = environment
        self._kept_jobs = kept_jobs
        self._jobs: dict[JobId, JobEntry] = {}
        self._list = JobList()
        self._job_of: dict[TaskId, JobId] = {}
        self._ended: OrderedDict[JobId, None] = OrderedDict()
        self._due_jobs: TimeIndex[JobId] = TimeIndex()
        self._tasks = TaskIndex()
        self._logs = LogBook(kept_log_bytes)

    def now(self) -> datetime:
        """The datastore's time."""
        return self._environment.now()

    # Reading

    def view(self, job_id: JobId, task_ids: Collection[TaskId]) -> JobView | None:
        """Decode a job with some of its tasks, and the tasks that those are part of."""
        entry = self._jobs.get(job_id)
        if entry is None:
            return None
        found: dict[TaskId, TaskEntry] = {}
        for task_id in task_ids if len(task_ids) < 2 else sorted(task_ids):
            task = entry.tasks.get(task_id)
            if task is not None:
                found[task_id] = task
                if "." in task.path:
                    found.update((parent.id, parent) for parent in entry.ancestors(task))
        return JobView(
            entry.spec,
            decode_job(entry.row),
            {task_id: decode_task(task.row) for task_id, task in found.items()},
            Counts(len(entry.active)),
        )

    def specs(self, keys: Collection[TaskKey]) -> dict[TaskId, TaskSpec]:
        """Decode the rendered specifications of tasks."""
        found: dict[TaskId, TaskSpec] = {}
        for job_id, task_id in sorted(keys):
            entry = self._jobs.get(job_id)
            task = entry.tasks.get(task_id) if entry else None
            if task is not None and task.spec_row is not None:
                found[task_id] = decode_task_spec(task.spec_row)
        return found

    def record(self, job_id: JobId) -> JobRecord | None:
        """Decode a job with all of its tasks."""
        entry = self._jobs.get(job_id)
        return None if entry is None else _record(entry, entry.tasks.values())

    def jobs(self, until: Place | None, offset: int, limit: int) -> JobPage:
        """Decode a page of jobs, each in brief."""
        total, ids = self._list.page(until, offset, limit)
        return JobPage(total, [_brief(self._jobs[job_id]) for job_id in ids])

    def task(self, task_id: TaskId) -> JobRecord | None:
        """Decode a task with its job in brief."""
        job_id = self._job_of.get(task_id)
        return None if job_id is None else _brief(self._jobs[job_id], task_id)

    def events(self, job_id: JobId, after: int, limit: int) -> list[Event]:
        """Decode events of a job with numbers above ``after``."""
        entry = self._jobs.get(job_id)
        return entry.events_after(after, limit) if entry else []

    def log(self, job_id: JobId, task_id: TaskId | None, after: int, limit: int) -> list[LogPart]:
        """Decode log parts with cursors above ``after``."""
        return self._logs.read(job_id, task_id, after, limit)

    def log_page(
        self, job_id: JobId, task_id: TaskId | None, until: int | None, offset: int, limit: int
    ) -> LogPage:
        """Decode a page of log parts."""
        return LogPage(*self._logs.page(job_id, task_id, until, offset, limit))

    def due(self, limit: int) -> Due:
        """The jobs and PENDING tasks whose time has come."""
        now = self.now()
        jobs = self._due_jobs.until(now, limit)
        return Due(now=now, jobs=jobs, tasks=self._tasks.due.until(now, limit))

    def active(self, after: TaskKey | None, limit: int) -> list[TaskKey]:
        """The active tasks behind one of them, by job and id; those of all jobs are looked at."""
        keys = ((entry.id, task_id) for entry in self._jobs.values() for task_id in entry.active)
        return nsmallest(limit, (key for key in keys if after is None or key > after))

    def waiting(self) -> list[Waiting]:
        """Sum up the due SCHEDULED tasks, by queue and priority."""
        return self._tasks.waiting(self.now())

    def overdue(self, queue: str, priority: int, published: datetime, limit: int) -> list[TaskKey]:
        """The due SCHEDULED tasks of a queue and priority that were published by a time."""
        return self._tasks.overdue(queue, priority, self.now(), published, limit)

    def running(self, nodes: Collection[str]) -> list[HeldTask]:
        """The RUNNING tasks that these nodes have claimed."""
        return self._tasks.running(nodes)

    def claimants(self) -> list[str]:
        """The nodes that have claimed RUNNING tasks."""
        return self._tasks.claimants()

    def sizes(self) -> dict[str, int]:
        """How many things of each kind are held, to see that nothing grows without end."""
        jobs = self._jobs.values()
        return {
            "jobs": len(self._jobs),
            "listed": len(self._list),
            "ended": len(self._ended),
            "tasks": sum(len(job.tasks) for job in jobs),
            "task_ids": len(self._job_of),
            "active": sum(len(job.active) for job in jobs),
            "events": sum(len(job.events) for job in jobs),
            "feed": len(self.feed),
            "feed_entries": self.feed.entries,
            "marks": len(self.marks),
            "logs": len(self._logs),
            "log_bytes": self._logs.size,
            "due_jobs": len(self._due_jobs),
            "due_job_entries": self._due_jobs.entries,
            "nodes": len(self.nodes),
            **self._tasks.sizes(),
        }

    # Writing

    def write(self, encoded: EncodedChange) -> list[HeldTask] | None:
        """Write a change whole; None on a conflict, and then nothing of it.

        Returns the claims of the running tasks that its set-wise end has ended.
        """
        change = encoded.change
        job_id = change.job.id
        entry = self._jobs.get(job_id)
        if change.base == 0:
            if entry is not None:
                return None
            entry = JobEntry(job_id, encoded.spec_row, change.job.created_at)
            self._jobs[job_id] = entry
            self._list.add(entry.place)
        elif entry is None or entry.version != change.base:
            return None
        for task, row in encoded.tasks:
            self._put_task(entry, task, row, encoded.specs.get(task.id))
        ended: list[HeldTask] = []
        if change.end_active is not None:
            ended = self._end_active(entry, change.end_active, change.at, change.tasks)
        if encoded.events:
            entry.events += encoded.events
            self.feed.add(entry.events, len(encoded.events))
        self._put_job(entry, encoded)
        return ended

    def append_log(self, parts: Sequence[LogPart]) -> None:
        """Store log parts of jobs that exist, each once."""
        now = self.now()
        for part in parts:
            entry = self._jobs.get(part.job_id)
            if entry is not None:
                self._logs.append(part, now, ended=entry.ended)

    def _put_job(self, entry: JobEntry, encoded: EncodedChange) -> None:
        job = encoded.change.job
        was_ended = entry.ended
        entry.write(job, encoded.job_row)
        if job.due is not None and not entry.ended:
            self._due_jobs.set(entry.id, job.due)
        else:
            self._due_jobs.discard(entry.id)
        if entry.ended and not was_ended:
            self._ended[entry.id] = None
            self._logs.end(entry.id)
            while len(self._ended) > self._kept_jobs:
                self._delete(self._ended.popitem(last=False)[0])
        elif was_ended and not entry.ended:
            del self._ended[entry.id]
            self._logs.revive(entry.id)

    def _put_task(self, entry: JobEntry, task: Task, row: bytes, spec_row: bytes | None) -> None:
        stored = entry.tasks.get(task.id)
        if stored is None:
            stored = entry.tasks[task.id] = TaskEntry(entry.id, task, row, spec_row)
            entry.paths[task.path] = stored
            self._job_of[task.id] = entry.id
        else:
            self._tasks.remove(stored)
            stored.write(task, row)
            if spec_row is not None:
                stored.spec_row = spec_row
        self._tasks.add(stored)
        if task.state.ended:
            entry.active.pop(task.id, None)
        else:
            entry.active[task.id] = stored

    def _end_active(
        self, entry: JobEntry, state: TaskState, at: datetime, spared: Collection[TaskId]
    ) -> list[HeldTask]:
        ended: list[HeldTask] = []
        for stored in [task for key, task in entry.active.items() if key not in spared]:
            if stored.state is TaskState.RUNNING and stored.claim is not None:
                ended.append(HeldTask(entry.id, stored.id, stored.attempt, stored.claim))
            task = decode_task(stored.row)
            end_task(task, state, at)
            self._put_task(entry, task, encode(task), None)
        return ended

    def _delete(self, job_id: JobId) -> None:
        entry = self._jobs.pop(job_id)
        self._list.remove(entry.place)
        for task in entry.tasks.values():
            self._tasks.remove(task)
            del self._job_of[task.id]
        self._due_jobs.discard(job_id)
        self.feed.forget(entry.events)
        self._logs.delete(job_id)


def _record(entry: JobEntry, found: Iterable[TaskEntry]) -> JobRecord:
    tasks = [
        TaskRecord(
            task=decode_task(task.row),
            spec=decode_task_spec(task.spec_row) if task.spec_row else TaskSpec(),
        )
        for task in found
    ]
    tasks.sort(key=lambda r: (r.task.position, r.task.created_at, r.task.id))
    return JobRecord(spec=entry.spec, job=decode_job(entry.row), tasks=tasks)


def _brief(entry: JobEntry, *tasks: TaskId) -> JobRecord:
    wanted = {*decode_job(entry.row).variables.values(), *tasks}
    return _record(
        entry,
        [t for t in entry.tasks.values() if t.id in wanted or t.state is TaskState.FAILED],
    )
