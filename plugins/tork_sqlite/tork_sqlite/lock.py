"""One process to a file: a lock that the kernel frees when its holder ends, however it ends."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Generator
from pathlib import Path

from tork_core.errors import UsageError

SUFFIX = ".lock"


@contextlib.contextmanager
def locked(database: Path) -> Generator[None]:
    """Hold the lock of a database, whose path is resolved: two names of it are one lock.

    The lock is on a file beside the database, because SQLite would lose its own locks if the
    database itself were opened and closed here. That file stays: to remove it would let two
    processes hold locks on two files of one name. Raises UsageError if somebody else holds it.
    """
    path = database.with_name(database.name + SUFFIX)
    try:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except OSError as error:
        raise UsageError(f"{path}: the database cannot be locked: {error.strerror}") from None
    try:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise UsageError(
                f"{database} is in use by another process{_holder(file)}; end that one, or name "
                "another file with --sqlite-path"
            ) from None
        except OSError as error:
            raise UsageError(
                f"{path}: the file system has no locks ({error.strerror}); put the database on a "
                "local disk"
            ) from None
        _sign(file)
        yield
    finally:
        os.close(file)


def _sign(file: int) -> None:
    # A full disk is told of by the database itself, in better words.
    with contextlib.suppress(OSError):
        os.ftruncate(file, 0)
        os.pwrite(file, f"{os.getpid()}\n".encode(), 0)


def _holder(file: int) -> str:
    text = os.pread(file, 32, 0).strip()
    return f" (pid {text.decode()})" if text.isdigit() else ""
