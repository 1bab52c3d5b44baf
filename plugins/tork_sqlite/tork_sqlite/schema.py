"""The tables, and how a file of an older version becomes one of this version.

Rows are the JSON of the core's structs; beside them stand the few columns that are looked for.
Times are whole microseconds since 1970. One statement reads many rows as one value (a JSON array
put together by SQLite), because every row that Python steps to costs a fight for the interpreter
with a busy event loop.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from tork_core.errors import UsageError

APPLICATION = 0x746F726B
"""What marks a file as ours: ``tork``."""

ACTIVE, ENDED, FAILED = 1, 0, 2
"""A task's ``stage``: those that are active are counted, those that failed are listed."""

# tasks.wait is due less published, for a SCHEDULED task with a due time: of those that wait
# equally long the first published is the first due, so that the lane index answers both.
# tasks.node is that of a RUNNING task's claim. events: all that one commit wrote of one job is one
# row, under the position of the last. doomed: jobs that are deleted, and what is left of them.
_FIRST = """
CREATE TABLE jobs (
    id TEXT PRIMARY KEY, created INTEGER NOT NULL, version INTEGER NOT NULL, due INTEGER,
    ended INTEGER, row BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX job_created ON jobs (created, id);
CREATE INDEX job_due ON jobs (due) WHERE due IS NOT NULL;
CREATE INDEX job_ended ON jobs (ended) WHERE ended IS NOT NULL;
CREATE TABLE job_specs (job_id TEXT PRIMARY KEY, row BLOB NOT NULL) WITHOUT ROWID;

CREATE TABLE tasks (
    id TEXT PRIMARY KEY, job_id TEXT NOT NULL, path TEXT NOT NULL, stage INTEGER NOT NULL,
    queue TEXT NOT NULL, priority INTEGER NOT NULL, published INTEGER, wait INTEGER,
    pending INTEGER, node TEXT, row BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX task_path ON tasks (job_id, path);
CREATE INDEX task_active ON tasks (job_id) WHERE stage = 1;
CREATE INDEX task_failed ON tasks (job_id) WHERE stage = 2;
CREATE INDEX task_lane ON tasks (queue, priority, wait, published) WHERE wait IS NOT NULL;
CREATE INDEX task_pending ON tasks (pending) WHERE pending IS NOT NULL;
CREATE INDEX task_node ON tasks (node) WHERE node IS NOT NULL;
CREATE TABLE task_specs (
    task_id TEXT PRIMARY KEY, job_id TEXT NOT NULL, row BLOB NOT NULL
) WITHOUT ROWID;
CREATE TABLE claimed (
    queue TEXT NOT NULL, priority INTEGER NOT NULL, published INTEGER NOT NULL,
    PRIMARY KEY (queue, priority)
) WITHOUT ROWID;

CREATE TABLE events (
    position INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT NOT NULL, last INTEGER NOT NULL,
    row BLOB NOT NULL
);
CREATE INDEX event_job ON events (job_id, last);
CREATE TABLE marks (name TEXT PRIMARY KEY, position INTEGER NOT NULL) WITHOUT ROWID;

CREATE TABLE logs (
    cursor INTEGER PRIMARY KEY AUTOINCREMENT, job_id TEXT NOT NULL, task_id TEXT NOT NULL,
    attempt INTEGER NOT NULL, number INTEGER NOT NULL, created INTEGER NOT NULL, row BLOB NOT NULL
);
CREATE INDEX log_job ON logs (job_id);
CREATE INDEX log_task ON logs (task_id);
CREATE UNIQUE INDEX log_part ON logs (job_id, task_id, attempt, number);

CREATE TABLE nodes (
    id TEXT PRIMARY KEY, gone INTEGER, listed INTEGER NOT NULL, row BLOB NOT NULL
) WITHOUT ROWID;
CREATE INDEX node_listed ON nodes (id) WHERE listed = 1;
CREATE INDEX node_gone ON nodes (listed, gone) WHERE gone IS NOT NULL;

CREATE TABLE doomed (job_id TEXT PRIMARY KEY) WITHOUT ROWID;
"""

MIGRATIONS: Sequence[str] = (_FIRST,)
"""Each takes the file one version further. What stands here once has been run: only add."""


def migrate(
    connection: sqlite3.Connection, path: Path, migrations: Sequence[str] = MIGRATIONS
) -> None:
    """Bring an opened file up to this version, each step whole or not at all.

    Raises UsageError for a file of a newer version, or of another program.
    """
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (tables,) = connection.execute("SELECT count(*) FROM sqlite_schema").fetchone()
    if application != APPLICATION and (application or version or tables):
        raise UsageError(
            f"{path}: it is another program's database; name another file with --sqlite-path"
        )
    if version > len(migrations):
        raise UsageError(
            f"{path}: it is of version {version}, and this tork knows no version above "
            f"{len(migrations)}; use the tork that wrote it, or a newer one"
        )
    for number in range(version, len(migrations)):
        connection.executescript(
            f"BEGIN IMMEDIATE; {migrations[number]}; PRAGMA application_id = {APPLICATION}; "
            f"PRAGMA user_version = {number + 1}; COMMIT;"
        )
