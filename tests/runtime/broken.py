"""A runtime as one would write it first, and runtimes that break one more promise each."""

from __future__ import annotations

import asyncio
import os
import signal
from asyncio.subprocess import DEVNULL, PIPE, STDOUT, Process
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import msgspec
from tork_shell.hierarchy import find
from tork_shell.runtime import ShellRuntime

from tork_core.errors import TaskFailed
from tork_core.interfaces.runtime import Execution, LogSink, Start


class PlainRuntime:
    """Runs a script by asyncio's own subprocess: good enough for many promises, not for all."""

    @asynccontextmanager
    async def prepare(self, execution: Execution) -> AsyncGenerator[Start]:
        folder = execution.scratch()
        script, output = folder / ".script", folder / ".output"
        script.write_text(execution.task.run or "")
        output.touch()

        async def start() -> str:
            process = await self.spawn(execution, folder, script, output)
            try:
                await self.log(process, execution.log)
                code = await process.wait()
            except asyncio.CancelledError:
                await self.stop(process, execution)
                raise
            self.end(process)
            if code:
                raise self.failure(code)
            return self.read(output, execution.output_limit)

        yield start

    async def health(self) -> str | None:
        return None

    def env(self, execution: Execution, output: Path) -> Mapping[str, str]:
        ambient = {name: os.environ[name] for name in ("PATH", "HOME")}
        return {**ambient, **execution.env, "TORK_OUTPUT": str(output)}

    async def spawn(
        self, execution: Execution, folder: Path, script: Path, output: Path
    ) -> Process:
        return await asyncio.create_subprocess_exec(
            "bash",
            str(script),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=STDOUT,
            cwd=folder,
            env=self.env(execution, output),
            start_new_session=True,
        )

    async def log(self, process: Process, log: LogSink) -> None:
        assert process.stdout is not None
        while data := await process.stdout.read(65536):
            await log.write(data)

    async def stop(self, process: Process, execution: Execution) -> None:
        self.kill(process, signal.SIGTERM)
        try:
            async with asyncio.timeout(execution.grace):
                await self.log(process, execution.log)
                await process.wait()
        except TimeoutError:
            pass
        finally:
            self.end(process)
            await process.wait()
            await self.gone(process)

    async def gone(self, process: Process) -> None:
        """Wait until a group that was killed is dead, and its dead are taken away."""
        with suppress(ProcessLookupError):
            while True:
                os.killpg(process.pid, 0)
                await asyncio.sleep(0.005)

    def end(self, process: Process) -> None:
        self.kill(process, signal.SIGKILL)

    def kill(self, process: Process, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, number)

    def failure(self, code: int) -> TaskFailed:
        return TaskFailed(f"exit code {code}", exit_code=code)

    def read(self, output: Path, limit: int) -> str:
        return output.read_bytes()[:limit].decode()


class StartsEarly(PlainRuntime):
    @asynccontextmanager
    async def prepare(self, execution: Execution) -> AsyncGenerator[Start]:
        async with super().prepare(execution) as start:
            task = asyncio.ensure_future(start())

            async def wait() -> str:
                return await task

            try:
                yield wait
            finally:
                task.cancel()
                await asyncio.wait([task])


class ReturnsBeforeTheEnd(PlainRuntime):
    """Takes the end of the log for the end of the task."""

    @asynccontextmanager
    async def prepare(self, execution: Execution) -> AsyncGenerator[Start]:
        folder = execution.scratch()
        script, output = folder / ".script", folder / ".output"
        script.write_text(execution.task.run or "")
        output.touch()

        async def start() -> str:
            process = await self.spawn(execution, folder, script, output)
            await self.log(process, execution.log)
            return self.read(output, execution.output_limit)

        yield start


class KillsOnlyTheMainProcess(PlainRuntime):
    def kill(self, process: Process, number: signal.Signals) -> None:
        with suppress(ProcessLookupError):
            process.send_signal(number)


class IgnoresCancellation(PlainRuntime):
    async def stop(self, process: Process, execution: Execution) -> None: ...


class KillsWithoutAsking(PlainRuntime):
    async def stop(self, process: Process, execution: Execution) -> None:
        self.end(process)
        await process.wait()


class NeverKills(PlainRuntime):
    async def stop(self, process: Process, execution: Execution) -> None:
        self.kill(process, signal.SIGTERM)
        await self.log(process, execution.log)
        await process.wait()


class CutsTheGraceShort(PlainRuntime):
    async def stop(self, process: Process, execution: Execution) -> None:
        await super().stop(process, replace(execution, grace=execution.grace / 10))


class EndsTheGraceWithTheMainProcess(PlainRuntime):
    async def stop(self, process: Process, execution: Execution) -> None:
        self.kill(process, signal.SIGTERM)
        reading = asyncio.ensure_future(self.log(process, execution.log))
        # Its `wait` waits for the pipe as well.
        while process.returncode is None:  # noqa: ASYNC110
            await asyncio.sleep(0.005)
        self.end(process)
        await reading


class TakesASecondCancellationForTheEnd(PlainRuntime):
    async def stop(self, process: Process, execution: Execution) -> None:
        self.kill(process, signal.SIGTERM)
        await self.log(process, execution.log)
        self.end(process)


class LosesTheOutput(PlainRuntime):
    def read(self, output: Path, limit: int) -> str:
        return ""


class StripsTheOutput(PlainRuntime):
    def read(self, output: Path, limit: int) -> str:
        return super().read(output, limit).strip()


class LosesTheEndOfTheLog(PlainRuntime):
    async def log(self, process: Process, log: LogSink) -> None:
        assert process.stdout is not None
        before = b""
        while data := await process.stdout.read(1000):
            await log.write(before)
            before = data


class KeepsTheLogUntilTheEnd(PlainRuntime):
    async def log(self, process: Process, log: LogSink) -> None:
        assert process.stdout is not None
        await log.write(await process.stdout.read())


class ReadsAheadOfTheLog(PlainRuntime):
    async def log(self, process: Process, log: LogSink) -> None:
        assert process.stdout is not None
        waiting: asyncio.Queue[bytes] = asyncio.Queue()

        async def write() -> None:
            while data := await waiting.get():
                await log.write(data)

        writer = asyncio.ensure_future(write())
        while data := await process.stdout.read(65536):
            waiting.put_nowait(data)
        waiting.put_nowait(b"")
        await writer


class ReordersTheLog(PlainRuntime):
    """Reads the two streams apart."""

    async def spawn(
        self, execution: Execution, folder: Path, script: Path, output: Path
    ) -> Process:
        return await asyncio.create_subprocess_exec(
            "bash",
            str(script),
            stdin=DEVNULL,
            stdout=PIPE,
            stderr=PIPE,
            cwd=folder,
            env=self.env(execution, output),
            start_new_session=True,
        )

    async def log(self, process: Process, log: LogSink) -> None:
        assert process.stdout is not None
        assert process.stderr is not None
        for stream in (process.stdout, process.stderr):
            while data := await stream.read(65536):
                await log.write(data)


class DecodesTheLog(PlainRuntime):
    async def log(self, process: Process, log: LogSink) -> None:
        assert process.stdout is not None
        while data := await process.stdout.read(65536):
            await log.write(data.decode(errors="replace").encode())


class ShowsTheWorkersEnvironment(PlainRuntime):
    def env(self, execution: Execution, output: Path) -> Mapping[str, str]:
        return {**os.environ, **super().env(execution, output)}


class InheritsDescriptors(PlainRuntime):
    async def spawn(
        self, execution: Execution, folder: Path, script: Path, output: Path
    ) -> Process:
        return await asyncio.create_subprocess_exec(
            "bash",
            str(script),
            stdout=PIPE,
            stderr=STDOUT,
            cwd=folder,
            env=self.env(execution, output),
            start_new_session=True,
            close_fds=False,
            restore_signals=False,
        )


class HidesTheExitCode(PlainRuntime):
    def failure(self, code: int) -> TaskFailed:
        return TaskFailed("error executing command: exit status 1", exit_code=1)


class Wrapped:
    """A good runtime, to be wrapped in a fault."""

    def __init__(self, good: ShellRuntime) -> None:
        self.good = good

    def prepare(self, execution: Execution) -> AbstractAsyncContextManager[Start]:
        return self.good.prepare(execution)

    async def health(self) -> str | None:
        return await self.good.health()


class LeavesDescriptorsOpen(Wrapped):
    @asynccontextmanager
    async def prepare(self, execution: Execution) -> AsyncGenerator[Start]:
        os.open("/dev/null", os.O_RDONLY)
        async with self.good.prepare(execution) as start:
            yield start


class MixesUpTasks(Wrapped):
    """Gives the output of the task before."""

    last = ""

    @asynccontextmanager
    async def prepare(self, execution: Execution) -> AsyncGenerator[Start]:
        async with self.good.prepare(execution) as start:

            async def late() -> str:
                output, self.last = self.last, await start()
                return output

            yield late


class ForgetsLimits(Wrapped):
    def prepare(self, execution: Execution) -> AbstractAsyncContextManager[Start]:
        task = msgspec.structs.replace(execution.task, limits=None)
        return self.good.prepare(replace(execution, task=task))


class LetsChildrenEscape(Wrapped):
    """Puts the main process back to where the worker is, and its children with it."""

    def prepare(self, execution: Execution) -> AbstractAsyncContextManager[Start]:
        worker = find("memory").folder / "cgroup.procs"
        script = f"echo 0 > {worker}\n{execution.task.run}"
        task = msgspec.structs.replace(execution.task, run=script)
        return self.good.prepare(replace(execution, task=task))


class SaysNothingOfMemory(Wrapped):
    @asynccontextmanager
    async def prepare(self, execution: Execution) -> AsyncGenerator[Start]:
        async with self.good.prepare(execution) as start:

            async def silent() -> str:
                try:
                    return await start()
                except TaskFailed as failed:
                    raise TaskFailed("exit code 137", exit_code=failed.exit_code) from None

            yield silent


class FailsWithAnyChild(Wrapped):
    """Takes a child that was killed for the end of the task."""

    def prepare(self, execution: Execution) -> AbstractAsyncContextManager[Start]:
        task = msgspec.structs.replace(execution.task, run=f"set -e\n{execution.task.run}")
        return self.good.prepare(replace(execution, task=task))
