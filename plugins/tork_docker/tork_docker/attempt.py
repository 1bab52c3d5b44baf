"""One attempt of a task in its container: made, started, followed, stopped, read."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
from collections.abc import AsyncGenerator
from contextlib import AsyncExitStack, asynccontextmanager

from tork_core.errors import TaskFailed
from tork_core.interfaces.log_tail import LogTail
from tork_core.interfaces.runtime import Execution
from tork_core.model.spec import TaskSpec
from tork_docker.archive import most_of, packed, unpacked
from tork_docker.endings import failure, no_interpreter, no_shell, not_started
from tork_docker.engine import Attached, Engine, EngineError, uncut
from tork_docker.images import Pulls
from tork_docker.plan import OUTPUT, Ground, image_of, own_words, script_words
from tork_docker.removal import Removals
from tork_docker.script import Answer, keeper_config, text_of
from tork_docker.volumes import for_everybody, kept_by_engine

_ERRORS = 2
"""The number of standard error among a container's streams."""


class NoKeeper(Exception):
    """The image has no ``sh``, or not what the keeper needs beside it, and nothing was run."""

    def __init__(self, *, has_shell: bool) -> None:
        self.has_shell = has_shell
        super().__init__()


class Attempt:
    """A container that was made for an attempt, and is not started yet."""

    def __init__(
        self,
        engine: Engine,
        execution: Execution,
        name: str,
        streams: Attached,
        answer: Answer | None,
    ) -> None:
        """``answer``: where the keeper's answer is put, if a keeper runs the task."""
        self._engine = engine
        self.execution = execution
        self._name = name
        self._streams = streams
        self._answer = answer
        self._log = LogTail()

    async def run(self) -> str:
        """Run it to its end, and return the output. Raises TaskFailed, or NoKeeper."""
        try:
            await self._start()
            try:
                await self._follow()
                exit_code = await self._engine.wait(self._name)
            except asyncio.CancelledError:
                await self._stop()
                raise
            self._check_keeper()
            if exit_code != 0:
                state = await self._engine.state(self._name)
                raise failure(self.execution.task, exit_code, state, self._log.text())
            return await self._output()
        except EngineError as error:
            raise TaskFailed(error.message, log_tail=self._log.text()) from error

    def _check_keeper(self) -> None:
        """Raise for what the keeper says that it could not do."""
        if self._answer is None:
            return
        if self._answer.no_shell or self._answer.no_tools:
            raise NoKeeper(has_shell=self._answer.no_tools)
        if self._answer.no_interpreter:
            raise no_interpreter(self.execution.task)

    async def _start(self) -> None:
        try:
            await uncut(self._engine.start(self._name))
        except EngineError as error:
            raise not_started(self.execution.task, error) from error
        except asyncio.CancelledError:
            await self._stop()
            raise

    async def _follow(self) -> None:
        """Hand the log on until both streams have ended, no faster than it is taken."""
        if self._answer is not None:
            # It may have ended without reading, and then tells us why.
            with contextlib.suppress(EngineError):
                await self._streams.write((self.execution.task.run or "").encode())
        await self._read_on()

    async def _read_on(self) -> None:
        while (read := await self._streams.read()) is not None:
            stream, data = read
            if stream == _ERRORS and self._answer is not None:
                data = self._answer.feed(data)
            await self._print(data)
        if self._answer is not None:
            await self._print(self._answer.close())

    async def _print(self, data: bytes) -> None:
        if data:
            self._log.feed(data)
            await self.execution.log.write(data)

    async def _stop(self) -> None:
        """Ask the task to end, and follow it for its grace while it does; removal ends it."""
        with contextlib.suppress(EngineError, TimeoutError):
            async with asyncio.timeout(self.execution.grace):
                await self._engine.signal(self._name, "SIGTERM")
                await self._read_on()

    async def _output(self) -> str:
        if self._answer is not None:
            return self._answer.output()
        limit = self.execution.output_limit
        archive = await self._engine.get(self._name, OUTPUT, most_of(limit))
        return text_of(unpacked(archive, limit), limit)


class Attempts:
    """Makes attempts. ``pulls`` brings missing images, ``removals`` takes containers away."""

    def __init__(self, engine: Engine, ground: Ground, pulls: Pulls, removals: Removals) -> None:
        self._engine = engine
        self._ground = ground
        self._pulls = pulls
        self._removals = removals
        self._shell_less: set[str] = set()
        self._tool_less: set[str] = set()

    @asynccontextmanager
    async def open(
        self, execution: Execution, *, without_keeper: bool = False
    ) -> AsyncGenerator[Attempt]:
        """Make a container and hold its streams; in every case it is removed in the end.

        Raises TaskFailed.
        """
        task = execution.task
        by_keeper = task.run is not None and not without_keeper and self._has_keeper(task)
        answer = Answer(execution.output_limit) if by_keeper else None
        config = self._ground.config(execution)
        if answer is not None:
            config = keeper_config(config, execution, answer)
        else:
            config.update(own_words(task))
        name = f"tork-{secrets.token_hex(12)}"
        async with AsyncExitStack() as stack:
            stack.push_async_callback(self._removals.remove, name)
            try:
                await self._create(name, config, execution)
                for path in kept_by_engine(execution.volumes):
                    await uncut(self._engine.put(name, *for_everybody(path)))
                if answer is None:
                    await uncut(self._engine.put(name, "/", packed(task.run)))
                streams = await stack.enter_async_context(self._engine.attach(name))
            except EngineError as error:
                raise not_started(task, error) from error
            yield Attempt(self._engine, execution, name, streams, answer)

    async def run(self, attempt: Attempt) -> str:
        """Run an attempt to its end, and return the output. Raises TaskFailed.

        Where there is no keeper, a script is started without one: by ``sh`` if that is there, or
        by the interpreter that it brings.
        """
        try:
            return await attempt.run()
        except NoKeeper as found:
            execution, has_shell = attempt.execution, found.has_shell
        if not (has_shell or _starts_itself(execution.task)):
            raise no_shell(execution)
        if "PATH" not in execution.env:  # else it is perhaps only not on that PATH
            without = self._tool_less if has_shell else self._shell_less
            without.add(image_of(execution.task))
        async with self.open(execution, without_keeper=True) as second:
            return await second.run()

    def _has_keeper(self, task: TaskSpec) -> bool:
        """Whether a keeper runs a script in this image, as far as is known."""
        image = image_of(task)
        return image not in self._tool_less and not (
            _starts_itself(task) and image in self._shell_less
        )

    async def _create(self, name: str, config: dict[str, object], execution: Execution) -> None:
        """Make the container, pulling the image if it is missing: nothing else tells so surely."""
        try:
            await uncut(self._engine.create(name, config))
        except EngineError as error:
            if error.status != 404:
                raise
            task = execution.task
            await self._pulls.pull(image_of(task), task.registry, execution.log)
            await uncut(self._engine.create(name, config))


def _starts_itself(task: TaskSpec) -> bool:
    return script_words(task)[0] != "sh"
