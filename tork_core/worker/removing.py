"""Removing what tasks have left: trees of any depth, with folders that are closed, and odd files.

A tree is taken apart from the top: a folder that is found in another is first moved up into the
tree's own folder. So no path grows long, and no more than two folders are open at a time, however
deep a task has built. Nothing is followed: neither a link, nor a name that is replaced meanwhile.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import structlog

_log = structlog.get_logger()

_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_ALL_OURS = 0o700


def remove_tree(path: Path) -> None:
    """Remove a tree, or whatever else has this name; what cannot be removed is logged and left."""
    removal = _Removal()
    try:
        if path.is_symlink() or not path.is_dir():
            path.unlink(missing_ok=True)
            return
        with _opened(str(path)) as top:
            removal.empty(top)
        path.rmdir()
    except FileNotFoundError:
        return
    except OSError as error:
        removal.note(error)
    if removal.first is not None:
        _log.warning(
            "scratch.left", folder=str(path), error=str(removal.first), failures=removal.failures
        )


class _Removal:
    """The removal of one tree, and what went wrong in it."""

    def __init__(self) -> None:
        self.first: OSError | None = None
        self.failures = 0
        self._prefix = f".{secrets.token_hex(8)}-"  # no file of the task's has such a name
        self._numbers = count()

    def note(self, error: OSError) -> None:
        """Count what could not be done, and remember the first."""
        self.first = self.first or error
        self.failures += 1

    def empty(self, top: int) -> None:
        """Remove all that is in the folder ``top``."""
        waiting = list(self._strip(top, top))
        while waiting:
            name = waiting.pop()
            try:
                with _opened(name, top) as folder:
                    waiting.extend(self._strip(folder, top))
                os.rmdir(name, dir_fd=top)
            except OSError as error:
                self.note(error)

    def _strip(self, folder: int, top: int) -> Iterator[str]:
        """Remove the files of a folder, and give the folders in it, which now stand in ``top``."""
        with os.scandir(folder) as entries:
            found = [(entry.name, entry.is_dir(follow_symlinks=False)) for entry in entries]
        for name, is_folder in found:
            try:
                if not is_folder:
                    os.unlink(name, dir_fd=folder)
                elif folder == top:
                    yield name
                else:
                    yield self._moved(name, folder, top)
            except OSError as error:
                self.note(error)

    def _moved(self, name: str, folder: int, top: int) -> str:
        new = f"{self._prefix}{next(self._numbers)}"
        try:
            os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)
        except PermissionError:
            # To move a folder its owner, too, has to have the right to write to it.
            os.chmod(name, _ALL_OURS, dir_fd=folder)
            os.rename(name, new, src_dir_fd=folder, dst_dir_fd=top)
        return new


@contextmanager
def _opened(name: str, within: int | None = None) -> Generator[int]:
    """Open a folder; one that is closed to its owner is opened up first."""
    try:
        folder = os.open(name, _FOLDER, dir_fd=within)
    except PermissionError:
        os.chmod(name, _ALL_OURS, dir_fd=within)
        folder = os.open(name, _FOLDER, dir_fd=within)
    try:
        if os.fstat(folder).st_mode & _ALL_OURS != _ALL_OURS and os.geteuid() != 0:
            os.fchmod(folder, _ALL_OURS)
        yield folder
    finally:
        os.close(folder)
