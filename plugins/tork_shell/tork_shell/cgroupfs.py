"""Reading and writing the kernel's files of a cgroup, and the words for what it refuses."""

from __future__ import annotations

import errno
import os
from pathlib import Path

ADVICE = "start it in one of its own, as systemd-run --scope -p Delegate=yes does"


def words(path: Path) -> list[str]:
    """Return the words of a file. Raises OSError."""
    return path.read_text().split()


def make(folder: Path) -> None:
    """Make a cgroup, if there is none. Raises OSError."""
    folder.mkdir(exist_ok=True)


def figure(path: Path, name: str) -> int:
    """Return a number from a file of names and numbers, or 0 if it does not have it."""
    try:
        lines = [line.split() for line in path.read_text().splitlines()]
    except OSError:
        return 0
    return next((int(line[1]) for line in lines if line[0] == name), 0)


def write(path: Path, text: str) -> None:
    """Write a file, which the kernel takes or refuses at once. Raises OSError that names it."""
    try:
        file = os.open(path, os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(file, text.encode())
        finally:
            os.close(file)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None


def why(error: OSError) -> str:
    """Say in words why the kernel would not let us."""
    path = os.fsdecode(error.filename or "the cgroup file system")
    match error.errno:
        case errno.EROFS:
            return f"{path} is mounted read-only"
        case errno.EACCES | errno.EPERM:
            return (
                f"user {os.geteuid()} may not write {path}: the worker needs to be root, or to "
                f"have a cgroup that was delegated to it ({ADVICE})"
            )
        case _:
            return f"{path}: {error.strerror}"
