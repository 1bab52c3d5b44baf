"""Observers in a whole engine, with the in-memory services and tasks that take no time."""

from __future__ import annotations

import asyncio
import gc
import tracemalloc
from collections import Counter
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager

import pytest
from tork_memory.store import MemoryStore

import tork_core.engine
from tests.observers.watching import Notebook, registry, until
from tork_core.coordinator import observer_limits, observing
from tork_core.engine import Engine
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.middleware import JobEvent, TaskEvent
from tork_core.model.node import NodeKind, NodeState
from tork_core.model.secret_names import REDACTED
from tork_core.model.states import JobState
from tork_core.settings.core import (
    DatastoreChoice,
    MiddlewareSettings,
    RuntimeChoice,
    WorkerSettings,
)

TASKS = "tasks: [{run: one}, {run: two}]"


@asynccontextmanager
async def opened(
    *notebooks: Notebook, store: MemoryStore | None = None, disabled: tuple[str, ...] = ()
) -> AsyncGenerator[Engine]:
    """An engine with the runtime that does nothing."""
    given = MemoryStore(Environment()) if store is None else store
    async with Engine(
        RuntimeChoice(type="noop"),
        DatastoreChoice(type="given"),
        WorkerSettings(queues={"default": 64}),
        MiddlewareSettings(disabled=disabled),
        registry=registry(given, notebooks),
    ) as engine:
        yield engine


class Hanging(Notebook):
    """Never comes back from a call."""

    async def note(self, event: JobEvent | TaskEvent) -> None:
        await super().note(event)
        await asyncio.Event().wait()


class Failing(Notebook):
    """Is told of everything, and fails."""

    async def note(self, event: JobEvent | TaskEvent) -> None:
        await super().note(event)
        raise LookupError("observers may fail")


async def test_every_event_is_told_once_and_in_order() -> None:
    notebook, store = Notebook(), MemoryStore(Environment())
    async with opened(notebook, store=store) as engine:
        jobs = [await engine.submit(TASKS) for _ in range(20)]
        for job_id in jobs:
            await engine.wait(job_id)
        await until(lambda: len(notebook.events) >= store.sizes()["events"], within=10)
    for job_id in jobs:
        events = store.events(job_id, 0, 1000)
        assert notebook.ids(job_id) == [
            f"{job_id}:{number}" for number in range(1, len(events) + 1)
        ]
        assert [told.event for told in notebook.events if told.event.job_id == job_id] == events
    assert len(notebook.events) == store.sizes()["events"]


async def test_what_happened_last_is_told_before_the_engine_closes() -> None:
    notebook = Notebook()
    async with opened(notebook) as engine:
        job_id = await engine.submit(TASKS)
        await engine.wait(job_id)
    last = notebook.events[-1]
    assert isinstance(last, JobEvent)
    assert (last.event.job_id, last.event.state) == (job_id, "COMPLETED")
    assert last.job.state is JobState.COMPLETED
    assert [task.run for task in last.job.execution] == ["one", "two"]


async def test_secrets_are_hidden_from_observers_unless_they_ask_for_them() -> None:
    shown, raw = Notebook("shown"), Notebook("raw", raw=True)
    async with opened(shown, raw) as engine:
        job_id = await engine.submit(
            "inputs: {password: open-sesame}\n"
            'tasks: [{run: x, var: x, env: {WORD: "got {{ inputs.password }}"}}]\n'
            'output: "{{ tasks.x }}"'
        )
        await engine.wait(job_id)
    assert shown.ids(job_id) == raw.ids(job_id)
    assert "open-sesame" not in repr(shown.events)
    for notebook, word in ((shown, REDACTED), (raw, "open-sesame")):
        last = notebook.events[-1]
        assert isinstance(last, JobEvent)
        assert last.job.result == f"got {word}"
        tasks = [told.task for told in notebook.events if isinstance(told, TaskEvent)]
        assert (tasks[-1].env, tasks[-1].result) == ({"WORD": f"got {word}"}, f"got {word}")


@pytest.mark.parametrize("kind", [Failing, Hanging])
async def test_one_bad_observer_stops_neither_the_engine_nor_the_others(
    kind: Callable[[str], Notebook], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(observer_limits, "CALL_LIMIT", 0.3)
    monkeypatch.setattr(observer_limits, "BRIEF", 0.005)
    bad, good = kind("bad"), Notebook("good")
    async with opened(bad, good) as engine:
        for _ in range(3):
            job_id = await engine.submit(TASKS)
            async with asyncio.timeout(5):
                assert (await engine.wait(job_id)).state is JobState.COMPLETED
    assert len(good.events) == len(good.ids(job_id)) * 3
    assert _by_job(bad) == _by_job(good)


async def test_nothing_is_lost_with_2_000_jobs_at_once() -> None:
    notebook, store = Notebook(), MemoryStore(Environment(), kept_jobs=2000)
    async with opened(notebook, store=store) as engine:
        jobs = await asyncio.gather(*(engine.submit(TASKS) for _ in range(2000)))
        await asyncio.gather(*(engine.wait(job_id) for job_id in jobs))
        await until(lambda: len(notebook.events) >= store.sizes()["events"], within=60)
    count = store.sizes()["events"]
    assert Counter(told.id for told in notebook.events) == {
        f"{job_id}:{number}": 1 for job_id in jobs for number in range(1, count // 2000 + 1)
    }
    for job_id, ids in _by_job(notebook).items():
        assert ids == [f"{job_id}:{number}" for number in range(1, len(ids) + 1)]


def _by_job(notebook: Notebook) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    for told in notebook.events:
        found.setdefault(told.event.job_id, []).append(told.id)
    return found


async def test_memory_is_flat_with_an_observer_that_is_dead(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tork_core.engine, "SETTLING", 0.05)

    class Dead(Notebook):
        async def note(self, event: JobEvent | TaskEvent) -> None:
            await asyncio.Event().wait()

    async def run(count: int) -> int:
        for _ in range(count // 100):
            jobs = await asyncio.gather(*(engine.submit(TASKS) for _ in range(100)))
            await asyncio.gather(*(engine.wait(job_id) for job_id in jobs))
        gc.collect()
        return tracemalloc.get_traced_memory()[0]

    store = MemoryStore(Environment(), kept_jobs=100)
    async with opened(Dead(), store=store) as engine:
        tracemalloc.start()
        try:
            before = await run(400)
            after = await run(1600)
        finally:
            tracemalloc.stop()
        assert store.marks.get(observing.NAME) == 0
        sizes = store.sizes()
        assert sizes["feed"] == sizes["events"]
        assert sizes["feed_entries"] <= sizes["feed"] * 1.25 + 64
    assert after < before * 1.1


async def test_nodes_are_told_as_they_come_and_go(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observing, "NODE_INTERVAL", 0.02)
    notebook = Notebook()
    async with opened(notebook):
        await until(lambda: len(notebook.nodes) >= 2, within=10)
    up = {event.node.kind: event for event in notebook.nodes if event.node.state is NodeState.UP}
    assert up.keys() == set(NodeKind)
    for event in up.values():
        assert (event.id, event.was) == (f"{event.node.id}:UP", None)


async def test_an_engine_whose_observers_are_switched_off_does_nothing_for_them(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    made: list[object] = []
    monkeypatch.setattr(
        "tork_core.coordinator.coordinator.Observers", lambda *given: made.append(given)
    )
    store = MemoryStore(Environment())
    async with opened(Notebook("mine"), store=store, disabled=("mine",)) as engine:
        await engine.wait(await engine.submit(TASKS))
        assert {name for name, _ in store.leases._held.items()} <= {"sweeper"}
    assert made == []
    assert store.sizes()["marks"] == 0


async def test_of_two_engines_on_one_datastore_one_tells_and_each_event_is_told_once() -> None:
    one, two = Notebook("one"), Notebook("two")
    store = MemoryStore(Environment())
    async with opened(one, store=store) as first, opened(two, store=store) as second:
        jobs = [await engine.submit(TASKS) for engine in (first, second) * 10]
        for number, job_id in enumerate(jobs):
            await (first, second)[number % 2].wait(job_id)
        await until(lambda: len(one.events) >= store.sizes()["events"], within=10)
    assert len(one.events) == store.sizes()["events"]
    assert two.events == []
    assert {told.event.job_id for told in one.events} == set(jobs)
