"""Scratch folders: one private folder for an attempt that wants one, emptied after it.

An emptied folder is used again, since to make and remove one takes milliseconds on a busy disk.
All folders of a worker stand in one of its own, which the next worker removes if this one dies.
"""

from __future__ import annotations

import asyncio
import os
import stat
import tempfile
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import structlog

from tork_core.errors import TaskFailed, UsageError
from tork_core.interfaces.owner_files import try_lock
from tork_core.worker.removing import remove_tree

_log = structlog.get_logger()

_PREFIX = "tork-worker-"
_LOCK = "lock"
_FEW = 16
_LIGHT = 8 * 2**20
"""Up to so many plain files, of so many bytes on the disk, are removed on the loop: a gigabyte
takes a third of a second. More are a thread's work."""
_BLOCK = 512
"""Bytes of a block as ``stat`` counts them, whatever the file system's own are."""


class Scratch:
    """The folder of one attempt, taken on the first call."""

    def __init__(self, root: ScratchRoot) -> None:
        self._root = root
        self._path: Path | None = None

    def __call__(self) -> Path:
        """The folder: empty, mode 0700, this process's own. Raises TaskFailed."""
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
        """Raises UsageError for a folder that no scratch folder can be made in."""
        self._temp_dir = _checked(temp_dir)
        self._root: Path | None = None
        self._lock: int | None = None
        self._free: list[Path] = []
        self._inodes: dict[Path, int] = {}

    def take(self) -> Path:
        """An empty folder. Raises TaskFailed."""
        with self._explained():
            while self._free:
                path = self._free.pop()
                if _is_there(path):
                    return path
                del self._inodes[path]
            path = Path(tempfile.mkdtemp(dir=self._opened()))
            self._inodes[path] = path.stat().st_ino
            return path

    def kept(self) -> Path:
        """The folder around the scratch folders, which stays until the worker ends.

        Raises TaskFailed.
        """
        with self._explained():
            return self._opened()

    async def give_back(self, path: Path) -> None:
        """Empty a folder, for the next attempt."""
        if _emptied(path) and self._is_as_made(path):
            self._free.append(path)
        else:
            del self._inodes[path]
            await asyncio.shield(asyncio.to_thread(remove_tree, path))

    async def remove_leftovers(self) -> None:
        """Remove what workers of this user have left in ``temp_dir`` that have died."""
        found = [path for path in _of_workers(self._temp_dir) if path != self._root]
        if found:
            await asyncio.to_thread(_remove_dead, found)

    def close(self) -> None:
        """Remove the worker's folder with all that is in it."""
        if self._root is not None and self._lock is not None:
            remove_tree(self._root)
            os.close(self._lock)
            self._root = self._lock = None

    @contextmanager
    def _explained(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            raise TaskFailed(
                f"the worker cannot make a scratch folder in {self._temp_dir}: {error.strerror}; "
                "make room there, or choose another folder with --temp-dir"
            ) from error

    def _opened(self) -> Path:
        """The worker's folder; one that was swept away is made again."""
        if self._root is not None and not _is_there(self._root):
            self._root = None
        while self._root is None:
            root = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=self._temp_dir))
            # Before it is locked, another worker may take it for a dead one's.
            with suppress(FileNotFoundError):
                root.chmod(0o711)  # a task of another user has to get to its folder
            lock = _locked(root)
            if lock is not None and os.fstat(lock).st_nlink:
                if self._lock is not None:
                    os.close(self._lock)
                self._root, self._lock = root, lock
        return self._root

    def _is_as_made(self, path: Path) -> bool:
        """Whether the folder is the one that was made, with its owner and mode put right."""
        try:
            found = path.lstat()
            if not stat.S_ISDIR(found.st_mode) or found.st_ino != self._inodes[path]:
                return False
            if found.st_uid != os.geteuid() or found.st_gid != os.getegid():
                os.chown(path, os.geteuid(), os.getegid())
            if stat.S_IMODE(found.st_mode) != 0o700:
                path.chmod(0o700)
        except OSError:
            return False
        return True


def _checked(temp_dir: str) -> Path:
    if not temp_dir:
        raise UsageError("worker.temp_dir (--temp-dir) is empty; name a folder")
    path = Path(temp_dir).absolute()
    problem = None
    if not path.is_dir():
        problem = "is no folder" if path.exists() else "does not exist"
    elif not os.access(path, os.R_OK | os.W_OK | os.X_OK):
        problem = "may not be written by this user"
    if problem is not None:
        raise UsageError(
            f"worker.temp_dir (--temp-dir): {path} {problem}; make it, or name another folder"
        )
    return path


def _is_there(path: Path) -> bool:
    # The system may sweep its folder for temporary files while a worker has nothing to do, and
    # then anybody may make one of that name.
    try:
        found = path.lstat()
    except FileNotFoundError:
        return False
    return stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid()


def _locked(root: Path) -> int | None:
    """Take the lock of a worker's folder, for as long as it stays open.

    None if it is taken, or the folder is gone.
    """
    try:
        lock = os.open(root / _LOCK, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    except FileNotFoundError:
        return None
    if not try_lock(lock):
        os.close(lock)
        return None
    return lock


def _of_workers(temp_dir: Path) -> Iterator[Path]:
    """The folders of this user's workers, living and dead."""
    with suppress(OSError), os.scandir(temp_dir) as entries:
        for entry in entries:
            if entry.name.startswith(_PREFIX) and entry.is_dir(follow_symlinks=False):
                with suppress(FileNotFoundError):
                    if entry.stat(follow_symlinks=False).st_uid == os.geteuid():
                        yield Path(entry.path)


def _remove_dead(paths: Sequence[Path]) -> None:
    for path in paths:
        try:
            lock = _locked(path)
        except OSError as error:
            _log.warning("scratch.left", folder=str(path), error=str(error))
            continue
        if lock is not None:
            # Held until it is gone, for a worker that has just made it and is about to lock it.
            _log.info("scratch.removed", left_by="a worker that died", folder=str(path))
            remove_tree(path)
            os.close(lock)


def _emptied(path: Path) -> bool:
    """Remove a few plain files that are not large; False if there is more in the folder, or it is
    none any more."""
    try:
        with os.scandir(path) as entries:
            found = [entry for _, entry in zip(range(_FEW + 1), entries, strict=False)]
        if len(found) > _FEW or any(entry.is_dir(follow_symlinks=False) for entry in found):
            return False
        blocks = sum(entry.stat(follow_symlinks=False).st_blocks for entry in found)
        if blocks * _BLOCK > _LIGHT:
            return False
        for entry in found:
            os.unlink(entry.path)
    except OSError:
        return False
    return True
