"""Engines that are one of the two alone, meeting on a broker that is shared."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from tork_memory.broker import MemoryBroker
from tork_memory.plugin import MemoryBrokerSettings
from tork_memory.queues import MemoryQueues

from tork_core.engine import Engine, Role
from tork_core.errors import UsageError
from tork_core.interfaces.provider import BrokerProvider
from tork_core.plugins import Registry, load
from tork_core.settings.core import RuntimeChoice, WorkerSettings
from tork_core.testing.waiting import eventually

SHELL = RuntimeChoice(type="shell")


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> Registry:
    """The plugins that are installed, with a broker on which engines of this process meet."""
    queues = MemoryQueues()

    @asynccontextmanager
    async def connect(settings: Any, environment: Any) -> AsyncIterator[MemoryBroker]:
        broker = MemoryBroker(queues)
        yield broker
        broker.close()

    meeting = BrokerProvider(
        name="inmemory", help="", settings=MemoryBrokerSettings, open=connect, shared=True
    )
    loaded = load()
    monkeypatch.setattr(loaded, "broker", lambda name: meeting)
    return loaded


async def test_a_coordinator_and_a_worker_apart_do_jobs_together(registry: Registry) -> None:
    async with Engine(registry=registry, role=Role.COORDINATOR) as coordinator:
        job_id = await coordinator.submit("tasks: [{run: 'echo hello'}]")
        assert await coordinator.service.health() is None
        async with Engine(SHELL, registry=registry, role=Role.WORKER) as worker:
            job = await asyncio.wait_for(coordinator.wait(job_id), 10)
            assert job.state == "COMPLETED"
            with pytest.raises(UsageError, match="no coordinator"):
                await worker.submit("tasks: [{run: 'true'}]")


async def test_a_worker_that_leaves_hands_its_tasks_to_another(registry: Registry) -> None:
    hasty = WorkerSettings(grace=0.1, queues={"default": 1})
    async with Engine(registry=registry, role=Role.COORDINATOR) as coordinator:
        async with Engine(SHELL, hasty, registry=registry, role=Role.WORKER) as worker:
            job_id = await coordinator.submit(
                "tasks: [{run: 'test $TORK_ATTEMPT -gt 1 || sleep 60'}]"
            )
            await eventually(
                lambda: coordinator.job(job_id), lambda job: job.state == "RUNNING", within=10
            )
            await worker.drain()
        async with Engine(SHELL, registry=registry, role=Role.WORKER):
            job = await asyncio.wait_for(coordinator.wait(job_id), 10)
    assert job.state == "COMPLETED"
    assert [(task.attempt, task.redelivered) for task in job.execution] == [(2, 0)]


@pytest.mark.parametrize("role", [Role.COORDINATOR, Role.WORKER])
async def test_one_alone_needs_a_shared_broker(role: Role) -> None:
    with pytest.raises(UsageError, match=f"a {role} alone needs a broker"):
        async with Engine(SHELL, role=role):
            pass


async def test_a_drained_engine_still_answers(registry: Registry) -> None:
    async with Engine(SHELL, registry=registry) as engine:
        job_id = await engine.submit("tasks: [{run: 'true'}]")
        await engine.wait(job_id)
        await engine.drain()
        assert (await engine.job(job_id)).state == "COMPLETED"
        assert (await engine.submit("tasks: [{run: 'true'}]")) != job_id


def test_an_engine_does_not_import_the_servers_library() -> None:
    import subprocess

    code = "import sys, tork_core.engine; sys.exit('aiohttp' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
