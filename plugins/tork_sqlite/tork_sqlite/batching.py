"""A thread that does what is queued, all that is there at a time.

To go to a thread and back costs more than most of what is done there, because the event loop and
the thread fight for the interpreter. So operations that come together go and come back together.
"""

from __future__ import annotations

import asyncio
import contextlib
import sqlite3
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from queue import Empty, SimpleQueue
from typing import Any, TypeVar

import structlog

from tork_core.errors import Unavailable

T = TypeVar("T")
Work = Callable[[sqlite3.Connection], T]

QUEUED = 1_000
"""Operations that may be queued; who comes then waits for room."""

_log = structlog.get_logger(__name__)


class Operation:
    """Work, and what became of it."""

    __slots__ = ("answer", "error", "value", "work")

    def __init__(self, work: Work[Any], answer: asyncio.Future[Any]) -> None:
        self.work = work
        self.answer = answer
        self.value: Any = None
        self.error: Exception | None = None


class BatchingThread(ABC):
    """Runs operations on a connection of its own, in their order."""

    most = QUEUED
    """Operations that are taken at once; none is answered before the last of them is done."""

    def __init__(self, connection: sqlite3.Connection, path: Path, name: str) -> None:
        self.connection = connection
        self.path = path
        self._loop = asyncio.get_running_loop()
        self._room = asyncio.Semaphore(QUEUED)
        self._queue: SimpleQueue[Operation | None] = SimpleQueue()
        self._thread = threading.Thread(target=self._work, name=name, daemon=True)
        self._closed = False
        self._thread.start()

    async def run(self, work: Work[T]) -> T:
        """Run an operation, and return when it is done.

        Raises what the operation raises, and Unavailable if the disk fails or the thread is closed.
        """
        async with self._room:
            if self._closed:
                raise Unavailable("datastore", "the connection is closed")
            operation = Operation(work, self._loop.create_future())
            self._queue.put(operation)
            return await operation.answer

    async def close(self) -> None:
        """Finish what is queued, and end the thread."""
        self._closed = True
        self._queue.put(None)
        await asyncio.to_thread(self._thread.join)

    # -- in the thread

    @abstractmethod
    def carry_out(self, batch: list[Operation]) -> None:
        """Do what a batch asks for, and leave value or error with each operation."""

    def _work(self) -> None:
        going = True
        while going:
            batch, going = self._take()
            if not batch:
                continue
            try:
                self.carry_out(batch)
            except Exception as error:  # noqa: BLE001 -- or the thread would die silently
                # Nobody may wait for ever, and whatever it was, the next batch may do better.
                _log.exception("sqlite.failed")
                fail(batch, Unavailable("datastore", f"{type(error).__name__}: {error}"))
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody waits
                self._loop.call_soon_threadsafe(_answer, batch)

    def _take(self) -> tuple[list[Operation], bool]:
        """Wait for an operation, and take those that are there with it; False after the last."""
        batch: list[Operation] = []
        found = self._queue.get()
        try:
            while found is not None:
                batch.append(found)
                if len(batch) == self.most:
                    return batch, True
                found = self._queue.get_nowait()
        except Empty:
            return batch, True
        return batch, False


def fail(batch: list[Operation], error: Exception) -> None:
    """Let all of a batch have failed by one error."""
    for operation in batch:
        operation.error = error


def _answer(batch: list[Operation]) -> None:
    for operation in batch:
        if operation.answer.done():
            continue
        if operation.error is not None:
            operation.answer.set_exception(operation.error)
        else:
            operation.answer.set_result(operation.value)
