"""Desks: where a task's script lies, and where its output is put.

A desk is a private folder with two files, ``script`` and ``output``. It is used by one task after
another, because a file that is made and removed for every task is dear: ext4 does not give the
number of a file away again for some minutes, and searches the longer the more were removed (half a
millisecond and more at some hundred tasks a second, against 0.01 for a file that is kept). A desk
on which anything was moved, added or replaced is thrown away instead.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import shutil
import signal
import stat
import tempfile
from collections.abc import Callable, Generator
from pathlib import Path

from tork_core.errors import TaskFailed
from tork_shell.owner import Owner

_READ = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_WRITE = os.O_WRONLY | os.O_CLOEXEC | os.O_NOFOLLOW
_MAKE = _WRITE | os.O_CREAT | os.O_EXCL
_SCRIPT = "script"
_OUTPUT = "output"
_BLANK = b"\n"


class Desk:
    """One desk. All is done relative to the folder's descriptor, whatever became of its path."""

    def __init__(self, folder: Path, owner: Owner | None) -> None:
        """Make the files in ``folder``, which is new and ours alone. Raises OSError."""
        self.script = str(folder / _SCRIPT)
        self.output = str(folder / _OUTPUT)
        self._folder = folder
        self._owner = owner
        self._written = False
        self._lease: int | None = None
        self._descriptor = os.open(folder, _READ | os.O_DIRECTORY)
        try:
            for name, mode in ((_SCRIPT, 0o700), (_OUTPUT, 0o600)):
                self._make(name, mode)
            self._give(self._descriptor)
            self._as_made = self._look()
        except OSError:
            self.discard()
            raise

    def hold_script(self) -> None:
        """Make whoever opens the script wait until ``let_go`` is called.

        A write lease does that. Where there is none (a network file system), nobody waits.
        """
        if not self._written:
            return
        file = os.open(_SCRIPT, _WRITE, dir_fd=self._descriptor)
        try:
            # By default the holder would be told by SIGIO, which ends a process that does not
            # handle it; one SIGCHLD more does no harm.
            fcntl.fcntl(file, fcntl.F_SETSIG, signal.SIGCHLD)
            fcntl.fcntl(file, fcntl.F_SETLEASE, fcntl.F_WRLCK)
        except OSError:
            os.close(file)
        else:
            self._lease = file

    def let_go(self) -> None:
        """Let the script be opened."""
        if self._lease is not None:
            os.close(self._lease)
            self._lease = None

    def write_script(self, script: bytes) -> None:
        """Put a script on the desk. Raises OSError."""
        self._written = True
        self._write(_SCRIPT, script)

    def read_output(self, limit: int) -> str:
        """Return what the task wrote to its output file, of which it may have made anything.

        A regular file of at most ``limit`` bytes, with one name and the task's own, is read; a file
        that was removed is empty; anything else raises TaskFailed, and is neither followed nor
        waited for.
        """
        try:
            file = os.open(_OUTPUT, _READ | os.O_NONBLOCK, dir_fd=self._descriptor)
        except FileNotFoundError:
            return ""
        except OSError as error:
            what = "it is a symbolic link" if error.errno == errno.ELOOP else error.strerror
            raise TaskFailed(f"the output cannot be read: {what}") from error
        try:
            self._check(os.fstat(file))
            data = _read(file, limit + 1)
        finally:
            os.close(file)
        if len(data) > limit:
            raise TaskFailed(f"the output is longer than the limit of {limit} bytes")
        return data.decode(errors="replace").replace("\0", "")

    def clear(self) -> bool:
        """Make the desk as it was; returns False if it is not to be used any more."""
        try:
            if not self.is_there() or len(os.listdir(self._descriptor)) != 2:
                return False
            if os.stat(_OUTPUT, dir_fd=self._descriptor).st_size:
                self._write(_OUTPUT, b"")
            if self._written:
                # Not to length nought: ext4 would write the next script to the disk at once.
                self._write(_SCRIPT, _BLANK)
                self._written = False
        except OSError:
            return False
        return True

    def discard(self) -> None:
        """Remove the folder and all in it."""
        os.close(self._descriptor)
        shutil.rmtree(self._folder, ignore_errors=True)

    def _make(self, name: str, mode: int) -> None:
        file = os.open(name, _MAKE, mode, dir_fd=self._descriptor)
        try:
            self._give(file)
        finally:
            os.close(file)

    def _give(self, file: int) -> None:
        if self._owner is not None:
            os.fchown(file, *self._owner)

    def _write(self, name: str, data: bytes) -> None:
        file = os.open(name, _WRITE | os.O_NONBLOCK, dir_fd=self._descriptor)
        try:
            written = 0
            while written < len(data):
                written += os.pwrite(file, data[written:], written)
            if os.fstat(file).st_size > written:
                os.ftruncate(file, written)
        finally:
            os.close(file)

    def is_there(self) -> bool:
        """Whether the files are still what was made: a folder for temporary files may be swept."""
        try:
            return self._look() == self._as_made
        except OSError:
            return False

    def _look(self) -> list[tuple[int, ...]]:
        """Return what must not have changed: the folder at its path, and the files."""
        seen = [_identity(os.lstat(self._folder))]
        for name in (_SCRIPT, _OUTPUT):
            found = os.stat(name, dir_fd=self._descriptor, follow_symlinks=False)
            seen.append(_identity(found))
        return seen

    def _check(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise TaskFailed("the output cannot be read: it is not a regular file any more")
        if found.st_nlink != 1:
            raise TaskFailed("the output cannot be read: the file has several names (hard links)")
        user = os.geteuid() if self._owner is None else self._owner.uid
        if found.st_uid != user:
            raise TaskFailed("the output cannot be read: the file belongs to another user")


class Desks:
    """The desks of one runtime: as many as tasks ran at once."""

    def __init__(self, name: str, owner: Owner | None) -> None:
        """``name``: the runtime's own. ``owner``: whom tasks run as, if not as ourselves."""
        self._prefix = desk_prefix(name)
        self._owner = owner
        self._free: list[Desk] = []

    @contextlib.contextmanager
    def take(self, script: str | None, kept: Callable[[], Path]) -> Generator[Desk]:
        """Lend a desk with a script on it and an empty output; a new one is made in ``kept()``.

        Raises TaskFailed if it cannot.
        """
        try:
            desk = self._find() or self._make(kept())
        except OSError as error:
            raise _unusable(error) from error
        try:
            if script is not None:
                _put(desk, script)
            yield desk
        finally:
            if desk.clear():
                self._free.append(desk)
            else:
                desk.discard()

    def close(self) -> None:
        """Remove all desks."""
        for desk in self._free:
            desk.discard()

    def _find(self) -> Desk | None:
        while self._free:
            desk = self._free.pop()
            if desk.is_there():
                return desk
            desk.discard()
        return None

    def _make(self, folder: Path) -> Desk:
        made = tempfile.mkdtemp(prefix=self._prefix, dir=folder.absolute())
        return Desk(Path(made), self._owner)


def desk_prefix(name: str) -> str:
    """Return what the names of the desks of the runtime ``name`` begin with, and of no others."""
    return f"desk-{name}-"


def _put(desk: Desk, script: str) -> None:
    try:
        desk.write_script(script.encode())
    except UnicodeEncodeError as error:
        raise TaskFailed(f"run: a character cannot be encoded: {error}") from None
    except OSError as error:
        raise _unusable(error) from error


def _unusable(error: OSError) -> TaskFailed:
    return TaskFailed(f"the worker cannot write the task's files: {error}")


def _identity(found: os.stat_result) -> tuple[int, ...]:
    return (found.st_dev, found.st_ino, found.st_mode, found.st_nlink, found.st_uid, found.st_gid)


def _read(file: int, most: int) -> bytes:
    parts: list[bytes] = []
    while most and (part := os.read(file, most)):
        parts.append(part)
        most -= len(part)
    return b"".join(parts)
