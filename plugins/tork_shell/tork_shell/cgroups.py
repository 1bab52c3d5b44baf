"""The cgroups that hold tasks to their limits: one for each, made before and removed after it.

A task's cgroup is a folder in the hierarchy of each controller that it needs, below the worker's
own cgroup, and is called by the file of records of its owner (see ``records``): so the next worker
knows whose it was, and removes it if its owner is dead.
"""

from __future__ import annotations

import asyncio
import errno
import itertools
import os
import secrets
import subprocess
from collections.abc import AsyncGenerator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import structlog

from tork_core.errors import TaskFailed
from tork_core.model.spec import LimitsSpec
from tork_core.model.units import parse_cpus, parse_memory
from tork_shell import cgroupfs
from tork_shell.cgroup_removal import PREFIX, is_removed
from tork_shell.command import Command
from tork_shell.delegation import ground
from tork_shell.hierarchy import Controller, NoCgroup, find
from tork_shell.order import launcher, written

_STUBBORN = 5.0
"""Seconds until we go on without a cgroup that the kernel does not let go."""
_POLL = 0.02
_PERIOD = 100_000
_LEAST_QUOTA = 1000
"""Microseconds: the usual period of the scheduler's accounts, and the least it gives in one."""

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Part:
    """A cgroup in one hierarchy."""

    version: Literal[1, 2]
    folder: Path


class Group:
    """The cgroup of one task, in all hierarchies that it needs."""

    def __init__(self, parts: Mapping[Controller, Part], limits: LimitsSpec) -> None:
        self.limits = limits
        self._parts = parts

    @property
    def entries(self) -> list[bytes]:
        """The files that a process writes to so as to enter."""
        folders = dict.fromkeys(part.folder for part in self._parts.values())
        return [os.fsencode(folder / "cgroup.procs") for folder in folders]

    def hold(self) -> None:
        """Set the limits. Raises OSError, or ValueError if they are none."""
        if self.limits.memory is not None:
            _hold_memory(self._parts["memory"], parse_memory(self.limits.memory))
        if self.limits.cpus is not None:
            _hold_cpus(self._parts["cpu"], parse_cpus(self.limits.cpus))

    def killed_for_memory(self) -> str | None:
        """Say why the kernel killed processes of the task for memory; None if it killed none."""
        part = self._parts.get("memory")
        if part is None:
            return None
        if part.version == 1:  # which does not tell whose limit it was
            killed = own = cgroupfs.figure(part.folder / "memory.oom_control", "oom_kill")
        else:
            events = part.folder / "memory.events"
            killed, own = (cgroupfs.figure(events, name) for name in ("oom_kill", "max"))
        if not killed:
            return None
        if not own:
            return "killed for memory: the worker, or its host, has no more of it"
        return f"killed for memory: it used more than its limit of {self.limits.memory}"

    async def remove(self) -> None:
        """Kill what is left in it, and remove it. Cancellation is raised when that is done."""
        cancelled = None
        pause = 0.0005
        loop = asyncio.get_running_loop()
        deadline = loop.time() + _STUBBORN
        left = [part.folder for part in self._parts.values()]
        while left := [folder for folder in left if not is_removed(folder)]:
            if loop.time() > deadline:
                _log.warning("shell.cgroup_left", folders=list(map(str, left)))
                break
            try:
                await asyncio.sleep(pause)
            except asyncio.CancelledError as error:
                cancelled = error
            pause = min(2 * pause, _POLL)
        if cancelled is not None:
            raise cancelled


class Cgroups:
    """The cgroups of one owner of records."""

    def __init__(self, owner: str, note: Callable[[Path], None]) -> None:
        """Call them by ``owner``; ``note`` is told where they will be, before there is any."""
        self._owner = owner
        self._note = note
        self._numbers = itertools.count(1)
        self._grounds: dict[Controller, Part] = {}

    @asynccontextmanager
    async def group(self, limits: LimitsSpec | None) -> AsyncGenerator[Group | None]:
        """Make the cgroup of a task, and remove it; without limits there is none.

        Raises TaskFailed if this host cannot hold a task to them.
        """
        controllers = _needed(limits)
        if limits is None or not controllers:
            yield None
            return
        for controller in controllers - self._grounds.keys():
            reason = await asyncio.to_thread(self.why_not, controller)
            if reason is not None:
                field = "limits.memory" if controller == "memory" else "limits.cpus"
                raise TaskFailed(f"limits: this host cannot hold a task to {field}: {reason}")
        made: dict[Controller, Part] = {}
        group = Group(made, limits)
        try:
            try:
                self._make(controllers, made)
                group.hold()
            except (OSError, ValueError) as error:
                text = cgroupfs.why(error) if isinstance(error, OSError) else str(error)
                raise TaskFailed(f"limits: {text}") from error
            yield group
        finally:
            await group.remove()

    def why_not(self, controller: Controller) -> str | None:
        """Return why tasks cannot be held by a controller here, None if they can.

        Blocks: a process is started in a cgroup that is made to see.
        """
        try:
            self._grounds[controller] = self._found(controller)
        except NoCgroup as error:
            return f"no cgroup controller `{controller}` can be used: {error}"
        return None

    def _found(self, controller: Controller) -> Part:
        place = find(controller)
        found = Part(place.version, ground(controller, place))
        self._note(found.folder)
        folder = found.folder / self._name()
        try:
            folder.mkdir()
            try:
                _try(Group({controller: Part(found.version, folder)}, LimitsSpec()))
            finally:
                folder.rmdir()
        except OSError as error:
            raise NoCgroup(cgroupfs.why(error)) from error
        return found

    def _make(self, controllers: Collection[Controller], made: dict[Controller, Part]) -> None:
        name = self._name()
        for controller in controllers:
            part = self._grounds[controller]
            folder = part.folder / name
            folder.mkdir(exist_ok=any(folder == other.folder for other in made.values()))
            made[controller] = Part(part.version, folder)

    def _name(self) -> str:
        return f"{PREFIX}-{self._owner}-{next(self._numbers)}"


def why_not(limits: LimitsSpec) -> str | None:
    """Return why no task can be held to limits on this host, None if tasks can. Blocks."""
    cgroups = Cgroups(f"check-{os.getpid()}-{secrets.token_hex(4)}", lambda _: None)
    reasons = (cgroups.why_not(controller) for controller in sorted(_needed(limits)))
    return next((reason for reason in reasons if reason is not None), None)


def _needed(limits: LimitsSpec | None) -> set[Controller]:
    needed: set[Controller] = set()
    if limits is not None and limits.cpus is not None:
        needed.add("cpu")
    if limits is not None and limits.memory is not None:
        needed.add("memory")
    return needed


def _try(group: Group) -> None:
    """Start a process in a cgroup, as tasks are. Raises NoCgroup if the kernel does not let it."""
    nothing = Command(folder=b"/", program=b"", argv=(), env=())
    with written(nothing, group.entries, None) as order:
        words = launcher(nothing)
        done = subprocess.run(words.argv, stdin=order.file, capture_output=True, check=False)
        failure = order.failure()
    if failure is not None:
        raise NoCgroup(failure.message)
    if done.returncode:
        raise NoCgroup(f"no process could be started in one: {done.stderr.decode().strip()}")


def _hold_memory(part: Part, size: int) -> None:
    """Give a cgroup so many bytes, and no swap beside them where swap is counted."""
    if part.version == 2:
        _write_if_there(part.folder / "memory.swap.max", "0")
        cgroupfs.write(part.folder / "memory.max", str(size))
    else:
        cgroupfs.write(part.folder / "memory.limit_in_bytes", str(size))
        _write_if_there(part.folder / "memory.memsw.limit_in_bytes", str(size))


def _hold_cpus(part: Part, cpus: float) -> None:
    quota, period = quota_of(cpus)
    if part.version == 2:
        cgroupfs.write(part.folder / "cpu.max", f"{quota} {period}")
        return
    cgroupfs.write(part.folder / "cpu.cfs_period_us", str(period))
    try:
        cgroupfs.write(part.folder / "cpu.cfs_quota_us", str(quota))
    except OSError as error:
        # Version 1 takes no quota above that of a cgroup further up, which holds the task anyway.
        if error.errno != errno.EINVAL or not _is_held_above(part.folder.parent, cpus):
            raise


def quota_of(cpus: float) -> tuple[int, int]:
    """Return how many microseconds of CPU time a task has in how many of the clock's."""
    period = max(_PERIOD, round(_LEAST_QUOTA / cpus))
    return max(_LEAST_QUOTA, round(cpus * period)), period


def _is_held_above(folder: Path, cpus: float) -> bool:
    for above in (folder, *folder.parents):
        quota = _number(above / "cpu.cfs_quota_us")
        if quota > 0 and quota / _number(above / "cpu.cfs_period_us") < cpus:
            return True
    return False


def _number(path: Path) -> int:
    try:
        return int(path.read_text())
    except FileNotFoundError:
        return 0


def _write_if_there(path: Path, text: str) -> None:
    if path.exists():
        cgroupfs.write(path, text)
