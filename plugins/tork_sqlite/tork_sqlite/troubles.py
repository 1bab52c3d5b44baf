"""What SQLite's errors mean, in words for the user."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from tork_core.errors import Unavailable, UsageError

_MEANINGS = (
    ("SQLITE_FULL", "the disk is full; make room, and the work goes on by itself"),
    ("SQLITE_IOERR", "the disk does not read or write as it should; look at the kernel's log"),
    ("SQLITE_READONLY", "it cannot be written; see to the rights of the file and its folder"),
    ("SQLITE_CANTOPEN", "it cannot be opened; see to the rights of the file and its folder"),
    ("SQLITE_NOTADB", "it is no SQLite database; name another file with --sqlite-path"),
    ("SQLITE_CORRUPT", "it is damaged; put a backup in its place, or name another file"),
    ("SQLITE_BUSY", "another program has locked it for too long; end that one"),
)


_ASKED = (
    sqlite3.DataError,
    sqlite3.IntegrityError,
    sqlite3.NotSupportedError,
    sqlite3.ProgrammingError,
)


def is_the_database(error: BaseException) -> bool:
    """Whether the database has failed (the disk, a damaged file), and not what was asked of it."""
    return isinstance(error, sqlite3.DatabaseError) and not isinstance(error, _ASKED)


def meaning(error: sqlite3.Error) -> str:
    """Return what an error means and what to do, with SQLite's own words after it."""
    name = getattr(error, "sqlite_errorname", "")
    for prefix, words in _MEANINGS:
        if name.startswith(prefix):
            return f"{words} ({error})"
    return str(error)


def unavailable(path: Path, error: sqlite3.Error) -> Unavailable:
    """The error of a database that was opened and does not work now."""
    return Unavailable("datastore", f"{path}: {meaning(error)}")


def unusable(path: Path, error: sqlite3.Error) -> UsageError:
    """The error of a database that cannot be opened."""
    return UsageError(f"{path}: {meaning(error)}")
