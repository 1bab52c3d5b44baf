"""For runtimes: files that tell whether who made them lives, to find what the dead have left.

A file is locked as long as its owner's process lives; the kernel frees the lock when that ends,
however it ends.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import stat
import time
from collections.abc import Generator
from pathlib import Path

from tork_core.errors import UsageError

_PAUSE = 0.01


def prepare_folder(folder: Path, *, mode: int, runtime: str) -> None:
    """Make the state folder of a runtime, the folder of such files.

    Raises UsageError if it cannot be made, or somebody else could write what we believe.
    """
    what = f"the state folder of the {runtime} runtime"
    try:
        folder.mkdir(mode=mode, parents=True, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        raise UsageError(f"{what} cannot be made: {error}") from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise UsageError(
            f"{folder}: {what} must be a folder of the worker's own user that no one else may write"
        )


def create_locked(path: Path) -> int:
    """Make an owner's file and hold its lock; returns it open, to be closed by the owner."""
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        # Between these lines another one that starts may take our file for a dead owner's. Then
        # it removes the file, and lets go of it.
        if try_lock(file) and os.fstat(file).st_nlink:
            return file
        os.close(file)
        time.sleep(_PAUSE)


@contextlib.contextmanager
def locked(path: Path) -> Generator[int | None]:
    """Open a file and hold its lock; gives None if its owner lives, or it is gone."""
    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield None
        return
    try:
        yield file if try_lock(file) else None
    finally:
        os.close(file)


def try_lock(file: int) -> bool:
    """Take the lock of an open file; False if somebody else holds it."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
