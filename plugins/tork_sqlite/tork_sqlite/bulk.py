"""Writing many rows by one statement.

Python gives up the interpreter at every step of a statement, and fights for it afterwards; so a
batch is a few steps, whatever its size.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from itertools import chain

from tork_sqlite.rows import Value, Values

_SIZES = (1, 4, 16, 64, 256)
"""Rows that a statement takes; what is missing is filled up, so that few have to be prepared."""


class Bulk:
    """An INSERT for any number of rows, none of which begins with NULL.

    ``table`` names the table and its columns, ``also`` is a further condition on the values (as
    ``column1`` and so on), ``conflict`` what becomes of rows that are there.
    """

    def __init__(self, table: str, columns: int, conflict: str = "", also: str = "TRUE") -> None:
        one = f"({', '.join('?' * columns)})"
        self._empty: Values = (None,) * columns
        self._statements = {
            size: f"INSERT INTO {table} SELECT * FROM (VALUES {', '.join([one] * size)}) "
            f"WHERE column1 IS NOT NULL AND {also} {conflict}"
            for size in _SIZES
        }

    def write(self, connection: sqlite3.Connection, rows: Sequence[Values]) -> None:
        """Write rows, in their order."""
        for start in range(0, len(rows), _SIZES[-1]):
            part = rows[start : start + _SIZES[-1]]
            size = next(size for size in _SIZES if size >= len(part))
            values: list[Value] = list(chain.from_iterable(part))
            values += self._empty * (size - len(part))
            connection.execute(self._statements[size], values)
