"""Observers that keep what they are told, and the stages on which there is something to tell."""

from __future__ import annotations

import asyncio
import functools
from collections.abc import AsyncGenerator, Callable, Coroutine, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, ParamSpec

from tork_memory.broker import MemoryBroker
from tork_memory.datastore import MemoryDatastore
from tork_memory.plugin import MemoryDatastoreSettings
from tork_memory.queues import MemoryQueues
from tork_memory.store import MemoryStore

from tests.simulation.virtual_loop import VirtualLoop
from tork_core.coordinator.observing import Observer, Observers
from tork_core.coordinator.publishing import notice
from tork_core.interfaces.datastore import Beat, Datastore
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.middleware import (
    JobEvent,
    JobMiddleware,
    Middleware,
    NodeEvent,
    NodeMiddleware,
    TaskEvent,
    TaskMiddleware,
)
from tork_core.interfaces.provider import DatastoreProvider, RuntimeProvider
from tork_core.interfaces.runtime import Execution, Start
from tork_core.model.job import Event, JobId, JobRecord
from tork_core.model.messages import Notice
from tork_core.model.node import Node, NodeKind, NodeState
from tork_core.model.states import JobState
from tork_core.plugins import Registry, load
from tork_core.plugins.installed import EntryPoint
from tork_core.plugins.loading import Plugin
from tork_core.settings import Settings
from tork_core.supervision import supervise
from tork_core.testing._datastore_base import event, new_job, next_change
from tork_core.testing.waiting import eventually

P = ParamSpec("P")

EPOCH = 1_800_000_000.0


def virtual(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test on a virtual clock; an exception that nobody fetched fails it too."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        loop = VirtualLoop()
        loop.run(test(*args, **kwargs))
        assert loop.faults == []

    return run


# -- with a whole engine


class Notebook:
    """Middleware that keeps every event in the order in which it is told."""

    def __init__(self, name: str = "notebook", *, raw: bool = False) -> None:
        self.events: list[JobEvent | TaskEvent] = []
        self.nodes: list[NodeEvent] = []
        self.offers: Mapping[str, Sequence[Middleware]] = {
            "job middleware": [JobMiddleware(name=name, observe=self.note, raw=raw)],
            "task middleware": [TaskMiddleware(name=name, observe=self.note, raw=raw)],
            "node middleware": [NodeMiddleware(name=name, observe=self.note_node)],
        }

    async def note(self, event: JobEvent | TaskEvent) -> None:
        self.events.append(event)

    async def note_node(self, event: NodeEvent) -> None:
        self.nodes.append(event)

    def ids(self, job_id: JobId) -> list[str]:
        """The ids of a job's events, as they were told."""
        return [item.id for item in self.events if item.event.job_id == job_id]


class NoRuntime:
    """Tasks that are done as soon as they start; their output is the variable ``WORD``."""

    @asynccontextmanager
    async def prepare(self, execution: Execution) -> AsyncGenerator[Start]:
        async def start() -> str:
            return execution.env.get("WORD", "")

        yield start

    async def health(self) -> str | None:
        return None


class NoRuntimeSettings(Settings, prefix="noop"):
    """Nothing to set."""


def registry(store: MemoryStore, middleware: Iterable[Notebook] = ()) -> Registry:
    """The installed plugins, a runtime ``noop``, a datastore ``given``, and some middleware."""

    @asynccontextmanager
    async def open_datastore(settings: object, _: Environment) -> AsyncGenerator[Datastore]:
        yield MemoryDatastore(store)

    @asynccontextmanager
    async def open_runtime(settings: object, _: Environment) -> AsyncGenerator[NoRuntime]:
        yield NoRuntime()

    class GivenSettings(MemoryDatastoreSettings, prefix="given"):
        """Nothing to set."""

    offers: dict[str, dict[str, Any]] = {
        "datastore": {
            "given": DatastoreProvider(
                name="given",
                help="",
                settings=GivenSettings,
                open=open_datastore,
                durable=True,
                shared=True,
            )
        },
        "runtime": {
            "noop": RuntimeProvider(
                name="noop",
                help="",
                settings=NoRuntimeSettings,
                open=open_runtime,
                honours=frozenset({"run", "env"}),
            )
        },
    }
    for notebook in middleware:
        for kind, items in notebook.offers.items():
            offers.setdefault(kind, {}).update({item.name: item for item in items})
    test = Plugin(EntryPoint("tests", "1", "tests", "tests"), offers)
    return Registry([*load({}).plugins, test])


# -- with the loop alone


class Ear:
    """An observer that keeps the ids of what it is told; it can be made slow, or fail.

    ``told`` is shared by several where that is wanted.
    """

    def __init__(self, told: list[str] | None = None) -> None:
        self.observes = True
        self.told: list[str] = [] if told is None else told
        self.nodes: list[NodeEvent] = []
        self.before: Callable[[Event], Coroutine[Any, Any, None]] | None = None

    async def observe(self, record: JobRecord, events: Sequence[Event]) -> None:
        assert record.job.events >= events[-1].number
        for item in events:
            if self.before is not None:
                await self.before(item)
            self.told.append(f"{item.job_id}:{item.number}")

    async def observe_node(self, event: NodeEvent) -> None:
        self.nodes.append(event)


class Stage:
    """A datastore and a broker in memory, commits made by hand, and any number of observers."""

    def __init__(self, *, kept_jobs: int = 2000) -> None:
        clock = asyncio.get_running_loop().time
        self.environment = Environment(clock=lambda: EPOCH + clock())
        self.store = MemoryStore(self.environment, kept_jobs=kept_jobs)
        self.datastore = MemoryDatastore(self.store)
        self.queues = MemoryQueues()
        self.broker = MemoryBroker(self.queues)
        self._tasks: list[asyncio.Task[None]] = []

    def observers(
        self, observer: Observer, holder: str = "one", datastore: Datastore | None = None
    ) -> tuple[Observers, asyncio.Task[None]]:
        """Observers that run, supervised as a coordinator does it."""
        found = Observers(
            self.broker, datastore or self.datastore, observer, self.environment, holder
        )
        task = asyncio.create_task(supervise("observers", found.run, self.environment))
        self._tasks.append(task)
        return found, task

    async def commit(self, job_id: JobId, count: int = 1, *, news: bool = True) -> list[str]:
        """Commit the next events of a job, and say so; returns their ids."""
        view = (await self.datastore.load({job_id: ()})).views.get(job_id)
        now = (await self.datastore.load({})).now
        first = (view.job.events if view else 0) + 1
        change = next_change(view) if view else new_job(now, id=job_id)
        change.job.events = first + count - 1
        numbers = range(first, first + count)
        change.events = [event(job_id, number, now) for number in numbers]
        assert not (await self.datastore.commit([change])).conflicts
        if news:
            await self.broker.publish([notice(Notice(jobs=[job_id]))])
        return [f"{job_id}:{number}" for number in numbers]

    async def end(self, job_id: JobId) -> None:
        """End a job."""
        view = (await self.datastore.load({job_id: ()})).views[job_id]
        await self.datastore.commit([next_change(view, state=JobState.COMPLETED)])

    async def beat(self, node_id: str, number: int, state: NodeState = NodeState.UP) -> Node:
        """Write a heartbeat."""
        node = Node(id=node_id, name="n", kind=NodeKind.WORKER, state=state, beat=number)
        return (await self.datastore.beat([Beat(node)], gap=10))[0]

    async def close(self) -> None:
        for task in self._tasks:
            await stop(task)


async def stop(task: asyncio.Task[None]) -> None:
    """End a task as a crash would."""
    task.cancel()
    await asyncio.wait([task])


@asynccontextmanager
async def open_stage(*, kept_jobs: int = 2000) -> AsyncGenerator[Stage]:
    """Open a stage; what runs on it is stopped at the end."""
    stage = Stage(kept_jobs=kept_jobs)
    try:
        yield stage
    finally:
        await stage.close()


async def until(look: Callable[[], object], *, within: float = 60.0) -> None:
    """Wait until something is so."""

    async def seen() -> object:
        return look()

    await eventually(seen, bool, within=within)
