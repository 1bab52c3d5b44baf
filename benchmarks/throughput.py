"""Tasks per second through the whole engine, in one process.

    python benchmarks/throughput.py                      everything, median of 5
    python benchmarks/throughput.py noop --jobs 1000     the engine's own cost
    python benchmarks/throughput.py shell                beside a bare subprocess loop, same run
    python benchmarks/throughput.py stored               the same cost with many jobs stored
    python benchmarks/throughput.py profile              where the engine's time goes
    python benchmarks/throughput.py noop --datastore sqlite    every commit on the disk

Coordinator and worker share one event loop and meet on the in-memory broker and datastore; every
task is claimed before it runs. With `--datastore sqlite` all goes to one file, on the disk
of this folder. Each round is 1,000 jobs of one task, and 100 of ten. CPU seconds are this
process's, its children's apart: on a busy machine they tell more than the rate.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import gc
import os
import pstats
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from tork_memory.plugin import MemoryDatastoreSettings
from tork_sqlite.plugin import SqliteSettings

from tork_core import Engine
from tork_core.cli import collector
from tork_core.hookspecs import hookimpl
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.provider import RuntimeProvider
from tork_core.interfaces.runtime import Execution, Runtime, Start
from tork_core.model.spec import JobSpec, TaskSpec
from tork_core.plugins import Registry, load
from tork_core.plugins.installed import EntryPoint
from tork_core.plugins.loading import load_plugin
from tork_core.settings import Settings
from tork_core.settings.core import DatastoreChoice, RuntimeChoice, WorkerSettings

SLOTS = 50
ROUNDS = 5
SHAPES = ((1000, 1), (100, 10))


class NoopSettings(Settings, prefix="noop"):
    """Nothing to set."""


class Noop:
    """Tasks that are done as soon as they are started."""

    @asynccontextmanager
    async def prepare(self, execution: Execution) -> AsyncIterator[Start]:
        async def start() -> str:
            return ""

        yield start

    async def health(self) -> str | None:
        return None


@asynccontextmanager
async def open_noop(settings: NoopSettings, environment: Environment) -> AsyncIterator[Runtime]:
    yield Noop()


@hookimpl
def tork_runtimes() -> Iterable[RuntimeProvider]:
    """Offer the runtime that does nothing."""
    provider = RuntimeProvider(
        name="noop",
        help="Does nothing.",
        settings=NoopSettings,
        open=open_noop,
        honours=frozenset({"run"}),
    )
    return [provider]


@dataclass
class Round:
    """What one round took, in seconds."""

    tasks: int
    wall: float
    cpu: float

    @property
    def rate(self) -> float:
        return self.tasks / self.wall


def registry() -> Registry:
    """The installed plugins, and this file as one more."""
    sys.modules.setdefault("throughput", sys.modules[__name__])
    here = load_plugin(EntryPoint("benchmark", "0", "noop", "throughput"))
    return Registry([*load().plugins, here])


@asynccontextmanager
async def engine(
    runtime: str, datastore: str = "inmemory", slots: int = SLOTS, kept: int = 2000
) -> AsyncIterator[Engine]:
    """An engine with so many slots; a datastore on the disk begins empty, in this folder."""
    with tempfile.TemporaryDirectory(prefix="throughput-", dir=".") as folder:
        async with Engine(
            RuntimeChoice(type=runtime),
            DatastoreChoice(type=datastore),
            WorkerSettings(queues={"default": slots}),
            MemoryDatastoreSettings(kept_jobs=kept),
            SqliteSettings(path=f"{folder}/tork.db"),
            registry=registry(),
        ) as running:
            yield running


def job(tasks: int, run: str = "true") -> JobSpec:
    """A job of so many tasks in a row."""
    return JobSpec(name="benchmark", tasks=[TaskSpec(run=run) for _ in range(tasks)])


async def round_of(running: Engine, jobs: int, tasks: int) -> Round:
    """Submit all jobs at once, and wait for the end of the last."""
    spec = job(tasks)
    gc.collect()
    wall, cpu = time.perf_counter(), time.process_time()
    ids = await asyncio.gather(*(running.submit(spec) for _ in range(jobs)))
    states = await asyncio.gather(*(running.wait(job_id) for job_id in ids))
    took = Round(jobs * tasks, time.perf_counter() - wall, time.process_time() - cpu)
    failed = [state for state in states if state.state != "COMPLETED"]
    assert not failed, failed[0]
    return took


def report(name: str, rounds: list[Round]) -> Round:
    """Print the median of rounds, and return it."""
    rates = [one.rate for one in rounds]
    cpu = statistics.median(one.cpu / one.tasks for one in rounds)
    print(
        f"{name:44} {statistics.median(rates):8,.0f} tasks/s"
        f"  ({min(rates):,.0f}-{max(rates):,.0f}), {cpu * 1e6:6.0f} us CPU a task,"
        f" {1 / cpu:8,.0f} tasks per CPU second"
    )
    return Round(rounds[0].tasks, rounds[0].tasks / statistics.median(rates), cpu)


async def noop(jobs: int | None, datastore: str) -> None:
    """The engine's own cost."""
    shapes = ((jobs, 1), (max(1, jobs // 10), 10)) if jobs else SHAPES
    async with engine("noop", datastore) as running:
        await round_of(running, 200, 1)
        for many, tasks in shapes:
            rounds = [await round_of(running, many, tasks) for _ in range(ROUNDS)]
            report(f"no-op, {many:,} jobs of {tasks}, {SLOTS} slots, {datastore}", rounds)


async def stored(datastore: str) -> None:
    """The same round with ever more jobs stored."""
    async with engine("noop", datastore, kept=200_000) as running:
        there = 0
        for wanted in (100, 1_000, 10_000):
            while there < wanted:
                count = min(1000, wanted - there)
                await round_of(running, count, 1)
                there += count
            rounds = [await round_of(running, 200, 1) for _ in range(ROUNDS)]
            report(f"no-op, 200 jobs of 1, {there:,} stored before", rounds)
            there += 200 * ROUNDS


async def bare(count: int, slots: int) -> Round:
    """A bare subprocess loop: so many at once, pipes read to the end."""
    todo = iter(range(count))

    async def one_slot() -> None:
        for _ in todo:
            process = await asyncio.create_subprocess_exec(
                "bash",
                "-c",
                "true",
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.STDOUT,
            )
            assert process.stdout is not None
            await process.stdout.read()
            await process.wait()

    wall, cpu = time.perf_counter(), time.process_time()
    await asyncio.gather(*(one_slot() for _ in range(slots)))
    return Round(count, time.perf_counter() - wall, time.process_time() - cpu)


async def shell(count: int) -> None:
    """The shell runtime beside the bare loop: rounds of both in turn."""
    use_pidfds()
    for slots in (10, SLOTS):
        async with engine("shell", slots=slots) as running:
            await round_of(running, 50, 1)
            pairs = [
                (await bare(count, slots), await round_of(running, count, 1)) for _ in range(ROUNDS)
            ]
        floor = report(f"bare create_subprocess_exec, {slots} at once", [one for one, _ in pairs])
        mine = report(f"shell runtime, {count} jobs of 1, {slots} slots", [two for _, two in pairs])
        ratios = [two.rate / one.rate for one, two in pairs]
        spread = f"{min(ratios):.2f}-{max(ratios):.2f}"
        print(f"{'ratio, median of pairs':44} {statistics.median(ratios):8.2f}          ({spread})")
        assert floor.tasks == mine.tasks


def use_pidfds() -> None:
    """Give the bare loop the child watcher that starts no thread per process (3.11's default
    does; later versions choose this one themselves)."""
    if sys.version_info < (3, 12):
        watcher = asyncio.PidfdChildWatcher()
        watcher.attach_loop(asyncio.get_running_loop())
        asyncio.set_child_watcher(watcher)


async def profile(datastore: str) -> None:
    """Where the engine's time goes, by function; that of other threads is not seen."""
    async with engine("noop", datastore) as running:
        await round_of(running, 200, 1)
        profiler = cProfile.Profile()
        profiler.enable()
        await round_of(running, 1000, 1)
        profiler.disable()
    pstats.Stats(profiler).sort_stats("tottime").print_stats(30)


MODES: dict[str, Callable[[argparse.Namespace], Coroutine[None, None, None]]] = {
    "noop": lambda args: noop(args.jobs, args.datastore),
    "shell": lambda args: shell(args.jobs or 500),
    "stored": lambda args: stored(args.datastore),
    "profile": lambda args: profile(args.datastore),
}


def main() -> None:
    """Run what the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument(
        "mode", nargs="?", choices=MODES, help="one of them (default: the first three)"
    )
    parser.add_argument("--jobs", type=int, help="jobs of a round")
    parser.add_argument(
        "--datastore", choices=("inmemory", "sqlite"), default="inmemory", help="what keeps jobs"
    )
    args = parser.parse_args()
    collector.relax()  # as every process of `tork run` does
    print(f"Python {sys.version.split()[0]}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}")
    for mode in [args.mode] if args.mode else ["noop", "stored", "shell"]:
        asyncio.run(MODES[mode](args))
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    print(f"largest resident size: {used:.0f} MiB")


if __name__ == "__main__":
    main()
