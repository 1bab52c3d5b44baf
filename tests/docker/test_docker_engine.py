"""The connection to an engine: the calls that are made, an engine that is away, what is left."""

from __future__ import annotations

import asyncio
import operator
import sys
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
import tork_docker.engine
import tork_docker.removal
from tork_docker.engine import EngineError, open_engine
from tork_docker.runtime import DockerRuntime, open_docker
from tork_docker.settings import DockerSettings

from tests.docker.conftest import Run
from tests.docker.engine import IMAGE, TestEngine
from tests.docker.proxy import open_proxy
from tork_core.errors import TaskFailed, Unavailable, UsageError
from tork_core.interfaces.environment import Environment
from tork_core.model.spec import TaskSpec
from tork_core.testing.runtime import CollectedLog, make_execution
from tork_core.testing.waiting import eventually, soon

_OWNER_THAT_DIES = """
import asyncio, os, sys
from pathlib import Path
from tork_core.interfaces.environment import Environment
from tork_core.model.spec import TaskSpec
from tork_core.testing.runtime import make_execution
from tork_docker.runtime import open_docker
from tork_docker.settings import DockerSettings

async def main(host, state, image):
    settings = DockerSettings(host=host, network="none", state=state)
    async with open_docker(settings, Environment()) as runtime:
        task = TaskSpec(image=image, run="sleep 1000")
        async with runtime.prepare(make_execution(task, Path(state))) as start:
            print("made", flush=True)
            running = asyncio.create_task(start())
            await asyncio.sleep(1000)

asyncio.run(main(*sys.argv[1:]))
"""


def _settings(host: str, folder: Path) -> DockerSettings:
    return DockerSettings(host=host, network="none", state=str(folder / "state"))


async def test_a_container_that_has_ended_is_told_so_to_who_writes_to_it(
    engine: TestEngine,
) -> None:
    """As a container does at once that cannot be started: its task's script comes too late then."""
    async with open_engine(engine.host) as client:
        config = {"Image": IMAGE, "Entrypoint": ["true"], "OpenStdin": True, "StdinOnce": True}
        config |= {"AttachStdin": True, "AttachStdout": True, "AttachStderr": True}
        await client.create("tork-test-ended", config)
        try:
            async with client.attach("tork-test-ended") as streams:
                await client.start("tork-test-ended")
                assert await soon(streams.read(), within=20) is None
                with pytest.raises(EngineError, match="the container has ended"):
                    await streams.write(b"echo x")
        finally:
            await client.remove("tork-test-ended")


async def test_something_between_that_passes_no_streams_on_is_named(tmp_path: Path) -> None:
    """A proxy in front of an engine's socket may answer the upgrade of a connection itself."""
    answer = b'{"ApiVersion": "1.41", "MinAPIVersion": "1.12"}'
    head = (
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
        f"Connection: close\r\nContent-Length: {len(answer)}\r\n\r\n"
    )

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(head.encode() + answer)
        writer.close()

    path = tmp_path / "proxy.sock"
    async with (
        await asyncio.start_unix_server(serve, path),
        open_engine(f"unix://{path}") as client,
    ):
        with pytest.raises(EngineError, match="Cannot upgrade connection"):
            async with client.attach("any"):
                pass


async def test_a_script_costs_one_call_more_than_a_bare_container(
    engine: TestEngine, tmp_path: Path, run: Run
) -> None:
    async with (
        open_proxy(engine.host, tmp_path) as (proxy, host),
        open_docker(_settings(host, tmp_path), Environment()) as runtime,
    ):
        assert proxy.calls == ["GET version"]
        proxy.calls.clear()
        assert await run(runtime, "echo hello; printf out > $TORK_OUTPUT") == "out"
        assert proxy.calls == [
            "POST containers/create",
            "POST containers/NAME/attach",
            "POST containers/NAME/start",
            "POST containers/NAME/wait",
            "DELETE containers/NAME",
        ]
        proxy.calls.clear()
        await run(runtime, TaskSpec(image=IMAGE, cmd=["true"]))
        assert Counter(proxy.calls)["PUT containers/NAME/archive"] == 1
        assert len(proxy.calls) == 7


async def test_no_engine_at_the_address_is_said_at_the_start(tmp_path: Path) -> None:
    for host in (f"unix://{tmp_path}/none.sock", "tcp://127.0.0.1:1"):
        with pytest.raises(Unavailable, match=f"no Docker engine answers at {host}") as caught:
            async with open_docker(_settings(host, tmp_path), Environment()):
                pass
        # What can be done about it, for somebody whose first command this was.
        for way in ("start", "group docker", "--docker-host", "--runtime shell"):
            assert way in str(caught.value)


@pytest.mark.parametrize("host", ["ssh://host", "nonsense", "tcp://"])
async def test_an_address_that_cannot_be_is_a_usage_error(tmp_path: Path, host: str) -> None:
    with pytest.raises(UsageError, match="address of a Docker engine"):
        async with open_docker(_settings(host, tmp_path), Environment()):
            pass


@pytest.mark.parametrize("network", ["host", "container:other", ""])
async def test_tasks_never_share_the_hosts_network(network: str, engine: TestEngine) -> None:
    settings = DockerSettings(host=engine.host, network=network)
    with pytest.raises(UsageError, match="--docker-network: "):
        async with open_docker(settings, Environment()):
            pass


async def test_an_engine_that_goes_away_fails_the_task_and_is_not_healthy(
    engine: TestEngine,
    tmp_path: Path,
    run: Run,
    log: CollectedLog,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def left() -> list[str]:
        return engine.docker("ps", "-aq", "--filter", "label=tork.node").split()

    monkeypatch.setattr(tork_docker.removal, "RETRY", 0.2)
    async with (
        open_proxy(engine.host, tmp_path) as (proxy, host),
        open_docker(_settings(host, tmp_path), Environment()) as runtime,
    ):
        running = asyncio.create_task(run(runtime, "echo ready; sleep 1000"))

        async def look() -> bytes:
            return log.data

        await eventually(look, bool, within=30)
        path = tmp_path / "proxy.sock"
        path.rename(tmp_path / "moved.sock")
        proxy.cut()
        with pytest.raises(TaskFailed, match="no Docker engine answers at"):
            await soon(running, within=20)
        problem = await runtime.health()
        assert problem is not None
        assert problem.startswith(f"no Docker engine answers at {host}")
        # What could not be removed is removed when the engine is back.
        (tmp_path / "moved.sock").rename(path)
        assert await runtime.health() is None
        await eventually(left, operator.not_, within=30)


async def test_an_engine_that_does_not_answer_is_not_waited_for_for_ever(
    engine: TestEngine, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tork_docker.engine, "_ANSWER", 0.5)
    monkeypatch.setattr(tork_docker.engine, "_PING", 0.2)
    async with (
        open_proxy(engine.host, tmp_path) as (proxy, host),
        open_docker(_settings(host, tmp_path), Environment()) as runtime,
    ):
        proxy.silent.set()
        assert "does not answer in time" in str(await runtime.health())
        with pytest.raises(TaskFailed, match="does not answer in time"):
            await soon(run(runtime, "true"), within=20)
        proxy.silent.clear()


async def test_an_engine_that_falls_silent_before_a_task_is_started_is_not_waited_for_for_ever(
    engine: TestEngine, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tork_docker.engine, "_ANSWER", 0.5)
    async with (
        open_proxy(engine.host, tmp_path) as (proxy, host),
        open_docker(_settings(host, tmp_path), Environment()) as runtime,
    ):
        proxy.silent_from = "POST containers/NAME/attach"
        with pytest.raises(TaskFailed, match="does not answer in time"):
            await soon(run(runtime, "true"), within=20)
        proxy.silent_from = None
        proxy.silent.clear()
        monkeypatch.setattr(tork_docker.engine, "_ANSWER", 30)


async def test_what_cannot_be_removed_is_no_reason_to_call_the_engine_away(
    engine: TestEngine, tmp_path: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    removing = asyncio.Event()

    async def hang(_: object, name: str) -> None:
        removing.set()
        await asyncio.Event().wait()

    async def refuse(_: object, name: str) -> None:
        raise EngineError(500, "device or resource busy")

    monkeypatch.setattr(tork_docker.removal, "RETRY", 0.1)
    async with open_docker(_settings(engine.host, tmp_path), Environment()) as runtime:
        with monkeypatch.context() as patch:
            patch.setattr(tork_docker.engine.Engine, "remove", refuse)
            await run(runtime, "true")
            patch.setattr(tork_docker.engine.Engine, "remove", hang)
            await soon(removing.wait(), within=20)
            assert await soon(runtime.health(), within=5) is None


async def test_the_version_of_the_api_is_the_newest_that_both_speak(
    engine: TestEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    theirs = engine.docker("version", "--format", "{{.Server.APIVersion}}").strip()
    async with open_engine(engine.host) as connection:
        assert connection.api_version == f"v{theirs}"
    monkeypatch.setattr(tork_docker.engine, "_NEWEST", (1, 40))
    async with open_engine(engine.host) as connection:
        assert connection.api_version in ("v1.40", "v1.44")
    monkeypatch.setattr(tork_docker.engine, "_OLDEST", (9, 0))
    with pytest.raises(Unavailable, match="too old"):
        async with open_engine(engine.host):
            pass


async def test_what_a_dead_owner_left_is_removed_and_a_living_ones_is_not(
    engine: TestEngine, tmp_path: Path, docker: DockerRuntime
) -> None:
    state = tmp_path / "state"
    words = (sys.executable, "-c", _OWNER_THAT_DIES, engine.host, str(state), IMAGE)
    owner = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
    assert owner.stdout is not None

    async def running() -> list[str]:
        return engine.docker("ps", "-q", "--filter", "label=tork.node").split()

    try:
        assert await soon(owner.stdout.readline(), within=30) == b"made\n"
        [left] = await eventually(running, bool, within=30)
        async with docker.prepare(make_execution(TaskSpec(image=IMAGE, run="true"), tmp_path)):
            async with open_docker(_settings(engine.host, tmp_path), Environment()):
                assert await running() == [left], "its owner lives"
            owner.kill()
            await owner.wait()
            async with open_docker(_settings(engine.host, tmp_path / "other"), Environment()):
                assert await running() == [left], "its owner may be another host's"
            owners = len(list(state.glob("*/*.lock")))
            async with open_docker(_settings(engine.host, tmp_path), Environment()):
                made = engine.docker("ps", "-aq", "--filter", "label=tork.node").split()
                assert len(made) == 1, "that of the runtime that is open"
                assert left not in made
                assert len(list(state.glob("*/*.lock"))) == owners
    finally:
        with suppress(ProcessLookupError):
            owner.kill()
        await owner.wait()


async def test_volumes_and_networks_of_a_dead_owner_are_removed(
    engine: TestEngine, tmp_path: Path
) -> None:
    settings = _settings(engine.host, tmp_path)
    async with open_docker(settings, Environment()):
        [lock] = (tmp_path / "state").glob("*/*.lock")
    lock.touch()
    label = ("--label", f"tork.node={lock.stem}")
    engine.docker("volume", "create", *label)
    engine.docker("network", "create", *label, f"tork-{lock.stem}")
    async with open_docker(settings, Environment()):
        filters = ("-q", "--filter", f"label=tork.node={lock.stem}")
        assert not engine.docker("volume", "ls", *filters)
        assert not engine.docker("network", "ls", *filters)
        assert not lock.exists()


def test_the_state_folder_is_the_workers_own(tmp_path: Path) -> None:
    from tork_docker.owner import state_folder

    folder = tmp_path / "open"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(UsageError, match="no one else may write"):
        state_folder(str(folder), "unix:///x")
    with pytest.raises(UsageError, match="cannot be made"):
        state_folder("/dev/null/x", "unix:///x")
