"""What has ended goes in time: nothing in the in-memory datastore grows without end."""

from __future__ import annotations

import gc
import tracemalloc
from datetime import datetime, timedelta

from tork_memory.datastore import MemoryDatastore
from tork_memory.nodes import KEPT_NODES
from tork_memory.store import MemoryStore

from tork_core.interfaces.datastore import Beat, JobChange
from tork_core.interfaces.environment import Environment
from tork_core.model.job import Claim, Event, Job, LogPart, Task
from tork_core.model.node import Node, NodeKind, NodeState
from tork_core.model.spec import JobSpec, TaskSpec
from tork_core.model.states import JobState, TaskState

SECOND = timedelta(seconds=1)


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 1_700_000_000.0

    def __call__(self) -> float:
        return self.seconds


def opened(
    *, kept_jobs: int = 50, kept_log_bytes: int = 1 << 20
) -> tuple[MemoryStore, MemoryDatastore, Clock]:
    clock = Clock()
    store = MemoryStore(
        Environment(clock=clock), kept_jobs=kept_jobs, kept_log_bytes=kept_log_bytes
    )
    return store, MemoryDatastore(store), clock


def written(job_id: str, version: int, now: datetime, state: TaskState) -> JobChange:
    """One step of a job with one task."""
    ended = state.ended
    task = Task(
        id=f"{job_id}-1",
        job_id=job_id,
        path="1",
        position=1,
        created_at=now,
        state=state,
        queue="default",
        published_at=now,
        due=None if ended else now + SECOND * (5 if state is TaskState.SCHEDULED else 3600),
        claim=None if state is TaskState.SCHEDULED else Claim(node=f"node-of-{job_id}", number=1),
    )
    job = Job(
        id=job_id,
        created_at=now,
        version=version,
        state=JobState.COMPLETED if ended else JobState.RUNNING,
        due=None if ended else now + SECOND * 3600,
        events=version,
    )
    return JobChange(
        job=job,
        base=version - 1,
        at=now,
        spec=JobSpec(tasks=[TaskSpec(run="true")]) if version == 1 else None,
        tasks={task.id: task},
        specs={task.id: TaskSpec(run="true")} if version == 1 else {},
        events=[Event(job_id=job_id, number=version, at=now, state=state.value)],
    )


async def run_jobs(datastore: MemoryDatastore, clock: Clock, first: int, count: int) -> None:
    """Take jobs from their submission to their end, with logs and a sweeper that looks."""
    for start in range(first, first + count, 50):
        ids = [f"job-{number:08}" for number in range(start, min(start + 50, first + count))]
        for version, state in enumerate(
            (TaskState.SCHEDULED, TaskState.RUNNING, TaskState.COMPLETED), 1
        ):
            now = (await datastore.load({})).now
            changes = [written(job_id, version, now, state) for job_id in ids]
            assert (await datastore.commit(changes)).conflicts == set()
            if state is TaskState.RUNNING:
                await datastore.append_log([line(job_id, 1) for job_id in ids])
            await datastore.due(100)
            await datastore.waiting()
            clock.seconds += 1


def line(job_id: str, number: int, size: int = 10) -> LogPart:
    return LogPart(
        job_id=job_id, task_id=f"{job_id}-1", attempt=1, number=number, contents="x" * size
    )


async def test_the_store_is_as_large_after_10_000_jobs_as_after_2_000() -> None:
    store, datastore, clock = opened(kept_jobs=2000)
    await run_jobs(datastore, clock, 0, 2000)
    before = store.sizes()
    await run_jobs(datastore, clock, 2000, 8000)
    after = store.sizes()
    assert before["jobs"] == before["ended"] == before["tasks"] == 2000
    for bounded in ("due_job_entries", "due_task_entries", "scheduled_entries"):
        assert after.pop(bounded) < 500
        before.pop(bounded)
    assert after.pop("feed_entries") <= before.pop("feed_entries") * 1.25 + 64
    assert after == before
    assert after["feed"] == after["events"] == 6000
    assert after["running_nodes"] == after["active"] == after["scheduled"] == 0


async def test_memory_after_10_000_jobs_is_what_it_was_after_2_000() -> None:
    _, datastore, clock = opened(kept_jobs=500)
    tracemalloc.start()
    try:
        await run_jobs(datastore, clock, 0, 2000)
        gc.collect()
        before, _ = tracemalloc.get_traced_memory()
        await run_jobs(datastore, clock, 2000, 8000)
        gc.collect()
        after, _ = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert after < before * 1.05


async def test_jobs_that_ended_first_go_first_and_active_ones_never() -> None:
    _, datastore, clock = opened(kept_jobs=10)
    now = (await datastore.load({})).now
    await datastore.commit([written("active", 1, now, TaskState.SCHEDULED)])
    await run_jobs(datastore, clock, 0, 100)
    kept = [number for number in range(100) if await datastore.job(f"job-{number:08}")]
    assert kept == list(range(90, 100))
    assert await datastore.job("active") is not None


async def test_nothing_of_a_deleted_job_is_left() -> None:
    store, datastore, clock = opened(kept_jobs=1)
    await run_jobs(datastore, clock, 0, 2)
    gone = "job-00000000"
    assert (await datastore.load({gone: []})).views == {}
    assert await datastore.events(gone) == []
    assert await datastore.log(gone) == []
    assert await datastore.specs([(gone, f"{gone}-1")]) == {}
    await datastore.append_log([line(gone, 2)])
    assert await datastore.log(gone) == []
    assert store.sizes()["logs"] == 1
    assert [item.position for item in await datastore.feed(0, 100)] == [2, 4, 6]
    assert {item.event.job_id for item in await datastore.feed(0, 100)} == {"job-00000001"}
    clock.seconds += 10_000
    assert (await datastore.due(10)).jobs == []


async def test_a_reader_of_the_feed_that_fell_behind_finds_what_is_left() -> None:
    store, datastore, clock = opened(kept_jobs=50)
    await run_jobs(datastore, clock, 0, 50)
    (item,) = await datastore.feed(0, 1)
    await run_jobs(datastore, clock, 50, 5000)
    jobs: dict[str, list[int]] = {}
    position = item.position
    while page := await datastore.feed(position, 7):
        position = page[-1].position
        for item in page:
            jobs.setdefault(item.event.job_id, []).append(item.event.number)
    assert jobs == {f"job-{number:08}": [1, 2, 3] for number in range(5000, 5050)}
    assert store.sizes()["feed_entries"] <= 150 * 1.25 + 64


async def test_a_job_that_is_made_again_under_its_id_begins_again_in_the_feed() -> None:
    _, datastore, clock = opened(kept_jobs=1)
    await run_jobs(datastore, clock, 0, 2)
    await run_jobs(datastore, clock, 0, 1)
    items = await datastore.feed(0, 100)
    assert [(item.event.job_id, item.event.number) for item in items] == [
        ("job-00000000", number) for number in (1, 2, 3)
    ]


async def test_an_ended_job_with_tasks_in_every_index_leaves_them_all() -> None:
    store, datastore, clock = opened(kept_jobs=1)
    now = (await datastore.load({})).now
    change = written("odd", 1, now, TaskState.COMPLETED)
    for number, state in enumerate(TaskState):
        for row in written(f"odd-{number}", 1, now, state).tasks.values():
            row.job_id = "odd"
            change.tasks[row.id] = row
    await datastore.commit([change])
    await run_jobs(datastore, clock, 0, 1)
    sizes = store.sizes()
    for kind in ("active", "due_jobs", "due_tasks", "scheduled", "running", "running_nodes"):
        assert sizes[kind] == 0
    assert sizes["tasks"] == 1


async def test_logs_of_what_ended_first_make_room() -> None:
    store, datastore, clock = opened(kept_log_bytes=100_000)
    await run_jobs(datastore, clock, 0, 10)
    for number in range(10):
        await datastore.append_log([line(f"job-{number:08}", 2, size=15_000)])
    kept = [len(await datastore.log(f"job-{number:08}")) for number in range(10)]
    assert kept == [0, 0, 0, 0, 2, 2, 2, 2, 2, 2]
    assert store.sizes()["log_bytes"] <= 100_000
    assert store.sizes()["jobs"] == 10


async def test_an_endless_log_of_an_active_job_keeps_its_end() -> None:
    store, datastore, _ = opened(kept_log_bytes=100_000)
    now = (await datastore.load({})).now
    await datastore.commit(
        [written(job_id, 1, now, TaskState.RUNNING) for job_id in ("endless", "quiet")]
    )
    await datastore.append_log([line("quiet", 1)])
    read: list[int] = []
    cursor = 0
    for number in range(1, 2001):
        await datastore.append_log([line("endless", number, size=1000)])
        parts = await datastore.log("endless", after=cursor)
        read += [part.number for part in parts]
        cursor = parts[-1].cursor
    assert read == list(range(1, 2001))
    kept = [part.number for part in await datastore.log("endless")]
    assert kept == list(range(2001 - len(kept), 2001))
    assert len(kept) > 30
    assert store.sizes()["log_bytes"] <= 100_000
    assert len(await datastore.log("quiet")) == 1
    await datastore.append_log([line("endless", 1, size=1000)])
    assert [part.number for part in await datastore.log("endless")] == kept


async def test_nodes_that_are_gone_are_dropped_and_do_not_come_back() -> None:
    store, datastore, clock = opened()
    for number in range(1000):
        node = Node(id=f"n-{number:04}", name="worker", kind=NodeKind.WORKER, beat=1)
        if number % 2:
            node.state = NodeState.OFFLINE
        (stored,) = await datastore.beat([Beat(node)], gap=10)
        if stored.state is NodeState.UP:
            assert stored.last_heartbeat_at is not None
            assert await datastore.expire({stored.id: stored.last_heartbeat_at}) == [stored.id]
        clock.seconds += 1
    assert store.sizes()["nodes"] == KEPT_NODES
    late = [Node(id=i, name="worker", kind=NodeKind.WORKER, beat=9) for i in ("n-0000", "n-0001")]
    states = [node.state for node in await datastore.beat([Beat(n) for n in late], gap=10)]
    assert states == [NodeState.LOST, NodeState.OFFLINE]
    assert store.sizes()["nodes"] == KEPT_NODES


async def test_leases_and_lanes_that_nobody_needs_are_forgotten() -> None:
    store, datastore, clock = opened()
    for number in range(20_000):
        assert await datastore.lease(f"lock-{number}", "me", 1)
        clock.seconds += 0.1
    assert len(store.leases) < 200
    now = (await datastore.load({})).now
    for number in range(20_000):
        change = written(f"job-{number}", 1, now, TaskState.RUNNING)
        for task in change.tasks.values():
            task.queue = f"queue-{number}"
        await datastore.commit([change])
    assert store.sizes()["lanes"] <= 8192
