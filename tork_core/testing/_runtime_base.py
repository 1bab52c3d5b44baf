"""What the parts of the runtimes' contract have in common: running a script, and watching it."""

from __future__ import annotations

import asyncio
import os
import secrets
import shutil
import tempfile
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import ClassVar

import pytest

from tork_core.errors import TaskFailed
from tork_core.interfaces.runtime import Execution, LogSink, Runtime
from tork_core.model.spec import TaskSpec
from tork_core.testing.waiting import eventually, soon


class CollectedLog:
    """A log that keeps all it gets."""

    def __init__(self) -> None:
        self.data = b""
        self.warnings: list[str] = []

    async def write(self, data: bytes) -> None:
        self.data += data

    async def warn(self, text: str) -> None:
        self.warnings.append(text)

    def has(self, text: str) -> bool:
        """Whether the task printed this."""
        return text.encode() in self.data


def make_execution(
    task: TaskSpec,
    folder: Path,
    *,
    kept: Path | None = None,
    log: LogSink | None = None,
    env: Mapping[str, str] | None = None,
    task_id: str = "task-1",
    output_limit: int = 64 * 1024,
    grace: float = 5.0,
) -> Execution:
    """Make an attempt as a worker gives it to a runtime; its scratch folder lies in ``folder``.

    So does what the runtime keeps, unless that has a folder of its own, ``kept``.
    """
    made: list[Path] = []

    def scratch() -> Path:
        if not made:
            made.append(Path(tempfile.mkdtemp(dir=folder)))
        return made[0]

    own = {"TORK_JOB_ID": "job-1", "TORK_TASK_ID": task_id, "TORK_ATTEMPT": "1"}
    return Execution(
        job_id="job-1",
        task_id=task_id,
        attempt=1,
        task=task,
        env={**own, **(env or {})},
        log=CollectedLog() if log is None else log,
        scratch=scratch,
        kept=lambda: kept or folder,
        output_limit=output_limit,
        grace=grace,
    )


class Trial:
    """One run of a script. ``{token}`` in it becomes a number of seconds nobody else sleeps for.

    So every process of the trial is known by its environment, which holds the token as well, or by
    its command line.
    """

    def __init__(self, runtime: Runtime, execution: Execution, token: str) -> None:
        self.runtime = runtime
        self.execution = execution
        self.token = token
        self._begun: list[asyncio.Task[str]] = []

    async def run(self) -> str:
        """Run it from preparation to the end; returns the output."""
        async with self.runtime.prepare(self.execution) as start:
            return await start()

    def begin(self) -> asyncio.Task[str]:
        """Run it in a task of its own."""
        run = asyncio.create_task(self.run())
        self._begun.append(run)
        return run

    async def abandon(self, *, within: float) -> None:
        """Cancel what still runs, and wait so long for its end."""
        running = [run for run in self._begun if not run.done()]
        for run in running:
            run.cancel()
        if running:
            await asyncio.wait(running, timeout=within)

    def processes(self) -> list[str]:
        """Return the command lines of the trial's live processes on this host."""
        return processes_with(self.token)


class RuntimeSuite:
    """What a subclass gives, and the steps that the promises are written in."""

    pytestmark = pytest.mark.asyncio

    patience: ClassVar[float] = 20.0
    """The longest wait, in seconds, for what must happen."""
    honours: ClassVar[frozenset[str]] = frozenset({"run", "cmd", "entrypoint", "env"})
    """Which of these fields of a task it carries out; promises about the others are skipped."""
    names_signals: ClassVar[bool] = True
    """Whether the runtime can tell a signal that ended a task from an exit code above 128."""
    ambient: ClassVar[frozenset[str]] = frozenset()
    """Variables beside PATH, HOME and TORK_OUTPUT that the runtime gives to every task."""

    @pytest.fixture
    async def runtime(self) -> Runtime:
        """The runtime, open."""
        raise NotImplementedError("give a fixture `runtime`: your runtime, open")

    def task(self, script: str) -> TaskSpec:
        """Return a task that runs a script of a POSIX shell, with ``setsid`` at hand."""
        return TaskSpec(run=script)

    def words(self, *, entrypoint: list[str] | None = None, cmd: list[str]) -> TaskSpec:
        """Return a task that executes a command directly."""
        return TaskSpec(entrypoint=entrypoint, cmd=cmd)

    @asynccontextmanager
    async def trial(
        self,
        runtime: Runtime,
        script: str | TaskSpec,
        *,
        log: LogSink | None = None,
        env: Mapping[str, str] | None = None,
        output_limit: int = 64 * 1024,
        grace: float = 5.0,
    ) -> AsyncGenerator[Trial]:
        """Prepare a trial of a script. What it leaves behind is killed or cancelled at the end."""
        token = f"86400.{secrets.randbelow(10**9):09}"
        task = self.task(script.replace("{token}", token)) if isinstance(script, str) else script
        folder = Path(tempfile.mkdtemp(prefix="trial-"))
        execution = make_execution(
            task,
            folder,
            kept=folder.parent,
            log=log,
            env=env,
            task_id=token,
            output_limit=output_limit,
            grace=grace,
        )
        trial = Trial(runtime, execution, token)
        try:
            yield trial
        finally:
            kill_processes_with(token)
            await trial.abandon(within=self.patience)
            shutil.rmtree(folder, ignore_errors=True)

    async def output_of(self, runtime: Runtime, script: str, **env: str) -> str:
        """Run a script to its end and return its output."""
        async with self.trial(runtime, script, env=env) as trial:
            return await soon(trial.run(), within=self.patience)

    async def log_of(self, runtime: Runtime, script: str | TaskSpec, **env: str) -> bytes:
        """Run a script to its end and return what it printed."""
        log = CollectedLog()
        async with self.trial(runtime, script, log=log, env=env) as trial:
            await soon(trial.run(), within=self.patience)
        return log.data

    async def failure_of(
        self, runtime: Runtime, script: str | TaskSpec, *, output_limit: int = 64 * 1024, **env: str
    ) -> TaskFailed:
        """Run a script that must fail, and return how it did."""
        async with self.trial(runtime, script, env=env, output_limit=output_limit) as trial:
            try:
                output = await soon(trial.run(), within=self.patience)
            except TaskFailed as failed:
                return failed
        raise AssertionError(f"the task was to fail, but gave the output {output!r}")

    async def printed(self, log: CollectedLog, text: str, run: asyncio.Task[str]) -> None:
        """Wait until a running trial has printed a text."""

        async def look() -> bytes:
            if run.done() and not log.has(text):
                raise AssertionError(f"it ended without printing {text!r}: {run}, {log.data!r}")
            return log.data

        await eventually(look, lambda data: text.encode() in data, within=self.patience)

    async def cancel(self, run: asyncio.Task[str]) -> None:
        """Cancel a running trial, and check that it ends cancelled."""
        run.cancel()
        await soon(asyncio.wait([run]), within=self.patience)
        assert run.cancelled(), f"cancelled, it was to raise CancelledError, but: {run}"

    def nothing_is_left_of(self, trial: Trial) -> None:
        """Check that no process of a trial is alive."""
        left = trial.processes()
        assert not left, f"left running: {left}"


def processes_with(token: str) -> list[str]:
    """Return the command lines of live processes that have a text in theirs or their variables."""
    return [line for _, line in _search(token.encode())]


def kill_processes_with(token: str) -> None:
    """Kill every process that ``processes_with`` would return."""
    for pid, _ in _search(token.encode()):
        try:
            os.kill(pid, 9)
        except ProcessLookupError:
            continue


def dead_children() -> list[int]:
    """Return the pids of children of this process that are dead and not yet waited for."""
    dead: list[int] = []
    for pid in _pids():
        _, _, line = _read(pid, "stat").rpartition(b")")
        fields = line.split()
        if fields and fields[0] == b"Z" and int(fields[1]) == os.getpid():
            dead.append(pid)
    return dead


def _search(token: bytes) -> list[tuple[int, str]]:
    found: list[tuple[int, str]] = []
    for pid in _pids():
        line = _read(pid, "cmdline")
        if pid != os.getpid() and (token in line or token in _read(pid, "environ")):
            found.append((pid, line.replace(b"\0", b" ").decode(errors="replace").strip()))
    return found


def _pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _read(pid: int, name: str) -> bytes:
    try:
        return Path(f"/proc/{pid}/{name}").read_bytes()
    except OSError:
        return b""
