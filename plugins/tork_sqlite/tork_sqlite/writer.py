"""The one thread that writes: everything that is queued becomes one transaction, and one fsync."""

from __future__ import annotations

import contextlib
import sqlite3
from pathlib import Path

from tork_sqlite.batching import BatchingThread, Operation, fail
from tork_sqlite.troubles import is_the_database, unavailable


class Writer(BatchingThread):
    """Writes; what an operation returns is told after the commit.

    One that raises leaves nothing behind, and spares the others of its transaction; if SQLite
    itself fails, all of them fail together. An operation may be run twice, after the first run was
    rolled back: it changes nothing but the database.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.transactions = 0
        """How many were committed, to see that operations share them."""
        super().__init__(connection, path, "tork-sqlite")

    def carry_out(self, batch: list[Operation]) -> None:
        """Run a batch in one transaction."""
        committed = False
        try:
            if not self._all(batch):
                self._each(batch)
            committed = True
            self.transactions += 1
        except sqlite3.DatabaseError as error:
            fail(batch, unavailable(self.path, error))
        finally:
            if not committed:
                self._roll_back()

    def _all(self, batch: list[Operation]) -> bool:
        """Run a batch as it comes; False, and nothing is written, if an operation raises."""
        connection = self.connection
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

    def _each(self, batch: list[Operation]) -> None:
        """Run a batch in which an operation raises: it alone is undone."""
        connection = self.connection
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
            self.connection.execute("ROLLBACK")
