"""A thread that reads, on a connection of its own: it waits for no writer, and none for it."""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from tork_core.errors import Unavailable
from tork_sqlite.troubles import unavailable

T = TypeVar("T")

QUEUED = 1_000
"""Reads that may be queued; who comes then waits for room."""


class Reader:
    """Runs reads in their order. Each sees what was committed before it began, and all of it."""

    def __init__(self, connection: sqlite3.Connection, path: Path, name: str) -> None:
        self._connection = connection
        self._path = path
        self._room = asyncio.Semaphore(QUEUED)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=name)
        self._closed = False

    async def run(self, read: Callable[[sqlite3.Connection], T]) -> T:
        """Run a read. Raises Unavailable if the disk fails, or the reader is closed."""
        loop = asyncio.get_running_loop()
        async with self._room:
            if self._closed:
                raise Unavailable("datastore", "the connection is closed")
            try:
                return await loop.run_in_executor(self._thread, read, self._connection)
            except sqlite3.Error as error:
                raise unavailable(self._path, error) from error

    async def close(self) -> None:
        """Finish what is queued, and end the thread."""
        self._closed = True
        await asyncio.to_thread(self._thread.shutdown)
