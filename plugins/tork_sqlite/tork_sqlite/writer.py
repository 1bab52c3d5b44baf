"""The one thread that writes: everything that is queued becomes one transaction, and one fsync."""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import structlog

from tork_core.errors import Unavailable
from tork_sqlite.troubles import is_the_database, unavailable

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

QUEUED = 1_000
"""Operations that may be queued; who comes then waits for room."""

_log = structlog.get_logger(__name__)


class _Operation:
    __slots__ = ("answer", "error", "value", "work")

    def __init__(self, work: Work[Any], answer: asyncio.Future[Any]) -> None:
        self.work = work
        self.answer = answer
        self.value: Any = None
        self.error: Exception | None = None


class Writer:
    """Runs operations on a connection of its own, in their order.

    What an operation returns is told after the commit. One that raises leaves nothing behind, and
    spares the others of its transaction; if SQLite itself fails, all of them fail together. An
    operation may be run twice, after the first run was rolled back: it changes nothing but the
    database.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(QUEUED)
        self._queue: SimpleQueue[_Operation | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name="tork-sqlite", daemon=True)
        self._closed = False
        self.transactions = 0
        """How many were committed, to see that operations share them."""
        self._thread.start()

    async def run(self, work: Work[T]) -> T:
        """Run an operation; returns when what it wrote is on the disk.

        Raises what the operation raises, and Unavailable if the disk fails or the writer is closed.
        """
        async with self._room:
            if self._closed:
                raise Unavailable("datastore", "the connection is closed")
            operation = _Operation(work, self._loop.create_future())
            self._queue.put(operation)
            return await operation.answer

    async def close(self) -> None:
        """Finish what is queued, and end the thread."""
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    # -- in the thread

    def _work(self) -> None:
        going = True
        while going:
            batch, going = self._take()
            if not batch:
                continue
            try:
                self._transact(batch)
            except Exception as error:  # noqa: BLE001 -- or the thread would die silently
                # Nobody may wait for ever, and whatever it was, the next batch may do better.
                self._roll_back()
                _log.exception("sqlite.failed")
                _fail(batch, Unavailable("datastore", f"{type(error).__name__}: {error}"))
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(_answer, batch)

    def _take(self) -> tuple[list[_Operation], bool]:
        """Wait for an operation, and take all that are there with it; False after the last."""
        batch: list[_Operation] = []
        found = self._queue.get()
        try:
            while found is not None:
                batch.append(found)
                found = self._queue.get_nowait()
        except Empty:
            return batch, True
        return batch, False

    def _transact(self, batch: list[_Operation]) -> None:
        try:
            if not self._all(batch):
                self._each(batch)
            self.transactions += 1
        except sqlite3.DatabaseError as error:
            self._roll_back()
            _fail(batch, unavailable(self._path, error))

    def _all(self, batch: list[_Operation]) -> bool:
        """Run a batch as it comes; False, and nothing is written, if an operation raises."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        try:
            for operation in batch:
                operation.value = operation.work(connection)
        except Exception as error:
            if is_the_database(error):
                raise
            self._roll_back()
            return False
        connection.execute("COMMIT")
        return True

    def _each(self, batch: list[_Operation]) -> None:
        """Run a batch in which an operation raises: it alone is undone."""
        connection = self._connection
        connection.execute("BEGIN IMMEDIATE")
        for operation in batch:
            connection.execute("SAVEPOINT operation")
            try:
                operation.value = operation.work(connection)
            except Exception as error:
                if is_the_database(error):
                    raise
                operation.error = error
                connection.execute("ROLLBACK TO operation")
            connection.execute("RELEASE operation")
        connection.execute("COMMIT")

    def _roll_back(self) -> None:
        with contextlib.suppress(sqlite3.Error):  # SQLite may have done it itself
            self._connection.execute("ROLLBACK")


def _fail(batch: list[_Operation], error: Exception) -> None:
    for operation in batch:
        operation.error = error


def _answer(batch: list[_Operation]) -> None:
    for operation in batch:
        if operation.answer.done():
            continue
        if operation.error is not None:
            operation.answer.set_exception(operation.error)
        else:
            operation.answer.set_result(operation.value)
