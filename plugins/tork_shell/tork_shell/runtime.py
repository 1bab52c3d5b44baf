"""The runtime: opens what all tasks share, and takes each through its steps."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import sys
import tempfile
from collections.abc import AsyncGenerator, Generator
from contextlib import AbstractContextManager, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import structlog

from tork_core.errors import TaskFailed, UsageError
from tork_core.interfaces.calls import Call
from tork_core.interfaces.runtime import Execution, Start
from tork_shell.cgroups import Cgroups, Group
from tork_shell.command import Command, command_of, why_not_started
from tork_shell.desk import Desk, Desks
from tork_shell.endings import check
from tork_shell.family import Families, open_families
from tork_shell.libc import Launch, Spawner
from tork_shell.order import Order, launcher, written
from tork_shell.owner import Owner, home_of, owner_of
from tork_shell.process import Process
from tork_shell.records import Records, open_records, prepare_state, remove_leftovers, ticks
from tork_shell.settings import ShellSettings

_TIDY = 5.0
"""Seconds between two looks for dead orphans, which a task may leave while it runs."""

_log = structlog.get_logger(__name__)


class ShellRuntime:
    """Runs tasks as processes of this host."""

    def __init__(
        self,
        *,
        path: str,
        owner: Owner | None,
        cgroups: Cgroups,
        desks: Desks,
        families: Families,
        records: Records,
        spawner: Spawner,
        null: int,
    ) -> None:
        """Share these among all tasks; ``null`` is /dev/null, open for reading."""
        self._env = {"PATH": path, "HOME": home_of(owner)}
        self._owner = owner
        self._cgroups = cgroups
        self._desks = desks
        self._spawner = spawner
        self._families = families
        self._records = records
        self._null = null

    @asynccontextmanager
    async def prepare(self, execution: Execution) -> AsyncGenerator[Start]:
        """Write the script and the empty output, and make the cgroup of a task with limits.

        The function given starts the process.
        """
        folder = execution.scratch().absolute()
        async with self._cgroups.group(execution.task.limits) as group:
            with self._desks.take(execution.task.run, execution.kept) as desk:
                env = {**self._env, **execution.env, "TORK_OUTPUT": desk.output}
                command = command_of(execution.task, env, folder, desk.script)
                if self._owner is not None:
                    os.chown(folder, *self._owner)
                prepared = _Prepared(execution, desk, command, group)
                call = Call(partial(self.run, prepared))
                try:
                    yield call.run
                finally:
                    await call.leave()

    async def health(self) -> str | None:
        """Return what is wrong if scripts cannot be run."""
        for folder in self._env["PATH"].split(":"):
            if os.access(Path(folder) / "bash", os.X_OK):
                return None
        return f"there is no bash on the tasks' PATH ({self._env['PATH']})"

    async def run(self, prepared: _Prepared) -> str:
        """Run a prepared task to its end, and return its output. Raises TaskFailed."""
        execution, desk = prepared.execution, prepared.desk
        with self._order(prepared) as order:
            process, started = self._start(prepared, order)
            try:
                _watch(process, started)
                await process.follow(execution.log)
            except asyncio.CancelledError:
                await process.stop(execution.log, execution.grace)
                raise
            finally:
                exit_code = await process.close()
            if order is not None and (failure := order.failure()) is not None:
                raise failure
        check(exit_code, process.log_tail, prepared.group)
        return desk.read_output(execution.output_limit)

    def _order(self, prepared: _Prepared) -> AbstractContextManager[Order | None]:
        """Write an order where the command cannot simply be executed."""
        entries = prepared.group.entries if prepared.group is not None else ()
        if not entries and self._owner is None:
            return contextlib.nullcontext()
        return written(prepared.command, entries, self._owner)

    def _start(self, prepared: _Prepared, order: Order | None) -> tuple[Process, int]:
        """Start a process; returns it, and the time since when it may have been there (ticks)."""
        started = ticks()
        command = prepared.command if order is None else launcher(prepared.command)
        try:
            prepared.desk.hold_script()
            pid, output = self._spawn(command, self._null if order is None else order.file)
            # It gets its colour before it can open the script.
            mark = os.fsencode(f"TORK_OUTPUT={prepared.desk.output}")
            family = self._families.found(pid, mark)
        except OSError as error:
            raise why_not_started(command, error) from error
        finally:
            prepared.desk.let_go()
        return Process(self._families, self._records, family, output), started

    def _spawn(self, command: Command, stdin: int) -> tuple[int, int]:
        """Start a command; returns the pid, and the reading end of its output."""
        reading, writing = _pipe()
        try:
            pid = self._spawner.spawn(
                Launch(
                    program=command.program,
                    argv=command.argv,
                    env=command.env,
                    folder=command.folder,
                    stdin=stdin,
                    output=writing,
                )
            )
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        return pid, reading


@dataclass(frozen=True, slots=True)
class _Prepared:
    """What a task was prepared with."""

    execution: Execution
    desk: Desk
    command: Command
    group: Group | None


@asynccontextmanager
async def open_shell(settings: ShellSettings) -> AsyncGenerator[ShellRuntime]:
    """Open the runtime: remove what a dead worker left, and be ready to adopt orphans.

    Raises UsageError where the host or the settings do not allow it.
    """
    if sys.platform != "linux":
        raise UsageError("the shell runtime needs Linux: it follows processes through /proc")
    owner = owner_of(settings.uid, settings.gid)
    folder = Path(settings.state or _default_state())
    prepare_state(folder)
    killed = await asyncio.to_thread(remove_leftovers, folder)
    if killed:
        _log.warning("shell.leftovers_killed", processes=killed)
    with contextlib.ExitStack() as stack:
        null = stack.enter_context(_null())
        families = stack.enter_context(open_families())
        stack.enter_context(_tidying(families))
        records = stack.enter_context(open_records(folder, families.first_colour))
        desks = Desks(records.name, owner)
        stack.callback(desks.close)
        yield ShellRuntime(
            path=settings.path or os.environ.get("PATH", os.defpath),
            owner=owner,
            cgroups=Cgroups(records.name, records.note_cgroups),
            desks=desks,
            families=families,
            records=records,
            spawner=Spawner(sessions=_has_terminal()),
            null=null,
        )


@contextlib.contextmanager
def _tidying(families: Families) -> Generator[None]:
    loop = asyncio.get_running_loop()

    def tidy() -> None:
        nonlocal timer
        timer = loop.call_later(_TIDY, tidy)
        families.tidy()

    timer = loop.call_later(_TIDY, tidy)
    try:
        yield
    finally:
        timer.cancel()


def _default_state() -> str:
    return f"{tempfile.gettempdir()}/tork-shell-{os.geteuid()}"


def _watch(process: Process, started: int) -> None:
    try:
        process.watch(started)
    except OSError as error:
        raise TaskFailed(f"the worker cannot keep the process: {error.strerror}") from error


def _has_terminal() -> bool:
    try:
        os.close(os.open("/dev/tty", os.O_RDWR | os.O_CLOEXEC | os.O_NOCTTY))
    except OSError:
        return False
    return True


def _pipe() -> tuple[int, int]:
    """Make a pipe whose reading end does not block."""
    reading, writing = (_above_two(end) for end in os.pipe())
    os.set_blocking(reading, False)
    return reading, writing


def _above_two(file: int) -> int:
    """Move a descriptor out of the way of 0, 1 and 2, which a daemon may have closed."""
    if file > 2:
        return file
    try:
        return fcntl.fcntl(file, fcntl.F_DUPFD_CLOEXEC, 3)
    finally:
        os.close(file)


@contextlib.contextmanager
def _null() -> Generator[int]:
    file = _above_two(os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC))
    try:
        yield file
    finally:
        os.close(file)
