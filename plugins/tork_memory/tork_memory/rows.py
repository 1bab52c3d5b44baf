"""What the store holds of a job: encoded rows, and beside them what its indexes go by.

Rows are bytes from the commit that wrote them to the load that reads them, so what is loaded is
a copy and what cannot be encoded cannot be stored.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import datetime
from operator import itemgetter

import msgspec

from tork_core.interfaces.changes import check_change, published_at
from tork_core.interfaces.datastore import JobChange
from tork_core.model.job import Claim, Event, Job, JobId, Task, TaskId
from tork_core.model.spec import JobSpec, TaskSpec

encode = msgspec.msgpack.Encoder().encode
decode_job = msgspec.msgpack.Decoder(Job).decode
decode_task = msgspec.msgpack.Decoder(Task).decode
decode_event = msgspec.msgpack.Decoder(Event).decode
decode_job_spec = msgspec.msgpack.Decoder(JobSpec).decode
decode_task_spec = msgspec.msgpack.Decoder(TaskSpec).decode


class TaskEntry:
    """A stored task: its row, its rendered specification, and what the indexes go by."""

    __slots__ = (
        "attempt",
        "claim",
        "due",
        "id",
        "job_id",
        "path",
        "priority",
        "published",
        "queue",
        "row",
        "spec_row",
        "state",
    )

    def __init__(self, job_id: JobId, task: Task, row: bytes, spec_row: bytes | None) -> None:
        self.job_id = job_id
        self.id = task.id
        self.path = task.path
        self.spec_row = spec_row
        self.write(task, row)

    def write(self, task: Task, row: bytes) -> None:
        """Replace the row."""
        self.row = row
        self.state = task.state
        self.attempt = task.attempt
        self.claim: Claim | None = task.claim
        self.queue = task.queue
        self.priority = task.priority
        self.due: datetime | None = task.due
        self.published: datetime = published_at(task)

    @property
    def key(self) -> tuple[JobId, TaskId]:
        """What names the task in the indexes."""
        return self.job_id, self.id


class JobEntry:
    """A stored job with its tasks and events.

    The decoded specification is kept as long as the job is active: it is frozen, and every load
    needs it.
    """

    __slots__ = ("_spec", "active", "ended", "events", "id", "paths", "place", "row", "spec_row",
                 "tasks", "version")  # fmt: skip

    def __init__(self, job_id: JobId, spec_row: bytes, created_at: datetime) -> None:
        self.id = job_id
        self.place = created_at, job_id
        self.spec_row = spec_row
        self.row = b""
        self.version = 0
        self.ended = False
        self.tasks: dict[TaskId, TaskEntry] = {}
        self.active: dict[TaskId, TaskEntry] = {}
        self.paths: dict[str, TaskEntry] = {}
        self.events: list[tuple[int, bytes]] = []
        self._spec: JobSpec | None = None

    def write(self, job: Job, row: bytes) -> None:
        """Replace the row."""
        self.row = row
        self.version = job.version
        self.ended = job.state.ended
        if self.ended:
            self._spec = None

    @property
    def spec(self) -> JobSpec:
        """The specification, decoded once."""
        if self._spec is not None:
            return self._spec
        spec = decode_job_spec(self.spec_row)
        if not self.ended:
            self._spec = spec
        return spec

    def events_after(self, number: int, limit: int) -> list[Event]:
        """Decode events with numbers above one, in order."""
        start = bisect_right(self.events, number, key=itemgetter(0))
        return [decode_event(row) for _, row in self.events[start : start + limit]]

    def ancestors(self, task: TaskEntry) -> list[TaskEntry]:
        """The tasks that this one is part of: the newest at each shorter path."""
        found: list[TaskEntry] = []
        path, dot, _ = task.path.rpartition(".")
        while dot:
            if path in self.paths:
                found.append(self.paths[path])
            path, dot, _ = path.rpartition(".")
        return found


class EncodedChange:
    """A change whose rows are encoded, before anything of its batch is written."""

    __slots__ = ("change", "events", "job_row", "spec_row", "specs", "tasks")

    def __init__(self, change: JobChange) -> None:
        check_change(change)
        self.change = change
        self.job_row = encode(change.job)
        self.spec_row = encode(change.spec) if change.base == 0 else b""
        self.tasks = [(task, encode(task)) for task in change.tasks.values()]
        self.specs = {task_id: encode(spec) for task_id, spec in change.specs.items()}
        self.events = [(event.number, encode(event)) for event in change.events]
