"""A plugin of the tests: a runtime whose tasks do nothing. Run as a program it measures memory.

It prints, as JSON, the resident bytes after each number of jobs that was given.
"""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import sys
from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager
from pathlib import Path

from tork_core import Engine
from tork_core.hookspecs import hookimpl
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.provider import RuntimeProvider
from tork_core.interfaces.runtime import Execution, Runtime, Start
from tork_core.model.spec import JobSpec, TaskSpec
from tork_core.plugins import Registry, load
from tork_core.plugins.installed import EntryPoint
from tork_core.plugins.loading import load_plugin
from tork_core.settings import Settings
from tork_core.settings.configuration import Configuration
from tork_core.settings.core import RuntimeChoice, WorkerSettings


class NoOpSettings(Settings, prefix="noop"):
    """There is nothing to set."""


class NoOp:
    """Runs nothing: prints a line, and gives the script back as its output."""

    @asynccontextmanager
    async def prepare(self, execution: Execution) -> AsyncGenerator[Start]:
        async def start() -> str:
            await execution.log.write(b"a line of the log\n")
            return execution.task.run or ""

        yield start

    async def health(self) -> str | None:
        return None


@asynccontextmanager
async def open_no_op(settings: NoOpSettings, environment: Environment) -> AsyncGenerator[Runtime]:
    yield NoOp()


@hookimpl
def tork_runtimes() -> Iterable[RuntimeProvider]:
    return [
        RuntimeProvider(
            name="noop",
            help="Does nothing.",
            settings=NoOpSettings,
            open=open_no_op,
            honours=frozenset({"run"}),
        )
    ]


def no_op_engine(slots: int = 50) -> Engine:
    """An engine whose tasks do nothing, with all installed plugins beside it."""
    mine = load_plugin(EntryPoint("tests", "0", "noop", "tests.engine.no_op"))
    assert mine.problem is None, mine.problem
    configuration = Configuration.of(
        RuntimeChoice(type="noop"), WorkerSettings(queues={"default": slots})
    )
    return Engine(configuration=configuration, registry=Registry([*load().plugins, mine]))


def resident() -> int:
    """The resident bytes of this process, after all that is free was given back."""
    gc.collect()
    ctypes.CDLL(None).malloc_trim(0)
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGESIZE")


async def measure(counts: list[int]) -> dict[int, int]:
    """Run jobs up to each of the counts, and take the memory there."""
    spec = JobSpec(
        tasks=[TaskSpec(run="out", var="a"), TaskSpec(run="b", env={"A": "{{ tasks.a }}"})],
        output="{{ tasks.a }}",
    )
    found: dict[int, int] = {}
    done = 0
    async with no_op_engine() as engine:
        for count in counts:
            while done < count:
                jobs = await asyncio.gather(*(engine.submit(spec) for _ in range(100)))
                await asyncio.gather(*(engine.wait(job) for job in jobs))
                done += len(jobs)
            found[count] = resident()
    return found


if __name__ == "__main__":
    print(json.dumps(asyncio.run(measure([int(text) for text in sys.argv[1:]]))))  # noqa: T201
