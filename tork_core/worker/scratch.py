"""Scratch folders: one private folder for an attempt that wants one, emptied after it.

An emptied folder is used again, since to make and remove one takes milliseconds on a busy disk.
All folders of a worker stand in one of its own, which the next worker removes if this one dies.
"""

from __future__ import annotations

import asyncio
import fcntl
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

import structlog

_log = structlog.get_logger()

_PREFIX = "tork-worker-"
_LOCK = "lock"
_FEW = 16
"""Up to so many plain files are removed on the loop; more are a thread's work."""


class Scratch:
    """The folder of one attempt, taken on the first call."""

    def __init__(self, root: ScratchRoot) -> None:
        self._root = root
        self._path: Path | None = None

    def __call__(self) -> Path:
        """The folder: empty, mode 0700, this process's own."""
        if self._path is None:
            self._path = self._root.take()
        return self._path

    async def remove(self) -> None:
        """Give the folder back; nothing of what is in it is left."""
        if self._path is not None:
            await self._root.give_back(self._path)


class ScratchRoot:
    """Holds a worker's scratch folders in ``temp_dir``; makes nothing before it is asked."""

    def __init__(self, temp_dir: str) -> None:
        self._temp_dir = temp_dir
        self._root: Path | None = None
        self._lock: int | None = None
        self._free: list[Path] = []
        self._inodes: dict[Path, int] = {}
        self._stale: list[Path] = []

    def take(self) -> Path:
        """An empty folder."""
        if self._free:
            return self._free.pop()
        path = Path(tempfile.mkdtemp(dir=self._opened()))
        self._inodes[path] = path.stat().st_ino
        return path

    async def give_back(self, path: Path) -> None:
        """Empty a folder, for the next attempt."""
        if not (_emptied(path) and self._is_as_made(path)):
            del self._inodes[path]
            await asyncio.shield(asyncio.to_thread(remove_tree, path))
        else:
            self._free.append(path)
        if self._stale:
            stale, self._stale = self._stale, []
            await asyncio.shield(asyncio.to_thread(_remove_all, stale))

    async def remove_left_behind(self) -> None:
        """Remove at once what workers that died have left, not beside the first tasks."""
        await asyncio.to_thread(lambda: _remove_all(_left_behind(Path(self._temp_dir))))

    def close(self) -> None:
        """Remove the worker's folder with all that is in it."""
        if self._root is not None and self._lock is not None:
            remove_tree(self._root)
            os.close(self._lock)
            self._root = self._lock = None

    def _opened(self) -> Path:
        if self._root is None:
            self._stale = _left_behind(Path(self._temp_dir))
            self._root = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._temp_dir))
            self._root.chmod(0o711)  # a task of another user has to get to its folder
            self._lock = _locked(self._root)
        return self._root

    def _is_as_made(self, path: Path) -> bool:
        """Whether the folder is the one that was made, with its owner and mode put right."""
        found = path.lstat()
        if not stat.S_ISDIR(found.st_mode) or found.st_ino != self._inodes[path]:
            return False
        if found.st_uid != os.geteuid() or found.st_gid != os.getegid():
            os.chown(path, os.geteuid(), os.getegid())
        if stat.S_IMODE(found.st_mode) != 0o700:
            path.chmod(0o700)
        return True


def _locked(root: Path) -> int | None:
    """Take the lock of a worker's folder, for as long as it stays open; None if it is taken."""
    lock = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock


def _left_behind(temp_dir: Path) -> list[Path]:
    """The folders of this user's workers that have died."""
    found: list[Path] = []
    for entry in os.scandir(temp_dir):
        if not entry.name.startswith(_PREFIX) or not entry.is_dir(follow_symlinks=False):
            continue
        if entry.stat(follow_symlinks=False).st_uid != os.geteuid():
            continue
        path = Path(entry.path)
        lock = _locked(path)
        if lock is not None:
            os.close(lock)
            found.append(path)
    return found


def _remove_all(paths: list[Path]) -> None:
    for path in paths:
        _log.info("scratch.removed", left_by="a worker that died", folder=str(path))
        remove_tree(path)


def _emptied(path: Path) -> bool:
    """Remove a few plain files; False if there is more in the folder, or it is none any more."""
    try:
        with os.scandir(path) as entries:
            found = [entry for _, entry in zip(range(_FEW + 1), entries, strict=False)]
        if len(found) > _FEW or any(entry.is_dir(follow_symlinks=False) for entry in found):
            return False
        for entry in found:
            os.unlink(entry.path)
    except OSError:
        return False
    return True


def remove_tree(path: Path) -> None:
    """Remove a tree; folders that a task has closed to itself are opened first.

    What cannot be removed even so is logged and left.
    """

    def open_up(function: Callable[[str], object], name: str, _: object) -> None:
        try:
            os.chmod(os.path.dirname(name), 0o700)
            if os.path.isdir(name) and not os.path.islink(name):
                os.chmod(name, 0o700)
                shutil.rmtree(name)
            elif os.path.lexists(name):
                function(name)
        except OSError as error:
            _log.warning("scratch.left", error=str(error))

    if path.is_symlink() or not path.is_dir():
        path.unlink(missing_ok=True)
        return
    shutil.rmtree(path, onerror=open_up)
