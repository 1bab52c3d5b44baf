"""Reading /proc: who is whose child, and what a process has inherited.

Every function answers for a process that may end at any moment: a process that is gone (or that
we may not look into) gives None, or nothing.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass

_GONE = (FileNotFoundError, ProcessLookupError, PermissionError)
_COMMON_READ = 4096


@dataclass(frozen=True, slots=True)
class Stat:
    """A line of /proc/PID/stat, of which we need four fields.

    ``start`` is the time at which the process began, in clock ticks since the host did: a pid and
    its start name a process for ever, also when the pid is given to another one.
    """

    pid: int
    state: str
    group: int
    start: int

    @property
    def identity(self) -> tuple[int, int]:
        """The pid and the start."""
        return (self.pid, self.start)

    @property
    def dead(self) -> bool:
        """Whether only the entry is left, for the parent to take the status from."""
        return self.state in "ZX"


def stat(pid: int) -> Stat | None:
    """Return what /proc/PID/stat says now; a zombie still has it."""
    line = _read(f"/proc/{pid}/stat")
    if line is None:
        return None
    fields = line[line.rindex(b")") + 2 :].split()  # a name may hold blanks and brackets
    return Stat(
        pid=pid,
        state=fields[0].decode(),
        group=int(fields[2]),
        start=int(fields[19]),
    )


def children(pid: int) -> list[int]:
    """Return the pids of a process's children, whichever of its threads started them."""
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except _GONE:
        return []
    found: list[int] = []
    for thread in threads:
        line = _read(f"/proc/{pid}/task/{thread}/children")
        found += map(int, line.split()) if line else ()
    return found


def file_locks(pid: int) -> int | None:
    """Return the soft limit RLIMIT_LOCKS of a process, None if unlimited; a zombie has it too."""
    for line in (_read(f"/proc/{pid}/limits") or b"").splitlines():
        if line.startswith(b"Max file locks"):
            soft = line.split()[3]
            return int(soft) if soft.isdigit() else None
    return None


def environment(pid: int) -> list[bytes]:
    """Return the variables (``NAME=value``) that a process was started with."""
    return (_read(f"/proc/{pid}/environ") or b"").split(b"\0")


def everyone() -> Iterator[int]:
    """Give the pids of all processes we can see."""
    for name in os.listdir("/proc"):
        if name.isdigit():
            yield int(name)


def boot() -> str:
    """Name this host's current run, and the pid namespace we are in: pids mean nothing outside."""
    with open("/proc/sys/kernel/random/boot_id") as file:
        return f"{file.read().strip()}/{os.readlink('/proc/self/ns/pid')}"


def _read(path: str) -> bytes | None:
    try:
        file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except _GONE:
        return None
    try:
        data = part = os.read(file, _COMMON_READ)
        while part:
            part = os.read(file, 16 * _COMMON_READ)
            data += part
        return data
    except _GONE:
        return None
    finally:
        os.close(file)
