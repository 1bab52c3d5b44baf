"""Scratch folders: one private folder for an attempt that wants one, gone after it."""

from __future__ import annotations

import asyncio
import os
import shutil
import stat
import tempfile
from collections.abc import Callable
from pathlib import Path

_FEW = 16
"""Up to so many plain files are removed on the loop; more are a thread's work."""


class Scratch:
    """Makes the folder on the first call."""

    def __init__(self, root: str, task_id: str, attempt: int) -> None:
        self._root = root
        self._prefix = f"tork-{task_id}-{attempt}-"
        self._path: Path | None = None

    def __call__(self) -> Path:
        """The folder, mode 0700."""
        if self._path is None:
            self._path = Path(tempfile.mkdtemp(prefix=self._prefix, dir=self._root))
        return self._path

    async def remove(self) -> None:
        """Remove the folder with all that is in it, whatever its modes."""
        if self._path is None or _remove_few(self._path):
            return
        await asyncio.shield(asyncio.to_thread(_remove_tree, self._path))


def _remove_few(path: Path) -> bool:
    """Remove a folder of a few plain files; False if there is more to it."""
    with os.scandir(path) as entries:
        found = [entry.path for _, entry in zip(range(_FEW + 1), entries, strict=False)]
    if len(found) > _FEW or any(stat.S_ISDIR(os.lstat(entry).st_mode) for entry in found):
        return False
    for entry in found:
        os.unlink(entry)
    path.rmdir()
    return True


def _remove_tree(path: Path) -> None:
    """Remove a tree; folders that the task has closed to itself are opened first."""

    def open_up(function: Callable[[str], object], name: str, _: object) -> None:
        parent = os.path.dirname(name)
        os.chmod(parent, 0o700)
        if os.path.isdir(name) and not os.path.islink(name):
            os.chmod(name, 0o700)
            shutil.rmtree(name, ignore_errors=True)
        elif os.path.lexists(name):
            function(name)

    shutil.rmtree(path, onerror=open_up)
