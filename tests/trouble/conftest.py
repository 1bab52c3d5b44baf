"""Servers with either runtime that all reports of trouble are tried on."""

from __future__ import annotations

import secrets
from collections.abc import Generator
from contextlib import nullcontext
from pathlib import Path

import pytest

from tests.docker.engine import IMAGE, TestEngine, running_engine, started_engine
from tests.trouble.images import made
from tests.trouble.place import Place, opened
from tork_core.testing._runtime_base import kill_processes_with, processes_with


@pytest.fixture(scope="session")
def engine() -> Generator[TestEngine]:
    """A Docker engine with the images of the tests."""
    running = running_engine()
    with (
        nullcontext(running) if running else started_engine() as engine,
        engine.images(),
        made(engine),
    ):
        yield engine


@pytest.fixture(scope="session")
def shell(tmp_path_factory: pytest.TempPathFactory) -> Generator[Place]:
    """A server that runs tasks as processes."""
    with opened("shell", tmp_path_factory.mktemp("shell"), None) as place:
        yield place


@pytest.fixture(scope="session")
def docker(engine: TestEngine, tmp_path_factory: pytest.TempPathFactory) -> Generator[Place]:
    """A server that runs tasks in containers."""
    folder: Path = tmp_path_factory.mktemp("docker")
    before = engine.everything()
    settings = ("--docker-host", engine.host, "--docker-network", "none")
    with opened("docker", folder, IMAGE, *settings) as place:
        yield place
    engine.settles(before)


@pytest.fixture(params=["shell", "docker"])
def place(request: pytest.FixtureRequest) -> Place:
    """A server with either runtime."""
    return request.getfixturevalue(request.param)


@pytest.fixture
def token() -> Generator[str]:
    """A number of seconds that nobody else sleeps for.

    After the test no process that has it lives, in a container or not.
    """
    token = f"864{secrets.randbelow(10**10):010}"
    yield token
    left = processes_with(token)
    kill_processes_with(token)
    assert left == [], "processes were left"
