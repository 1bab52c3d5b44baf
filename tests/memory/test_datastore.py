"""What is the in-memory datastore's own: step-wise commits, costs, rows that cannot be encoded."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import Any

import pytest
import tork_memory.indexes
from tork_memory.datastore import MemoryDatastore
from tork_memory.store import MemoryStore

from tork_core.errors import Unavailable
from tork_core.interfaces.environment import Environment
from tork_core.model.job import JobId
from tork_core.model.states import JobState, TaskState
from tork_core.testing._datastore_base import HOUR, SECOND, new_job, next_change, scheduled


async def seen_while_committing(*, stepwise: bool) -> list[int]:
    """How many jobs of a batch of five another connection sees at each turn."""
    store = MemoryStore(Environment(), stepwise=stepwise)
    writer, reader = MemoryDatastore(store), MemoryDatastore(store)
    now = (await writer.load({})).now
    changes = [new_job(now, {}, {}) for _ in range(5)]
    keys: dict[JobId, list[str]] = {change.job.id: list(change.tasks) for change in changes}
    committing = asyncio.create_task(writer.commit(changes))
    counts = [0]
    while counts[-1] < 5:
        await asyncio.sleep(0)
        views = (await reader.load(keys)).views
        assert all(len(view.tasks) == 2 for view in views.values())
        counts.append(len(views))
    await committing
    return counts


async def test_a_step_wise_commit_shows_one_job_after_the_other() -> None:
    assert await seen_while_committing(stepwise=True) == [0, 1, 2, 3, 4, 5]


async def test_an_atomic_commit_shows_all_jobs_at_once() -> None:
    assert await seen_while_committing(stepwise=False) == [0, 5]


async def test_a_step_wise_commit_ends_where_its_connection_is_cut() -> None:
    store = MemoryStore(Environment(), stepwise=True)
    writer, reader = MemoryDatastore(store), MemoryDatastore(store)
    now = (await writer.load({})).now
    changes = [new_job(now, {}) for _ in range(5)]
    committing = asyncio.create_task(writer.commit(changes))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    writer.close()
    with pytest.raises(Unavailable):
        await committing
    views = (await reader.load({change.job.id: [] for change in changes})).views
    assert list(views) == [change.job.id for change in changes[:2]]


async def test_a_batch_with_a_row_that_cannot_be_encoded_writes_nothing() -> None:
    store = MemoryStore(Environment())
    datastore = MemoryDatastore(store)
    now = (await datastore.load({})).now
    good, bad = new_job(now, {}), new_job(now, {"output": "\ud800"})
    with pytest.raises(UnicodeEncodeError):
        await datastore.commit([good, bad])
    assert store.sizes()["jobs"] == 0


async def test_a_change_that_keeps_the_version_is_a_mistake() -> None:
    datastore = MemoryDatastore(MemoryStore(Environment()))
    change = new_job((await datastore.load({})).now, version=0)
    with pytest.raises(ValueError, match="does not move its version"):
        await datastore.commit([change])


async def test_a_new_job_without_a_specification_is_a_mistake() -> None:
    datastore = MemoryDatastore(MemoryStore(Environment()))
    change = new_job((await datastore.load({})).now)
    change.spec = None
    with pytest.raises(ValueError, match="has no specification"):
        await datastore.commit([change])


async def test_tasks_are_set_wise_ended_only() -> None:
    datastore = MemoryDatastore(MemoryStore(Environment()))
    change = new_job((await datastore.load({})).now)
    change.end_active = TaskState.RUNNING
    with pytest.raises(ValueError, match="cannot be ended as RUNNING"):
        await datastore.commit([change])


async def test_the_specification_of_an_active_job_is_decoded_once() -> None:
    datastore = MemoryDatastore(MemoryStore(Environment()))
    change = new_job((await datastore.load({})).now, {})
    await datastore.commit([change])
    first, second = [(await datastore.load({change.job.id: []})).views for _ in range(2)]
    assert first[change.job.id].spec is second[change.job.id].spec
    assert first[change.job.id].spec is not change.spec


class Steps:
    """Counts how often an index takes something from a heap."""

    count = 0

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        pop = tork_memory.indexes.heappop

        def counted(heap: list[Any]) -> Any:
            self.count += 1
            return pop(heap)

        monkeypatch.setattr(tork_memory.indexes, "heappop", counted)


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    return Steps(monkeypatch)


async def test_a_sweep_costs_nothing_for_what_is_not_due(steps: Steps) -> None:
    datastore = MemoryDatastore(MemoryStore(Environment()))
    now = (await datastore.load({})).now
    for _ in range(20):
        later = {"state": TaskState.PENDING, "due": now + HOUR}
        waits = scheduled(due=now + HOUR, published=now)
        await datastore.commit([new_job(now, later, waits, due=now + HOUR) for _ in range(100)])
    await datastore.commit([new_job(now, due=now - SECOND)])
    assert len((await datastore.due(100)).jobs) == 1
    assert await datastore.waiting() == []
    assert steps.count == 1


async def test_summing_up_a_long_queue_costs_the_same_each_time(steps: Steps) -> None:
    datastore = MemoryDatastore(MemoryStore(Environment()))
    now = (await datastore.load({})).now
    waits = scheduled(due=now - SECOND, published=now - HOUR)
    await datastore.commit([new_job(now, waits) for _ in range(3000)])
    assert len(await datastore.waiting()) == 1
    steps.count = 0
    for _ in range(10):
        assert len(await datastore.waiting()) == 1
    assert steps.count == 10


async def test_what_is_due_no_more_when_the_clock_goes_back_does_not_wait() -> None:
    seconds = [1_700_000_000.0]
    datastore = MemoryDatastore(MemoryStore(Environment(clock=lambda: seconds[0])))
    now = (await datastore.load({})).now
    due = now + timedelta(seconds=10)
    await datastore.commit([new_job(now, scheduled(due=due, published=now))])
    for step, waiting in ((11, 1), (-9, 0), (7, 0), (1, 1)):
        seconds[0] += step
        assert len(await datastore.waiting()) == waiting
        overdue = await datastore.overdue("default", 0, published_before=due + HOUR, limit=5)
        assert len(overdue) == waiting


async def test_a_job_that_goes_on_after_its_end_is_kept() -> None:
    store = MemoryStore(Environment(), kept_jobs=1)
    datastore = MemoryDatastore(store)
    now = (await datastore.load({})).now
    again = new_job(now, state=JobState.COMPLETED)
    await datastore.commit([again])
    view = (await datastore.load({again.job.id: []})).views[again.job.id]
    await datastore.commit([next_change(view, state=JobState.RUNNING, run=2)])
    await datastore.commit([new_job(now, state=JobState.COMPLETED) for _ in range(3)])
    assert again.job.id in (await datastore.load({again.job.id: []})).views
    assert store.sizes()["jobs"] == 2
