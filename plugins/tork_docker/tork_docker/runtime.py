"""The runtime: opens what all tasks share, and takes each through its steps."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from functools import partial

from tork_core.errors import UsageError
from tork_core.interfaces.calls import Call
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.runtime import Execution, Start
from tork_docker.attempt import Attempts
from tork_docker.engine import Engine, EngineError, open_engine
from tork_docker.images import Pulls
from tork_docker.owner import own, remove_leftovers_or_warn, state_folder
from tork_docker.plan import Ground
from tork_docker.removal import Removals
from tork_docker.settings import DockerSettings, check_network
from tork_docker.volumes import Volumes


class DockerRuntime:
    """Runs each task in a container of its own."""

    def __init__(self, engine: Engine, attempts: Attempts, volumes: Volumes) -> None:
        self._engine = engine
        self._attempts = attempts
        self._volumes = volumes

    def volumes(self, execution: Execution) -> AbstractAsyncContextManager[Mapping[str, str]]:
        """Make the volumes that a task shares with its pre and post tasks."""
        return self._volumes.open(execution)

    @asynccontextmanager
    async def prepare(self, execution: Execution) -> AsyncGenerator[Start]:
        """Pull the image if it is missing, and make the container; the function given starts it."""
        async with self._attempts.open(execution) as attempt:
            call = Call(partial(self._attempts.run, attempt))
            try:
                yield call.run
            finally:
                await call.leave()

    async def health(self) -> str | None:
        """Return what is wrong if the engine does not answer."""
        try:
            await self._engine.ping()
        except EngineError as error:
            return error.message
        return None


@asynccontextmanager
async def open_docker(
    settings: DockerSettings, environment: Environment
) -> AsyncGenerator[DockerRuntime]:
    """Connect to the engine, and remove what workers of this host have left that died.

    Raises UsageError for settings that cannot be, Unavailable if no engine answers.
    """
    try:
        check_network(settings.network)
    except ValueError as error:
        raise UsageError(f"--docker-network: {error}") from error
    async with open_engine(settings.host) as engine:
        folder = state_folder(settings.state, engine.url)
        await remove_leftovers_or_warn(engine, folder)
        removals = Removals(engine)
        node = environment.token()
        with own(folder, node, lambda: removals.complete):
            ground = Ground(node, settings.network, settings.pids_limit)
            pulls = Pulls(engine, settings.pull_timeout)
            attempts = Attempts(engine, ground, pulls, removals)
            trying = asyncio.create_task(removals.keep_trying(), name="docker removals")
            try:
                yield DockerRuntime(engine, attempts, Volumes(engine.url, removals))
            finally:
                trying.cancel()
                await asyncio.wait([trying])
            await removals.again()
