"""The runtime: opens what all tasks share, and takes each through its steps."""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal
import sys
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable, Generator
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import structlog

from tork_core.errors import TaskFailed, UsageError
from tork_core.interfaces.runtime import Execution, Start
from tork_shell.command import Command, command_of, why_not_started
from tork_shell.desk import Desk, Desks
from tork_shell.family import Families, open_families
from tork_shell.libc import Launch, Spawner
from tork_shell.owner import Owner, become, home_of, owner_of
from tork_shell.process import Process
from tork_shell.records import Records, open_records, prepare_folder, remove_leftovers, ticks
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
        desks: Desks,
        families: Families,
        records: Records,
        spawner: Spawner,
        null: int,
    ) -> None:
        """Share these among all tasks; ``null`` is /dev/null, open for reading."""
        self._env = {"PATH": path, "HOME": home_of(owner)}
        self._owner = owner
        self._become = None if owner is None else become(owner)
        self._desks = desks
        self._spawner = spawner
        self._families = families
        self._records = records
        self._null = null

    @asynccontextmanager
    async def prepare(self, execution: Execution) -> AsyncGenerator[Start]:
        """Write the script and the empty output; the function given starts the process."""
        folder = execution.scratch().absolute()
        with self._desks.take(execution.task.run) as desk:
            env = {**self._env, **execution.env, "TORK_OUTPUT": desk.output}
            command = command_of(execution.task, env, folder, desk.script)
            if self._owner is not None:
                os.chown(folder, *self._owner)
            attempt = _Attempt(self.run, execution, desk, command)
            try:
                yield attempt.run
            finally:
                await attempt.leave()

    async def health(self) -> str | None:
        """Return what is wrong if scripts cannot be run."""
        for folder in self._env["PATH"].split(":"):
            if os.access(Path(folder) / "bash", os.X_OK):
                return None
        return f"there is no bash on the tasks' PATH ({self._env['PATH']})"

    async def run(self, execution: Execution, desk: Desk, command: Command) -> str:
        """Run a prepared task to its end, and return its output. Raises TaskFailed."""
        started = ticks()
        try:
            desk.hold_script()
            process = self._start(command, desk)
        except OSError as error:
            raise why_not_started(command, error) from error
        finally:
            desk.let_go()
        try:
            _watch(process, started)
            await process.follow(execution.log)
        except asyncio.CancelledError:
            await process.stop(execution.log, execution.grace)
            raise
        finally:
            exit_code = await process.close()
        _check(exit_code, process.log_tail)
        return desk.read_output(execution.output_limit)

    def _start(self, command: Command, desk: Desk) -> Process:
        reading, writing = _pipe()
        try:
            pid = self._spawner.spawn(
                Launch(
                    program=command.program if self._become is None else self._become[0],
                    argv=[*(self._become or ()), *command.argv],
                    env=command.env,
                    folder=command.folder,
                    stdin=self._null,
                    output=writing,
                )
            )
        except OSError:
            os.close(reading)
            raise
        finally:
            os.close(writing)
        family = self._families.found(pid, os.fsencode(f"TORK_OUTPUT={desk.output}"))
        return Process(self._families, self._records, family, reading)


_Run = Callable[[Execution, Desk, Command], Awaitable[str]]


class _Attempt:
    """One call of the function that ``prepare`` gives."""

    def __init__(self, run: _Run, execution: Execution, desk: Desk, command: Command) -> None:
        self._run = partial(run, execution, desk, command)
        self._runner: asyncio.Task[object] | None = None
        self._over = asyncio.Event()

    async def run(self) -> str:
        self._runner = asyncio.current_task()
        try:
            return await self._run()
        finally:
            self._runner = None
            self._over.set()

    async def leave(self) -> None:
        """Stop a call that still runs, in a task that its owner let go of, and wait for its end.

        Cancelling the wait cancels the call once more, which then kills without any grace.
        """
        cancelled = None
        while self._runner is not None:
            self._runner.cancel()
            try:
                await self._over.wait()
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled


@asynccontextmanager
async def open_shell(settings: ShellSettings) -> AsyncGenerator[ShellRuntime]:
    """Open the runtime: remove what a dead worker left, and be ready to adopt orphans.

    Raises UsageError where the host or the settings do not allow it.
    """
    if sys.platform != "linux":
        raise UsageError("the shell runtime needs Linux: it follows processes through /proc")
    owner = owner_of(settings.uid, settings.gid)
    folder = Path(settings.state or _default_state())
    prepare_folder(folder)
    killed = await asyncio.to_thread(remove_leftovers, folder)
    if killed:
        _log.warning("shell.leftovers_killed", processes=killed)
    with contextlib.ExitStack() as stack:
        null = stack.enter_context(_null())
        families = stack.enter_context(open_families())
        stack.enter_context(_tidying(families))
        records = stack.enter_context(open_records(folder, families.first_colour))
        desks = Desks(records.desks, owner, records.make_folder)
        stack.callback(desks.close)
        yield ShellRuntime(
            path=settings.path or os.environ.get("PATH", os.defpath),
            owner=owner,
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


def _check(exit_code: int | None, log_tail: str) -> None:
    if exit_code is None:
        text = "no exit code: the process would not end, or other code of the worker took it"
        raise TaskFailed(text, log_tail=log_tail)
    if exit_code > 0:
        raise TaskFailed(f"exit code {exit_code}", exit_code=exit_code, log_tail=log_tail)
    if exit_code < 0:
        text = f"killed by {_name(-exit_code)} (signal {-exit_code})"
        raise TaskFailed(text, exit_code=exit_code, log_tail=log_tail)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"


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
