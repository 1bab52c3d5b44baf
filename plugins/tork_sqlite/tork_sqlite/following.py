"""Reading on: the events of a job and of all, marks, and logs; and writing log parts."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from datetime import datetime

import msgspec

from tork_core.interfaces.datastore import FeedItem, LogPage
from tork_core.model.job import Event, JobId, LogPart, TaskId
from tork_sqlite.bulk import Bulk
from tork_sqlite.rows import encode, micros, moment

# Events of a deleted job are nobody's, though they may not all be removed yet.
_EVENTS = """
SELECT CAST('[' || group_concat(row) || ']' AS BLOB) FROM (
    SELECT row FROM events WHERE job_id = ?1 AND last > ?2
    AND EXISTS (SELECT 1 FROM jobs WHERE id = ?1) ORDER BY last LIMIT ?3
)
"""
_FEED = """
SELECT CAST('[' || group_concat('[' || position || ',' || row || ']') || ']' AS BLOB) FROM (
    SELECT position, row FROM events WHERE position > ?1 ORDER BY position LIMIT ?2
)
"""
_MOVE_MARK = """
INSERT INTO marks VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET position = excluded.position
WHERE excluded.position > position
"""
_APPEND = Bulk(
    "logs (job_id, task_id, attempt, number, created, row)",
    6,
    "ON CONFLICT (job_id, task_id, attempt, number) DO NOTHING",
    also="EXISTS (SELECT 1 FROM jobs WHERE id = column1)",
)


def _log_statement(key: str, order: str) -> str:
    return f"""
    SELECT CAST('[' || group_concat('[' || cursor || ',' || created || ',' || row || ']') || ']'
        AS BLOB)
    FROM (
        SELECT cursor, created, row FROM logs
        WHERE {key} = :key AND job_id = :job_id AND cursor > :after AND cursor <= :until
        AND EXISTS (SELECT 1 FROM jobs WHERE id = :job_id)
        ORDER BY cursor {order} LIMIT :limit OFFSET :offset
    )"""


_READ = {key: _log_statement(key, "ASC") for key in ("job_id", "task_id")}
_PAGE = {key: _log_statement(key, "DESC") for key in ("job_id", "task_id")}
_COUNT = {
    key: f"SELECT count(*) FROM logs WHERE {key} = :key AND job_id = :job_id AND cursor <= :until "
    "AND EXISTS (SELECT 1 FROM jobs WHERE id = :job_id)"
    for key in ("job_id", "task_id")
}
_NEWEST = 2**62

_decode_events = msgspec.json.Decoder(list[list[Event]]).decode
_decode_feed = msgspec.json.Decoder(list[tuple[int, list[Event]]]).decode
_decode_log = msgspec.json.Decoder(list[tuple[int, int, LogPart]]).decode


def events(connection: sqlite3.Connection, job_id: JobId, after: int, limit: int) -> list[Event]:
    """Load events of a job with numbers above ``after``."""
    (rows,) = connection.execute(_EVENTS, (job_id, after, limit)).fetchone()
    found = [event for commit in (_decode_events(rows) if rows else []) for event in commit]
    found.sort(key=lambda event: event.number)
    return [event for event in found if event.number > after][:limit]


def feed(connection: sqlite3.Connection, after: int, limit: int) -> list[FeedItem]:
    """Load events of all jobs with positions above ``after``."""
    (rows,) = connection.execute(_FEED, (after, limit)).fetchone()
    items: list[FeedItem] = []
    for last, commit in sorted(_decode_feed(rows), key=lambda row: row[0]) if rows else []:
        first = last - len(commit) + 1
        items += [FeedItem(first + place, event) for place, event in enumerate(commit)]
    return [item for item in items if item.position > after][:limit]


def mark(connection: sqlite3.Connection, name: str) -> int:
    """Load a mark."""
    found = connection.execute("SELECT position FROM marks WHERE name = ?", (name,)).fetchone()
    return found[0] if found else 0


def move_mark(connection: sqlite3.Connection, name: str, position: int) -> None:
    """Move a mark on, never back."""
    connection.execute(_MOVE_MARK, (name, position))


def append_log(connection: sqlite3.Connection, parts: Sequence[LogPart], now: datetime) -> None:
    """Store log parts of jobs that exist, each once."""
    created = micros(now)
    rows = [
        (part.job_id, part.task_id, part.attempt, part.number, created, encode(part))
        for part in parts
    ]
    _APPEND.write(connection, rows)


def log(
    connection: sqlite3.Connection, job_id: JobId, task_id: TaskId | None, after: int, limit: int
) -> list[LogPart]:
    """Load log parts with cursors above ``after``."""
    key, arguments = _arguments(job_id, task_id, after=after, limit=limit)
    return _parts(connection.execute(_READ[key], arguments).fetchone()[0])


def log_page(
    connection: sqlite3.Connection,
    job_id: JobId,
    task_id: TaskId | None,
    until: int | None,
    offset: int,
    limit: int,
) -> LogPage:
    """Load a page of log parts, the newest first."""
    key, arguments = _arguments(job_id, task_id, until=until, offset=offset, limit=limit)
    parts = _parts(connection.execute(_PAGE[key], arguments).fetchone()[0])
    total = connection.execute(_COUNT[key], arguments).fetchone()[0]
    return LogPage(total, parts[::-1])


def _arguments(
    job_id: JobId,
    task_id: TaskId | None,
    *,
    after: int = 0,
    until: int | None = None,
    offset: int = 0,
    limit: int = 0,
) -> tuple[str, dict[str, str | int]]:
    return "job_id" if task_id is None else "task_id", {
        "job_id": job_id,
        "key": job_id if task_id is None else task_id,
        "after": after,
        "until": _NEWEST if until is None else until,
        "offset": offset,
        "limit": limit,
    }


def _parts(rows: bytes | None) -> list[LogPart]:
    found = sorted(_decode_log(rows), key=lambda row: row[0]) if rows else []
    return [
        msgspec.structs.replace(part, cursor=cursor, created_at=moment(created))
        for cursor, created, part in found
    ]
