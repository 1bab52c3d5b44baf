"""What the sweeper asks for. No cost grows with what is not asked for."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Collection
from datetime import datetime
from heapq import merge
from itertools import islice

import msgspec

from tork_core.interfaces.datastore import Due, HeldTask, Waiting
from tork_core.model.job import JobId, TaskId
from tork_sqlite.rows import decode_tasks, micros, moment

TaskKey = tuple[JobId, TaskId]

_DUE_JOBS = """
SELECT json_group_array(id) FROM (SELECT id FROM jobs WHERE due <= ? ORDER BY due, id LIMIT ?)
"""
_DUE_TASKS = """
SELECT json_group_array(json_array(job_id, id)) FROM
(SELECT job_id, id FROM tasks WHERE pending <= ? ORDER BY pending, id LIMIT ?)
"""
_ACTIVE = """
SELECT json_group_array(json_array(job_id, id)) FROM (
    SELECT job_id, id FROM tasks INDEXED BY task_active
    WHERE stage = 1 AND (job_id, id) > (?, ?) ORDER BY job_id, id LIMIT ?
)
"""
# From the first of one group to the first of the next, however many there are between.
_NEXT_GROUP = """
SELECT queue, priority, wait, published FROM tasks INDEXED BY task_lane
WHERE wait IS NOT NULL AND (queue, priority, wait) > (?, ?, ?)
ORDER BY queue, priority, wait, published LIMIT 1
"""
_OVERDUE = """
SELECT json_group_array(json_array(published, job_id, id)) FROM (
    SELECT published, job_id, id FROM tasks INDEXED BY task_lane
    WHERE wait IS NOT NULL AND queue = ? AND priority = ? AND wait = ? AND published <= ?
    ORDER BY published, id LIMIT ?
)
"""
_RUNNING = """
SELECT CAST('[' || group_concat(t.row) || ']' AS BLOB) FROM json_each(?) k
CROSS JOIN tasks t INDEXED BY task_node ON t.node = k.value AND t.node IS NOT NULL
"""
_NEXT_NODE = """
SELECT node FROM tasks INDEXED BY task_node
WHERE node IS NOT NULL AND node > ? ORDER BY node LIMIT 1
"""

_BEFORE_ALL = ("", -(2**63), 0)

_decode_keys = msgspec.json.Decoder(list[TaskKey]).decode
_decode_overdue = msgspec.json.Decoder(list[tuple[int, JobId, TaskId]]).decode


def due(connection: sqlite3.Connection, now: datetime, limit: int) -> Due:
    """The jobs and PENDING tasks whose time has come."""
    arguments = micros(now), limit
    (jobs,) = connection.execute(_DUE_JOBS, arguments).fetchone()
    (tasks,) = connection.execute(_DUE_TASKS, arguments).fetchone()
    return Due(now=now, jobs=json.loads(jobs), tasks=_decode_keys(tasks))


def active(connection: sqlite3.Connection, after: TaskKey | None, limit: int) -> list[TaskKey]:
    """The active tasks behind one of them, by job and id."""
    (rows,) = connection.execute(_ACTIVE, (*(after or ("", "")), limit)).fetchone()
    return _decode_keys(rows)


def waiting(connection: sqlite3.Connection, now: datetime) -> list[Waiting]:
    """Sum up the due SCHEDULED tasks, by queue and priority."""
    at = micros(now)
    oldest: dict[tuple[str, int], int] = {}
    for queue, priority, wait, published in _groups(connection):
        if published + wait <= at:
            lane = queue, priority
            oldest[lane] = min(oldest.get(lane, published), published)
    return [
        Waiting(
            queue=queue,
            priority=priority,
            oldest=moment(published),
            newest_claimed=_newest_claimed(connection, queue, priority),
        )
        for (queue, priority), published in sorted(oldest.items())
    ]


def overdue(
    connection: sqlite3.Connection,
    queue: str,
    priority: int,
    *,
    now: datetime,
    published_before: datetime,
    limit: int,
) -> list[TaskKey]:
    """The due SCHEDULED tasks of a queue and priority that were published by a time."""
    found: list[list[tuple[int, JobId, TaskId]]] = []
    for wait in _waits(connection, queue, priority):
        until = min(micros(published_before), micros(now) - wait)
        arguments = queue, priority, wait, until, limit
        (rows,) = connection.execute(_OVERDUE, arguments).fetchone()
        found.append(_decode_overdue(rows))
    return [(job_id, task_id) for _, job_id, task_id in islice(merge(*found), limit)]


def running(connection: sqlite3.Connection, nodes: Collection[str]) -> list[HeldTask]:
    """The RUNNING tasks that these nodes have claimed."""
    if not nodes:
        return []
    (rows,) = connection.execute(_RUNNING, (json.dumps(sorted(set(nodes))),)).fetchone()
    return [
        HeldTask(task.job_id, task.id, task.attempt, task.claim)
        for task in (decode_tasks(rows) if rows else [])
        if task.claim is not None
    ]


def claimants(connection: sqlite3.Connection) -> list[str]:
    """The nodes that have claimed RUNNING tasks."""
    nodes: list[str] = []
    found = connection.execute(_NEXT_NODE, ("",)).fetchone()
    while found is not None:
        nodes.append(found[0])
        found = connection.execute(_NEXT_NODE, found).fetchone()
    return nodes


def _groups(connection: sqlite3.Connection) -> list[tuple[str, int, int, int]]:
    """The first published of those that wait equally long, for each queue and priority."""
    groups: list[tuple[str, int, int, int]] = []
    found = connection.execute(_NEXT_GROUP, _BEFORE_ALL).fetchone()
    while found is not None:
        groups.append(found)
        found = connection.execute(_NEXT_GROUP, found[:3]).fetchone()
    return groups


def _waits(connection: sqlite3.Connection, queue: str, priority: int) -> list[int]:
    waits: list[int] = []
    found = connection.execute(_NEXT_GROUP, (queue, priority, -(2**63))).fetchone()
    while found is not None and found[:2] == (queue, priority):
        waits.append(found[2])
        found = connection.execute(_NEXT_GROUP, found[:3]).fetchone()
    return waits


def _newest_claimed(connection: sqlite3.Connection, queue: str, priority: int) -> datetime | None:
    found = connection.execute(
        "SELECT published FROM claimed WHERE queue = ? AND priority = ?", (queue, priority)
    ).fetchone()
    return moment(found[0]) if found else None
