"""A Docker engine for the tests: the one that answers, or one that is started for them.

``DOCKER_HOST``, or else Docker's own socket, is asked first. If no engine answers and ``dockerd``
is installed, one is started as root on a socket of its own, with all it keeps in a folder that is
removed in the end. Images are made here, since no registry can be relied upon.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from contextlib import nullcontext
from pathlib import Path

import pytest
from tork_docker.runtime import DockerRuntime, open_docker
from tork_docker.settings import DockerSettings

from tests.docker.engine import IMAGE, TestEngine, running_engine, started_engine
from tork_core.interfaces.environment import Environment
from tork_core.model.spec import TaskSpec
from tork_core.testing.runtime import CollectedLog, make_execution

Run = Callable[..., Awaitable[str]]


@pytest.fixture(scope="session")
def engine() -> Generator[TestEngine]:
    """An engine with the images of the tests."""
    running = running_engine()
    with nullcontext(running) if running else started_engine() as engine, engine.images():
        yield engine


@pytest.fixture(autouse=True)
def nothing_left(engine: TestEngine) -> Generator[None]:
    """After every test there is in the engine, and on the host, what was there before."""
    before = engine.everything()
    yield
    engine.settles(before)


@pytest.fixture
def settings(engine: TestEngine, tmp_path: Path) -> DockerSettings:
    return DockerSettings(host=engine.host, network="none", state=str(tmp_path / "state"))


@pytest.fixture
async def docker(settings: DockerSettings) -> AsyncGenerator[DockerRuntime]:
    async with open_docker(settings, Environment()) as runtime:
        yield runtime


@pytest.fixture
def log() -> CollectedLog:
    return CollectedLog()


@pytest.fixture
def run(tmp_path: Path, log: CollectedLog) -> Run:
    """Run a task in a runtime, and return its output; what it prints goes to ``log``."""

    async def run(
        runtime: DockerRuntime, task: TaskSpec | str, env: Mapping[str, str] | None = None
    ) -> str:
        spec = TaskSpec(image=IMAGE, run=task) if isinstance(task, str) else task
        async with runtime.prepare(make_execution(spec, tmp_path, log=log, env=env)) as start:
            return await start()

    return run
