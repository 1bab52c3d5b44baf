"""Removing what belongs to deleted jobs, a little at a time.

A job is deleted by its row, and with that nobody finds it any more. Its id stands in ``doomed``
until the last of its tasks, events and log parts is gone.
"""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Sequence

from tork_core.model.job import JobId

STEP = 200
"""Rows that one statement deletes."""

_PARTS = (("logs", "cursor"), ("events", "position"), ("tasks", "id"))
"""The specifications of tasks are found through the tasks, with which they go."""


def doom(connection: sqlite3.Connection, before: int, limit: int) -> list[JobId]:
    """Delete the rows of at most ``limit`` jobs that ended before a time; returns their ids."""
    found = connection.execute(
        "SELECT json_group_array(id) FROM "
        "(SELECT id FROM jobs WHERE ended < ? ORDER BY ended LIMIT ?)",
        (before, limit),
    ).fetchone()[0]
    connection.execute("INSERT INTO doomed SELECT value FROM json_each(?)", (found,))
    for table, key in (("job_specs", "job_id"), ("jobs", "id")):
        connection.execute(
            f"DELETE FROM {table} WHERE {key} IN (SELECT value FROM json_each(?))", (found,)
        )
    return json.loads(found)


def clear_some(connection: sqlite3.Connection, enough: Callable[[], bool]) -> bool:
    """Remove what is left of deleted jobs, at least some, until it is ``enough``; False when
    nothing is left."""
    while True:
        found = connection.execute("SELECT job_id FROM doomed LIMIT 1").fetchone()
        if found is None:
            return False
        if not _clear_step(connection, found[0]):
            connection.execute("DELETE FROM doomed WHERE job_id = ?", found)
        if enough():
            return True


def clear(connection: sqlite3.Connection, job_ids: Sequence[JobId]) -> None:
    """Remove all that is left of jobs whose ids are used again."""
    for job_id in job_ids:
        if connection.execute("DELETE FROM doomed WHERE job_id = ?", (job_id,)).rowcount:
            while _clear_step(connection, job_id):
                pass


def _clear_step(connection: sqlite3.Connection, job_id: JobId) -> bool:
    """Delete some rows of a job; False if there were none."""
    for table, key in _PARTS:
        some = f"(SELECT {key} FROM {table} WHERE job_id = ? LIMIT {STEP})"
        if table == "tasks":
            connection.execute(f"DELETE FROM task_specs WHERE task_id IN {some}", (job_id,))
        deleted = connection.execute(f"DELETE FROM {table} WHERE {key} IN {some}", (job_id,))
        if deleted.rowcount:
            return True
    return False
