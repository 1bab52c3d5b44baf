"""Writing changes: compare, and set; in the writer's transaction."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection, Sequence

import msgspec

from tork_core.interfaces.changes import end_task, published_at
from tork_core.interfaces.datastore import Committed, HeldTask
from tork_core.model.job import JobId
from tork_core.model.states import TaskState
from tork_sqlite.bulk import Bulk
from tork_sqlite.removal import clear
from tork_sqlite.rows import (
    EncodedChange,
    Values,
    decode_tasks,
    micros,
    task_values,
)

_JOBS = Bulk(
    "jobs (id, created, version, due, ended, row)",
    6,
    "ON CONFLICT (id) DO UPDATE SET version = excluded.version, due = excluded.due, "
    "ended = excluded.ended, row = excluded.row",
)
_JOB_SPECS = Bulk("job_specs (job_id, row)", 2)
_TASKS = Bulk(
    "tasks (id, job_id, path, stage, queue, priority, published, wait, pending, node, row)",
    11,
    "ON CONFLICT (id) DO UPDATE SET path = excluded.path, stage = excluded.stage, "
    "queue = excluded.queue, priority = excluded.priority, published = excluded.published, "
    "wait = excluded.wait, pending = excluded.pending, node = excluded.node, row = excluded.row",
)
_TASK_SPECS = Bulk(
    "task_specs (task_id, job_id, row)", 3, "ON CONFLICT (task_id) DO UPDATE SET row = excluded.row"
)
_EVENTS = Bulk("events (position, job_id, last, row)", 4)
_CLAIMED = Bulk(
    "claimed (queue, priority, published)",
    3,
    "ON CONFLICT (queue, priority) DO UPDATE SET published = excluded.published "
    "WHERE excluded.published > published",
)

# Also tells of ids whose former job is being deleted.
_STORED = """
SELECT json_group_object(j.id, j.version), EXISTS (SELECT 1 FROM doomed)
FROM json_each(?) k CROSS JOIN jobs j ON j.id = k.value
"""
_ACTIVE = """
SELECT CAST('[' || group_concat(t.row) || ']' AS BLOB) FROM tasks t
WHERE t.job_id = ?1 AND t.stage = 1 AND t.id NOT IN (SELECT value FROM json_each(?2))
"""


class Positions:
    """Gives events their positions, in the order of the commits; used by the writer alone.

    What a transaction that is rolled back has drawn is left out: gaps are allowed.
    """

    def __init__(self, last: int) -> None:
        self._last = last

    @classmethod
    def of(cls, connection: sqlite3.Connection) -> Positions:
        """Go on after the last position that was ever given in this file."""
        found = connection.execute("SELECT seq FROM sqlite_sequence WHERE name = 'events'")
        (last,) = found.fetchone() or (0,)
        return cls(last)

    def draw(self, count: int) -> int:
        """Return the last of the next ``count`` positions."""
        self._last += count
        return self._last


def write(
    connection: sqlite3.Connection, changes: Sequence[EncodedChange], positions: Positions
) -> Committed:
    """Write changes of different jobs, except those on which another commit came first."""
    ids = json.dumps([found.change.job.id for found in changes])
    text, doomed = connection.execute(_STORED, (ids,)).fetchone()
    stored: dict[JobId, int] = msgspec.json.decode(text)
    committed = Committed(conflicts=set(), ended=[])
    good: list[EncodedChange] = []
    for found in changes:
        job_id, base = found.change.job.id, found.change.base
        if stored.get(job_id, 0) != base:
            committed.conflicts.add(job_id)
        else:
            good.append(found)
    if not good:
        return committed
    new = [found for found in good if found.change.base == 0]
    if doomed and new:
        clear(connection, [found.change.job.id for found in new])
    _JOB_SPECS.write(connection, [(found.change.job.id, found.spec) for found in new])
    _JOBS.write(connection, [found.job for found in good])
    _TASKS.write(connection, [row for found in good for row in found.tasks])
    _TASK_SPECS.write(connection, [row for found in good for row in found.specs])
    _EVENTS.write(connection, [_event_row(found, positions) for found in good if found.events])
    _CLAIMED.write(connection, _claimed(good))
    for found in good:
        if found.change.end_active is not None:
            committed.ended += _end_active(connection, found, found.change.end_active)
    return committed


def _event_row(found: EncodedChange, positions: Positions) -> Values:
    events = found.change.events
    return (positions.draw(len(events)), found.change.job.id, events[-1].number, found.events)


def _claimed(changes: Collection[EncodedChange]) -> list[Values]:
    """The latest time at which a task was published that is claimed, by queue and priority."""
    newest: dict[tuple[str, int], int] = {}
    for found in changes:
        for task in found.change.tasks.values():
            if task.claim is not None:
                lane, published = (task.queue, task.priority), micros(published_at(task))
                newest[lane] = max(newest.get(lane, published), published)
    return [(queue, priority, published) for (queue, priority), published in newest.items()]


def _end_active(
    connection: sqlite3.Connection, found: EncodedChange, state: TaskState
) -> list[HeldTask]:
    change = found.change
    spared = json.dumps(list(change.tasks))
    (text,) = connection.execute(_ACTIVE, (change.job.id, spared)).fetchone()
    ended: list[HeldTask] = []
    rows: list[Values] = []
    for task in decode_tasks(text) if text else []:
        if task.state is TaskState.RUNNING and task.claim is not None:
            ended.append(HeldTask(task.job_id, task.id, task.attempt, task.claim))
        end_task(task, state, change.at)
        rows.append(task_values(task))
    _TASKS.write(connection, rows)
    return ended
