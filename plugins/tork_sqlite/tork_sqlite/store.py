"""The opened file: its lock, its threads, and what the connections of one process share."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
import stat
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path

from tork_core.errors import UsageError
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.leases import Leases
from tork_sqlite.commits import Positions
from tork_sqlite.lock import locked
from tork_sqlite.reader import Reader
from tork_sqlite.schema import migrate
from tork_sqlite.spec_cache import SpecCache
from tork_sqlite.troubles import unusable
from tork_sqlite.writer import Writer

_PATIENCE = 5.0
"""Seconds to wait for another program, such as one that makes a backup."""


class SqliteStore:
    """One writer; a reader for what the engine waits for, and one for what people look through."""

    def __init__(
        self, path: Path, environment: Environment, writer: Writer, hot: Reader, slow: Reader,
        positions: Positions,
    ) -> None:  # fmt: skip
        self.path = path
        self.writer = writer
        self.hot = hot
        self.slow = slow
        self.positions = positions
        self.leases = Leases()
        self.specs = SpecCache()
        self._environment = environment

    def now(self) -> datetime:
        """The datastore's time."""
        return self._environment.now()


@asynccontextmanager
async def open_store(path: str, environment: Environment) -> AsyncGenerator[SqliteStore, None]:
    """Open a database for this process alone.

    Raises UsageError, with what to do, if it cannot be used.
    """
    database = _resolved(path)
    with contextlib.ExitStack() as stack:
        stack.enter_context(locked(database))
        connections, positions = await asyncio.to_thread(_connect, database)
        for connection in connections:
            stack.callback(connection.close)
        async with contextlib.AsyncExitStack() as threads:
            writer = Writer(connections[0], database)
            threads.push_async_callback(writer.close)
            hot = Reader(connections[1], database, "tork-sqlite-read")
            threads.push_async_callback(hot.close)
            slow = Reader(connections[2], database, "tork-sqlite-list")
            threads.push_async_callback(slow.close)
            yield SqliteStore(database, environment, writer, hot, slow, positions)


def _resolved(path: str) -> Path:
    """Return the one name of a database, however it is written."""
    database = Path(os.path.realpath(path))
    if not database.parent.is_dir():
        raise UsageError(
            f"{database.parent}: there is no such folder; make it, or name another file with "
            "--sqlite-path"
        )
    try:
        found = database.stat()
    except FileNotFoundError:
        return database
    except OSError as error:
        raise UsageError(f"{database}: {error.strerror}") from None
    if not stat.S_ISREG(found.st_mode):
        raise UsageError(f"{database}: it is no file; name another one with --sqlite-path")
    if found.st_nlink > 1:
        raise UsageError(
            f"{database}: it has several names (hard links), under which SQLite would spoil it; "
            "leave it one"
        )
    return database


def _connect(database: Path) -> tuple[list[sqlite3.Connection], Positions]:
    """Open the connections, one that writes and two that read; and see which positions are given.

    Raises UsageError.
    """
    try:
        # What jobs hold is nobody else's to read; SQLite gives the files beside it the same mode.
        os.close(os.open(database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        raise UsageError(
            f"{database}: it cannot be written: {error.strerror}; name another file with "
            "--sqlite-path"
        ) from None
    with contextlib.ExitStack() as opened:
        try:
            writer = _connection(database, opened)
            (mode,) = writer.execute("PRAGMA journal_mode = WAL").fetchone()
            if mode != "wal":
                raise UsageError(
                    f"{database}: the file system does not let SQLite keep a write-ahead log; put "
                    "the database on a local disk"
                )
            migrate(writer, database)
            positions = Positions.of(writer)
            readers = [_connection(database, opened) for _ in range(2)]
            for reader in readers:
                reader.execute("PRAGMA query_only = ON")
        except sqlite3.Error as error:
            raise unusable(database, error) from error
        opened.pop_all()
    return [writer, *readers], positions


def _connection(database: Path, opened: contextlib.ExitStack) -> sqlite3.Connection:
    connection = sqlite3.connect(
        database,
        timeout=_PATIENCE,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    opened.callback(connection.close)
    # FULL: what was answered survives the loss of power, for one fsync a transaction.
    connection.executescript(
        "PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint = 2000; "
        "PRAGMA journal_size_limit = 67108864; PRAGMA cache_size = -32768; "
        "PRAGMA temp_store = MEMORY;"
    )
    return connection
