"""A thread that reads, on a connection of its own: it waits for no writer, and none for it."""

from __future__ import annotations

import sqlite3

from tork_sqlite.batching import BatchingThread, Operation
from tork_sqlite.troubles import unavailable


class Reader(BatchingThread):
    """Reads; each read sees what was committed before it began, and all of it."""

    most = 50

    def carry_out(self, batch: list[Operation]) -> None:
        """Run reads one after another."""
        for operation in batch:
            try:
                operation.value = operation.work(self.connection)
            except sqlite3.Error as error:
                operation.error = unavailable(self.path, error)
            except Exception as error:  # noqa: BLE001 -- it is its caller's
                operation.error = error
