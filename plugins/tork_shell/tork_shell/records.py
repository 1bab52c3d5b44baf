"""Records of running tasks on disk, so that a worker that was killed leaves nothing for good.

Each open runtime owns one file in the state folder and holds a lock on it, which the kernel frees
when the process ends, however it ends. The file has a line of fixed length per running task. Who
opens a runtime takes every file whose lock is free, kills what is left of the tasks in it, and
removes it. A file that is locked is a living owner's, and is let alone.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import signal
import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass
from pathlib import Path

from tork_core.interfaces.owner_files import create_locked, locked, prepare_folder
from tork_shell import procfs
from tork_shell.cgroup_removal import PREFIX, remove_all
from tork_shell.desk import desk_prefix
from tork_shell.family import COLOURS, Family, send

_LINE = 80
_SUFFIX = ".tasks"
_CGROUPS = ".cgroups"
_TICK = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_ENTRY = re.compile(rb"(\d+) (\d+) (\d+)")
_ROUNDS = 100
_PAUSE = 0.01


def ticks() -> int:
    """Return the time as /proc counts the start of processes: clock ticks since the host began."""
    return time.clock_gettime_ns(time.CLOCK_BOOTTIME) // _TICK


class Records:
    """The file of one owner. Writing or clearing a line is one write of 80 bytes."""

    def __init__(self, file: int, path: Path, first_colour: int) -> None:
        """Use ``file``, an empty file at ``path`` that is open and locked."""
        self._path = path
        self._file = file
        self._free: list[int] = []
        self._lines = 1
        os.pwrite(file, _line(f"{procfs.boot()} {first_colour}"), 0)

    @property
    def name(self) -> str:
        """What the owner is called: no other one, alive or dead, is called so too."""
        return self._path.stem

    def note_cgroups(self, folder: Path) -> None:
        """Record a cgroup below which those of tasks will be. Raises OSError.

        The state folder may have been swept away, and is made again; raises UsageError if it has
        become somebody else's.
        """
        prepare_state(self._path.parent)
        with open(self._path.with_suffix(_CGROUPS), "ab") as file:
            file.write(os.fsencode(folder) + b"\0")

    def add(self, family: Family, not_before: int) -> int:
        """Record a task that was started since ``not_before`` (ticks); returns the line's number.

        Raises OSError if the disk does not take it.
        """
        line = self._free.pop() if self._free else self._lines
        self._lines = max(self._lines, line + 1)
        text = f"{family.pid} {not_before} {ticks()}"
        os.pwrite(self._file, _line(text), line * _LINE)
        return line

    def remove(self, line: int) -> None:
        """Clear a line that ``add`` gave."""
        os.pwrite(self._file, _line(""), line * _LINE)
        self._free.append(line)


def prepare_state(folder: Path) -> None:
    """Make the state folder. Raises UsageError if somebody else could write what we believe."""
    prepare_folder(folder, mode=0o711, runtime="shell")


@contextlib.contextmanager
def open_records(folder: Path, first_colour: int) -> Generator[Records]:
    """Own a file of records in ``folder``; removes it in the end.

    ``first_colour`` is that of the owner's first task.
    """
    path = folder / f"{os.getpid()}-{secrets.token_hex(4)}{_SUFFIX}"
    file = create_locked(path)
    try:
        yield Records(file, path, first_colour)
    finally:
        _remove(path)
        os.close(file)


def remove_leftovers(folder: Path) -> int:
    """Kill what owners who died left running; returns how many processes that were.

    Blocks, for a second at most if processes do not want to die.
    """
    killed = 0
    for path in folder.glob(f"*{_SUFFIX}"):
        with locked(path) as file:
            if file is not None:
                killed += _kill_all(_parse(file, path.stem))
                _remove(path)
    return killed


def _cgroups(path: Path) -> list[Path]:
    """Return where an owner may have made cgroups."""
    try:
        data = path.with_suffix(_CGROUPS).read_bytes()
    except FileNotFoundError:
        return []
    return [Path(os.fsdecode(folder)) for folder in data.split(b"\0") if folder]


@dataclass(frozen=True, slots=True)
class _Entry:
    pid: int
    not_before: int
    not_after: int

    def names(self, leader: procfs.Stat) -> bool:
        """Whether a process is the main process that was recorded, and not its pid's next owner."""
        return leader.group == self.pid and self.not_before <= leader.start <= self.not_after


@dataclass(frozen=True, slots=True)
class _Dead:
    """What an owner who died may have left: processes of its colours, and groups on record.

    A process that it had just started when it died has neither yet: it is known by ``TORK_OUTPUT``,
    which leads to one of the owner's desks.
    """

    colours: range
    entries: list[_Entry]
    owner: str

    def left(self) -> Iterator[procfs.Stat]:
        """Give the live processes."""
        leaders = ((entry, procfs.stat(entry.pid)) for entry in self.entries)
        groups = {entry.pid for entry, leader in leaders if leader and entry.names(leader)}
        for pid in procfs.everyone():
            process = procfs.stat(pid)
            if process is None or process.dead:
                continue
            if process.group in groups or self._has(pid):
                yield process

    def _has(self, pid: int) -> bool:
        colour = procfs.file_locks(pid)
        if colour is not None:
            return colour in self.colours
        desk = os.fsencode(f"/{desk_prefix(self.owner)}")
        variables = procfs.environment(pid)
        return any(text.startswith(b"TORK_OUTPUT=") and desk in text for text in variables)


def _parse(file: int, owner: str) -> _Dead | None:
    with os.fdopen(os.dup(file), "rb") as reader:
        lines = [line.strip() for line in reader]
    boot, _, colour = lines[0].partition(b" ") if lines else (b"", b"", b"")
    if boot != procfs.boot().encode() or not colour.isdigit():
        return None  # of before the host's last start, or of another container
    found = (_ENTRY.fullmatch(line) for line in lines[1:])
    entries = [_Entry(*map(int, entry.groups())) for entry in found if entry is not None]
    return _Dead(range(int(colour), int(colour) + COLOURS), entries, owner)


def _kill_all(dead: _Dead | None) -> int:
    killed: set[tuple[int, int]] = set()
    for _ in range(_ROUNDS if dead else 0):
        left = list(dead.left()) if dead else []
        for process in left:
            send(process, signal.SIGKILL)
            killed.add(process.identity)
        if not left:
            break
        time.sleep(_PAUSE)
    return len(killed)


def _remove(path: Path) -> None:
    """Remove what an owner made, and at last its file, whose lock we hold.

    The file stays, for the next one who looks, where the kernel does not let go of a cgroup.
    """
    if remove_all(_cgroups(path), f"{PREFIX}-{path.stem}-"):
        path.with_suffix(_CGROUPS).unlink(missing_ok=True)
        path.unlink(missing_ok=True)


def _line(text: str) -> bytes:
    return text.encode().ljust(_LINE - 1) + b"\n"
