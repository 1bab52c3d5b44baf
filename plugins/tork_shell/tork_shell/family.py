"""Which processes belong to a task, wherever they went.

A task is the main process and all its descendants. Each task has its own process group, but a
process leaves that by ``setsid``, and leaves its parents by outliving them. Two facts of the kernel
make the search sure, without a look at every process of the host:

- We are a *subreaper*: a descendant whose parent has died becomes our own child. So what is left of
  a task whose main process is dead are children of ours, and their descendants.
- A soft limit is inherited for ever, through ``setsid``, two forks or ``env -i``, and a zombie
  still shows it. Each task gets a number of its own as ``RLIMIT_LOCKS``, a limit without effect
  since Linux 2.4.25. We call it the task's *colour*; it tells which task an orphan is of.

The colour is given to the main process just after its start: no limit can be given at birth without
giving it to what other threads of this process start meanwhile. A script waits for it (see
``Desk.hold_script``). A program that is executed directly may have left children behind by then:
these are known by their group, or by the path in ``TORK_OUTPUT``, which no other running task has.
"""

from __future__ import annotations

import contextlib
import os
import resource
import secrets
import signal
from collections.abc import Generator, Iterator
from dataclasses import dataclass, field

from tork_shell import procfs
from tork_shell.libc import adopt_orphans, adopts_orphans
from tork_shell.procfs import Stat

_RLIMIT_LOCKS = 10
COLOURS = 2**31
"""So many tasks until colours are given again."""
_PAGE = 4096


@dataclass(slots=True, eq=False)
class Family:
    """A task's processes: the main one's pid (also the group), and what they inherit.

    ``mark`` is a variable of their environment that no other family has. ``seen`` are those that
    were sent a signal. A program may give its own children another colour (this engine does, as a
    task): they are known by their parents as long as these live.
    """

    pid: int
    colour: int
    mark: bytes
    seen: set[tuple[int, int]] = field(default_factory=set[tuple[int, int]])


class Families:
    """The families of one runtime."""

    def __init__(self) -> None:
        self.first_colour = secrets.randbits(31) * COLOURS
        self._given = 0
        self._hard = resource.getrlimit(_RLIMIT_LOCKS)[1]
        self._by_pid: dict[int, Family] = {}
        self._group = os.getpgrp()
        # The main thread is the one that the kernel gives orphans to.
        children = f"/proc/{os.getpid()}/task/{os.getpid()}/children"
        self._list = os.open(children, os.O_RDONLY | os.O_CLOEXEC)

    def close(self) -> None:
        """Close the one descriptor that is held."""
        os.close(self._list)

    def found(self, pid: int, mark: bytes) -> Family:
        """Make a family of a process that was just started, the leader of its group."""
        self._given += 1
        colour = self.first_colour + self._given
        with contextlib.suppress(OSError, ValueError):  # it ended, or may not be coloured by us
            resource.prlimit(pid, _RLIMIT_LOCKS, (colour, self._hard))
        family = self._by_pid[pid] = Family(pid, colour, mark)
        return family

    def forget(self, family: Family) -> None:
        """Let a family go; what may be left of it is nobody's."""
        del self._by_pid[family.pid]

    def is_gone(self, family: Family) -> bool:
        """Whether nothing is left of a family whose main process is dead.

        True is sure: a live descendant is our child, or has a forebear of the family who is. Costs
        10 microseconds when the worker has no children but the main processes.
        """
        while True:
            orphans = [s for s in self._adopted() if self._colour_of(s) == family.colour]
            if not orphans:
                return True
            if not all(_bury(orphan) for orphan in orphans):
                return False
            # Look again: the children of the dead became ours before we saw them dead.

    def members(self, family: Family) -> list[Stat]:
        """Return the processes of a family, as far as it stands still while we look.

        Dead ones too: the kernel shows a process as dead when its first thread is.
        """
        seen: dict[int, Stat] = {}
        todo = [s.pid for s in self._adopted() if self._colour_of(s) == family.colour]
        todo.append(family.pid)
        while todo:
            pid = todo.pop()
            stat = None if pid in seen else procfs.stat(pid)
            if stat is not None:
                seen[pid] = stat
                todo += procfs.children(pid)
        return list(seen.values())

    def signal(self, family: Family, number: signal.Signals) -> None:
        """Send a signal to every process of a family.

        The main process must not have been waited for yet: as long as it is there, dead or alive,
        its pid and its group's number are nobody else's.
        """
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(family.pid, number)
        for stat in self.members(family):
            family.seen.add(stat.identity)
            if stat.group != family.pid:
                send(stat, number)

    def tidy(self) -> None:
        """Take away dead orphans of all families, and kill those that outlived theirs."""
        running = {family.colour for family in self._by_pid.values()}
        for stat in self._adopted():
            colour = self._colour_of(stat)
            if colour is None:
                continue
            if not _bury(stat) and colour not in running:
                send(stat, signal.SIGKILL)

    def _adopted(self) -> Iterator[Stat]:
        """Give our children that are not the main process of a task: orphans, or not our affair."""
        data = part = os.pread(self._list, 16 * _PAGE, 0)
        while len(part) > _PAGE - 64:  # the kernel gives the list by pages
            part = os.pread(self._list, 16 * _PAGE, len(data))
            data += part
        for pid in map(int, data.split()):
            if pid not in self._by_pid and (stat := procfs.stat(pid)) is not None:
                yield stat

    def _colour_of(self, stat: Stat) -> int | None:
        """Return the colour of the family that a child of ours belongs to, None if to none."""
        if stat.group == self._group:  # started by this process, not by a task
            return None
        colour = procfs.file_locks(stat.pid)
        if colour is not None and 0 <= colour - self.first_colour <= self._given:
            return colour
        for family in self._by_pid.values():
            known = stat.group == family.pid or stat.identity in family.seen
            if known or family.mark in procfs.environment(stat.pid):
                return family.colour
        return None


@contextlib.contextmanager
def open_families() -> Generator[Families]:
    """Keep families, and be the subreaper that they need as long as anybody does."""
    _keepers.append(adopts_orphans())
    adopt_orphans(True)
    families = Families()
    try:
        yield families
    finally:
        families.close()
        adopted = _keepers.pop(0)
        if _keepers:
            _keepers[0] = adopted
        else:
            adopt_orphans(adopted)


_keepers: list[bool] = []
"""One entry per open keeper; the first says what this process was before there was any."""


def send(stat: Stat, number: signal.Signals) -> None:
    """Send a signal to the very process that ``stat`` was read of, or to none."""
    try:
        process = os.pidfd_open(stat.pid)
    except OSError:  # it is gone
        return
    try:
        now = procfs.stat(stat.pid)
        if now is not None and now.start == stat.start:  # so the descriptor is of the same one
            with contextlib.suppress(ProcessLookupError, PermissionError):
                signal.pidfd_send_signal(process, number)
    finally:
        os.close(process)


def _bury(orphan: Stat) -> bool:
    """Take the status of a child of ours if it is dead; return whether it is gone."""
    if not orphan.dead:
        return False
    try:
        return os.waitpid(orphan.pid, os.WNOHANG)[0] == orphan.pid
    except ChildProcessError:
        return True
