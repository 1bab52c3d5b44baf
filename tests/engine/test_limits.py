"""Limits of tasks: their own, over those of their job, over those of their worker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

import pytest

from tork_core import Engine
from tork_core.errors import UsageError
from tork_core.hookspecs import hookimpl
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.provider import RuntimeProvider
from tork_core.interfaces.runtime import Execution, Runtime, Start
from tork_core.plugins import Registry, load
from tork_core.plugins.installed import EntryPoint
from tork_core.plugins.loading import load_plugin
from tork_core.settings import Settings
from tork_core.settings.core import RuntimeChoice, WorkerSettings


class LimitedSettings(Settings, prefix="limited"):
    """There is nothing to set."""


class BoundlessSettings(Settings, prefix="boundless"):
    """There is nothing to set."""


class Limited:
    """Gives the limits that a task would be held to as its output."""

    @asynccontextmanager
    async def prepare(self, execution: Execution) -> AsyncGenerator[Start]:
        async def start() -> str:
            limits = execution.task.limits
            if execution.task.run == "never end":
                await asyncio.get_running_loop().create_future()
            return f"{limits.cpus} {limits.memory}" if limits else "none"

        yield start

    async def health(self) -> str | None:
        return None


@asynccontextmanager
async def open_limited(
    settings: LimitedSettings, environment: Environment
) -> AsyncGenerator[Runtime]:
    yield Limited()


@hookimpl
def tork_runtimes() -> Iterable[RuntimeProvider]:
    provider = RuntimeProvider(
        name="limited",
        help="Tells limits.",
        settings=LimitedSettings,
        open=open_limited,
        honours=frozenset({"run", "limits"}),
    )
    boundless = RuntimeProvider(
        name="boundless",
        help="Cannot hold limits on this host.",
        settings=BoundlessSettings,
        open=open_limited,
        honours=frozenset({"run", "limits"}),
        check_limits=lambda settings, limits: "there is no way to do it here",
    )
    return [provider, boundless]


def engine(worker: WorkerSettings, runtime: str = "limited") -> Engine:
    here = load_plugin(EntryPoint("tests", "0", "limited", __name__))
    registry = Registry([*load().plugins, here])
    return Engine(RuntimeChoice(type=runtime), worker, registry=registry)


JOB = """
defaults: {{limits: {{memory: 20m}}}}
output: "{{{{ tasks.v }}}}"
tasks: [{{run: x, var: v{limits}}}]
"""


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ("", "1.5 20m"),
        (", limits: {cpus: .5}", ".5 20m"),
        (", limits: {memory: 1g}", "1.5 1g"),
    ],
)
async def test_a_task_is_held_to_its_own_limits_then_its_jobs_then_its_workers(
    limits: str, expected: str
) -> None:
    worker = WorkerSettings(default_cpus_limit="1.5", default_memory_limit="5m")
    async with engine(worker) as running:
        job = await running.wait(await running.submit(JOB.format(limits=limits)))
    assert job.result == expected


@pytest.mark.parametrize(
    ("job", "task", "expected"),
    [
        ("", "", "30ms"),
        ("defaults: {timeout: 20ms}", "", "20ms"),
        ("defaults: {timeout: 1h}", ", timeout: 10ms", "10ms"),
        ("defaults: {limits: {cpus: 1}}", ", limits: {cpus: 2}", "30ms"),
    ],
)
async def test_so_it_is_with_its_timeout(job: str, task: str, expected: str) -> None:
    async with engine(WorkerSettings(default_timeout="30ms")) as running:
        job_id = await running.submit(f"{job}\ntasks: [{{run: never end{task}}}]")
        assert (await running.wait(job_id)).error == f"timed out after {expected}"


async def test_without_limits_anywhere_there_are_none() -> None:
    async with engine(WorkerSettings()) as running:
        job = 'output: "{{ tasks.v }}"\ntasks: [{run: x, var: v}]'
        assert (await running.wait(await running.submit(job))).result == "none"


@pytest.mark.parametrize(
    ("option", "worker"),
    [
        ("--default-cpus-limit", WorkerSettings(default_cpus_limit="1")),
        ("--default-memory-limit", WorkerSettings(default_memory_limit="9m")),
    ],
)
async def test_a_worker_whose_default_limits_cannot_hold_does_not_start(
    option: str, worker: WorkerSettings
) -> None:
    with pytest.raises(UsageError, match=f"boundless cannot hold tasks to {option}: there is no"):
        async with engine(worker, runtime="boundless"):
            pass
    async with engine(WorkerSettings(), runtime="boundless"):
        pass
