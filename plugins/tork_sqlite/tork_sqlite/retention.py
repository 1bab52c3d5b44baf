"""Deleting what is too old, in the background and in small pieces."""

from __future__ import annotations

import asyncio
import sqlite3
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import timedelta

import msgspec
import structlog

from tork_core.errors import Unavailable
from tork_sqlite.nodes import forget
from tork_sqlite.removal import STEP, clear_some, doom
from tork_sqlite.rows import micros
from tork_sqlite.store import SqliteStore

INTERVAL = 60.0
"""Seconds between two looks, when there is nothing more to delete."""

HOLD = 0.02
"""Seconds for which one deletion holds the writer, about."""

REST = 4.0
"""How many times as long as that the writer is left to others then."""

DAY = timedelta(days=1)

# The first that came: in no order SQLite would take them by an index, the oldest job's first.
_OLD_LOGS = f"""
DELETE FROM logs
WHERE created < ?1 AND cursor IN (SELECT cursor FROM logs ORDER BY cursor LIMIT {STEP})
"""
# What was claimed so long ago says nothing any more of what waits now.
_OLD_CLAIMS = "DELETE FROM claimed WHERE published < ?"

_log = structlog.get_logger(__name__)


class Kept(msgspec.Struct, frozen=True):
    """Seconds for which jobs are kept after their end, and logs after they came."""

    jobs: float
    logs: float


class Retention:
    """Deletes from a store what is older than it is kept."""

    def __init__(self, store: SqliteStore, kept: Kept) -> None:
        self._store = store
        self._kept = kept

    async def run(self) -> None:
        """Look again and again, for ever."""
        while True:
            try:
                await self.sweep()
            except Unavailable as error:
                _log.warning("sqlite.retention", error=str(error))
            await asyncio.sleep(INTERVAL)

    async def sweep(self) -> None:
        """Delete all that is too old now."""
        await self._store.writer.run(self._tidy)
        for some in (self._some_logs, self._some_jobs):
            more = True
            while more:
                began = time.monotonic()
                more = await self._store.writer.run(some)
                await asyncio.sleep(REST * (time.monotonic() - began) if more else 0)

    # -- in the writer

    def _tidy(self, connection: sqlite3.Connection) -> None:
        forget(connection)
        connection.execute(_OLD_CLAIMS, (micros(self._store.now() - DAY),))

    def _some_logs(self, connection: sqlite3.Connection) -> bool:
        before = self._before(self._kept.logs)
        enough = _enough()
        while connection.execute(_OLD_LOGS, (before,)).rowcount == STEP:
            if enough():
                return True
        return False

    def _some_jobs(self, connection: sqlite3.Connection) -> bool:
        before = self._before(self._kept.jobs)
        enough = _enough()
        if clear_some(connection, enough):
            return True
        return bool(doom(connection, before, STEP))

    def _before(self, seconds: float) -> int:
        """Return when that was, as it is stored. It may be longer than there were dates."""
        return max(0, micros(self._store.now()) - round(seconds * 1_000_000))


def _enough() -> Callable[[], bool]:
    until = time.monotonic() + HOLD
    return lambda: time.monotonic() >= until


@asynccontextmanager
async def retaining(store: SqliteStore, kept: Kept) -> AsyncGenerator[None, None]:
    """Delete beside the caller what is too old."""
    task = asyncio.create_task(Retention(store, kept).run(), name="sqlite retention")
    task.add_done_callback(_tell_fault)
    try:
        yield
    finally:
        task.cancel()
        await asyncio.wait([task])


def _tell_fault(task: asyncio.Task[None]) -> None:
    """Say that nothing is deleted any more: who sees the file grow has to know why."""
    if not task.cancelled() and (fault := task.exception()) is not None:
        _log.error("sqlite.retention_failed", exc_info=fault)
