"""Images that are not on the host, from a registry of our own."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
import tork_docker.images
from tork_docker.runtime import DockerRuntime, open_docker
from tork_docker.settings import DockerSettings

from tests.docker.conftest import Run
from tests.docker.engine import IMAGE, TestEngine
from tests.docker.proxy import open_proxy
from tests.docker.registry import PASSWORD, USER, open_registry
from tork_core.errors import TaskFailed
from tork_core.interfaces.environment import Environment
from tork_core.model.spec import RegistrySpec, TaskSpec
from tork_core.testing.runtime import CollectedLog, make_execution
from tork_core.testing.waiting import soon


@pytest.fixture(scope="module")
def registry(engine: TestEngine, tmp_path_factory: pytest.TempPathFactory) -> Generator[str]:
    """The address of a registry with the image ``there:1`` (and no tag ``latest``)."""
    folder = tmp_path_factory.mktemp("registry") / "open"
    with open_registry(folder, private=False) as address:
        _push(engine, f"{address}/there:1")
        yield address


@pytest.fixture(scope="module")
def private_registry(
    engine: TestEngine, tmp_path_factory: pytest.TempPathFactory
) -> Generator[str]:
    folder = tmp_path_factory.mktemp("registry") / "private"
    with open_registry(folder, private=True) as address:
        config = ("--config", str(folder))
        engine.docker(*config, "login", "-u", USER, "-p", PASSWORD, address)
        _push(engine, f"{address}/there:1", *config)
        yield address


def _push(engine: TestEngine, image: str, *options: str) -> None:
    engine.docker("tag", IMAGE, image)
    try:
        engine.docker(*options, "push", image)
    finally:
        engine.docker("rmi", image)


@pytest.fixture
def absent(engine: TestEngine, registry: str) -> Generator[str]:
    """An image that can be pulled and is not there yet."""
    image = f"{registry}/there:1"
    yield image
    if engine.docker("images", "-q", image):
        engine.docker("rmi", image)


async def test_a_missing_image_is_pulled_once_and_then_there(
    docker: DockerRuntime, run: Run, log: CollectedLog, absent: str
) -> None:
    await run(docker, TaskSpec(image=absent, run="echo from afar"))
    assert log.data == b"from afar\n"
    assert log.warnings == [f"pulling image {absent}", f"pulled image {absent}"]
    log.warnings.clear()
    await run(docker, TaskSpec(image=absent, run="true"))
    assert log.warnings == []


async def test_an_image_that_was_removed_meanwhile_is_pulled_again(
    docker: DockerRuntime, run: Run, log: CollectedLog, absent: str, engine: TestEngine
) -> None:
    await run(docker, TaskSpec(image=absent, run="true"))
    engine.docker("rmi", absent)
    await run(docker, TaskSpec(image=absent, run="echo again"))
    assert log.data == b"again\n"


async def test_tasks_at_once_share_one_pull(
    engine: TestEngine, tmp_path: Path, absent: str
) -> None:
    settings = DockerSettings(network="none", state=str(tmp_path / "state"))
    async with (
        open_proxy(engine.host, tmp_path) as (proxy, host),
        open_docker(_at(settings, host), Environment()) as runtime,
    ):
        logs = [CollectedLog() for _ in range(4)]

        async def one(log: CollectedLog) -> str:
            task = TaskSpec(image=absent, run='printf ok > "$TORK_OUTPUT"')
            async with runtime.prepare(make_execution(task, tmp_path, log=log)) as start:
                return await start()

        assert await asyncio.gather(*map(one, logs)) == ["ok"] * 4
        assert proxy.calls.count("POST images/create") == 1
        assert all(f"pulled image {absent}" in log.warnings for log in logs)


async def test_the_image_of_a_digest_is_pulled(
    docker: DockerRuntime, run: Run, log: CollectedLog, engine: TestEngine, absent: str
) -> None:
    await run(docker, TaskSpec(image=absent, run="true"))
    shown = engine.docker("inspect", "--format", "{{json .RepoDigests}}", absent)
    digests = re.findall(r'"([^"]+@sha256:\w+)"', shown)
    [digest] = [digest for digest in digests if digest.startswith(absent.partition("/")[0])]
    engine.docker("rmi", absent)
    if engine.docker("images", "-q", "--no-trunc", digest):
        engine.docker("rmi", digest)
    try:
        await run(docker, TaskSpec(image=digest, run="echo exact"))
    finally:
        engine.docker("rmi", digest)
    assert log.data == b"exact\n"


async def test_a_missing_image_fails_the_task_and_says_so(
    docker: DockerRuntime, run: Run, registry: str
) -> None:
    for name in (f"{registry}/nowhere:1", f"{registry}/there:9", f"{registry}/there"):
        words = f'image "{name}" is not on the host and cannot be pulled: .*(not found|unknown)'
        with pytest.raises(TaskFailed, match=words):
            await run(docker, TaskSpec(image=name, run="true"))


async def test_credentials_of_the_task_open_a_private_registry(
    docker: DockerRuntime, run: Run, log: CollectedLog, private_registry: str, engine: TestEngine
) -> None:
    image = f"{private_registry}/there:1"
    for credentials in (None, RegistrySpec(username=USER, password="wrong")):
        with pytest.raises(TaskFailed, match="cannot be pulled") as failed:
            await run(docker, TaskSpec(image=image, registry=credentials, run="true"))
        assert "wrong" not in str(failed.value)
    known = RegistrySpec(username=USER, password=PASSWORD)
    try:
        await run(docker, TaskSpec(image=image, registry=known, run="echo let in"))
    finally:
        engine.docker("rmi", image)
    assert log.data == b"let in\n"


async def test_a_pull_has_its_own_time_limit_and_shows_how_far_it_is(
    engine: TestEngine, tmp_path: Path, run: Run, log: CollectedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tork_docker.images, "_EVERY", 0.2)
    settings = DockerSettings(host=engine.host, pull_timeout=1.0, state=str(tmp_path / "state"))
    with _silent_registry() as address:
        image = f"{address}/slow:1"
        async with open_docker(settings, Environment()) as runtime:
            with pytest.raises(TaskFailed, match=r"within 1 s \(--docker-pull-timeout\)"):
                await soon(run(runtime, TaskSpec(image=image, run="true")), within=20)
    assert f"pulling image {image}: 0 of 0 layers, 0.0 of 0.0 MiB loaded" in log.warnings


async def test_a_pull_goes_on_for_as_long_as_one_task_waits(
    engine: TestEngine, tmp_path: Path, settings: DockerSettings
) -> None:
    tasks = asyncio.all_tasks()
    with _silent_registry() as address:
        async with open_docker(settings, Environment()) as runtime:

            async def one() -> None:
                task = TaskSpec(image=f"{address}/slow:1", run="true")
                async with runtime.prepare(make_execution(task, tmp_path)):
                    raise AssertionError("it cannot have been pulled")

            first, second = asyncio.create_task(one()), asyncio.create_task(one())
            await asyncio.sleep(0.3)
            first.cancel()
            await asyncio.wait([first])
            assert not second.done()
            third = asyncio.create_task(one())
            second.cancel()
            await asyncio.sleep(0.1)
            assert not third.done(), "it waits for the pull of the others, or for one of its own"
            third.cancel()
            await soon(asyncio.wait([third]), within=10)
            await soon(asyncio.wait([second]), within=10)
            assert first.cancelled()
            assert second.cancelled()
    assert asyncio.all_tasks() <= tasks


@contextmanager
def _silent_registry() -> Generator[str]:
    """A registry that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield f"127.0.0.1:{server.getsockname()[1]}"


def _at(settings: DockerSettings, host: str) -> DockerSettings:
    return DockerSettings(host=host, network=settings.network, state=settings.state)
