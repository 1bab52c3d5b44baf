"""What is too old is deleted, a little at a time, and nothing else."""

from __future__ import annotations

import sqlite3
from datetime import timedelta
from pathlib import Path

import pytest
from structlog.testing import capture_logs
from tork_sqlite import nodes, removal, retention
from tork_sqlite.datastore import SqliteDatastore
from tork_sqlite.retention import Kept, Retention, retaining
from tork_sqlite.store import SqliteStore, open_store

from tests.sqlite.conftest import Clock
from tork_core.interfaces.datastore import Beat
from tork_core.interfaces.environment import Environment
from tork_core.model.job import JobId, LogPart
from tork_core.model.node import Node, NodeKind, NodeState
from tork_core.model.states import JobState, TaskState
from tork_core.testing._datastore_base import event, new_job, next_change
from tork_core.testing.waiting import eventually

HOUR = 3600.0
KEPT = Kept(jobs=48 * HOUR, logs=24 * HOUR)
TABLES = ("jobs", "job_specs", "tasks", "task_specs", "events", "logs", "doomed")


async def job_with_all(
    datastore: SqliteDatastore, store: SqliteStore, job_id: JobId, *, tasks: int = 1
) -> None:
    """A job that has ended, with tasks, events and log parts."""
    change = new_job(
        store.now(), *({"state": TaskState.COMPLETED} for _ in range(tasks)), id=job_id
    )
    change.events = [event(job_id, number + 1, change.at) for number in range(tasks)]
    await datastore.commit([change])
    view = (await datastore.load({job_id: []})).views[job_id]
    now = store.now()
    await datastore.commit([next_change(view, state=JobState.COMPLETED, completed_at=now)])
    await datastore.append_log(
        [
            LogPart(job_id=job_id, task_id=task_id, attempt=1, number=1, contents="text")
            for task_id in change.tasks
        ]
    )


async def rows(store: SqliteStore) -> dict[str, int]:
    """How many rows each table has."""

    def count(connection: sqlite3.Connection) -> dict[str, int]:
        return {
            table: connection.execute(f"SELECT count(*) FROM {table}").fetchone()[0]
            for table in TABLES
        }

    return await store.hot.run(count)


async def test_jobs_go_when_they_ended_long_ago_and_their_logs_before_them(
    datastore: SqliteDatastore, store: SqliteStore, clock: Clock
) -> None:
    keeper = Retention(store, KEPT)
    await job_with_all(datastore, store, "old")
    active = new_job(store.now(), {"state": TaskState.RUNNING}, id="active")
    await datastore.commit([active])
    clock.seconds += 25 * HOUR
    await job_with_all(datastore, store, "young")
    await keeper.sweep()
    assert await datastore.log("old") == []
    assert len(await datastore.log("young")) == 1
    assert {found.job.id for found in (await datastore.jobs()).jobs} == {"old", "active", "young"}
    clock.seconds += 24 * HOUR
    await keeper.sweep()
    assert {found.job.id for found in (await datastore.jobs()).jobs} == {"active", "young"}
    assert await datastore.job("old") is None
    assert await datastore.events("old") == []
    assert {item.event.job_id for item in await datastore.feed(0, 100)} == {"young"}
    clock.seconds += 10_000 * HOUR
    await keeper.sweep()
    assert [found.job.id for found in (await datastore.jobs()).jobs] == ["active"]
    assert await rows(store) == dict.fromkeys(TABLES, 0) | {
        "jobs": 1, "job_specs": 1, "tasks": 1, "task_specs": 1,
    }  # fmt: skip


async def test_a_job_that_logs_for_weeks_does_not_keep_the_old_logs_of_others(
    datastore: SqliteDatastore, store: SqliteStore, clock: Clock
) -> None:
    first = new_job(store.now(), {"id": "a", "state": TaskState.RUNNING}, id="first")
    await datastore.commit([first])
    await job_with_all(datastore, store, "old")
    clock.seconds += 25 * HOUR
    young = [
        LogPart(job_id="first", task_id="a", attempt=1, number=number, contents="young")
        for number in range(1, 2 * removal.STEP)
    ]
    await datastore.append_log(young)
    await Retention(store, KEPT).sweep()
    assert await datastore.log("old") == []
    assert len(await datastore.log("first")) == len(young)


async def test_a_large_job_is_removed_in_steps_between_which_others_write(
    datastore: SqliteDatastore, store: SqliteStore, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "HOLD", 0.0)
    monkeypatch.setattr(removal, "STEP", 100)
    await job_with_all(datastore, store, "large", tasks=1000)
    clock.seconds += 1000 * HOUR
    keeper = Retention(store, KEPT)
    held: list[dict[str, int]] = []
    run = store.writer.run

    async def watched(work: object) -> object:
        value = await run(work)  # type: ignore[arg-type]
        held.append(await rows(store))
        assert await datastore.job("large") is None or held[-1]["jobs"] == 1
        return value

    monkeypatch.setattr(retention, "HOLD", 1e-9)
    store.writer.run = watched  # type: ignore[method-assign, assignment]
    await keeper.sweep()
    store.writer.run = run  # type: ignore[method-assign]
    assert await rows(store) == dict.fromkeys(TABLES, 0)
    assert len(held) > 5


async def test_an_id_may_be_used_again_while_its_former_job_is_being_removed(
    datastore: SqliteDatastore, store: SqliteStore, clock: Clock
) -> None:
    await job_with_all(datastore, store, "again", tasks=500)
    clock.seconds += 1000 * HOUR
    await store.writer.run(lambda connection: removal.doom(connection, 2**62, 10))
    assert await datastore.job("again") is None
    await job_with_all(datastore, store, "again", tasks=2)
    await Retention(store, Kept(jobs=1e6 * HOUR, logs=1e6 * HOUR)).sweep()
    record = await datastore.job("again")
    assert record is not None
    assert len(record.tasks) == 2
    assert len(await datastore.log("again")) == 2
    assert [found.number for found in await datastore.events("again")] == [1, 2]
    assert (await rows(store))["tasks"] == 2


async def test_positions_of_deleted_events_are_never_given_again(path: Path, clock: Clock) -> None:
    environment = Environment(clock=clock)
    async with open_store(str(path), environment) as store:
        datastore = SqliteDatastore(store)
        await job_with_all(datastore, store, "first", tasks=10)
        last = (await datastore.feed(0, 100))[-1].position
        clock.seconds += 1000 * HOUR
        await Retention(store, KEPT).sweep()
        assert await datastore.feed(0, 100) == []
    async with open_store(str(path), environment) as store:
        datastore = SqliteDatastore(store)
        await job_with_all(datastore, store, "second")
        assert [item.position > last for item in await datastore.feed(0, 100)] == [True]
        assert len(await datastore.feed(last, 100)) == 1


async def test_nodes_that_are_gone_are_forgotten_in_time_and_do_not_come_back(
    datastore: SqliteDatastore, store: SqliteStore, clock: Clock
) -> None:
    for number in range(nodes.KEPT_NODES + 10):
        clock.seconds += 1
        node = Node(id=f"n{number}", name="n", kind=NodeKind.WORKER, state=NodeState.OFFLINE)
        await datastore.beat([Beat(node)], gap=10)
    living = Node(id="living", name="n", kind=NodeKind.WORKER)
    await datastore.beat([Beat(living)], gap=10)
    await Retention(store, KEPT).sweep()
    _, listed = await datastore.nodes()
    assert len(listed) == nodes.KEPT_NODES + 1
    assert "n9" not in {node.id for node in listed}
    [back] = await datastore.beat([Beat(Node(id="n9", name="n", kind=NodeKind.WORKER))], gap=10)
    assert back.state is NodeState.OFFLINE


async def test_what_is_kept_for_ever_is_kept_and_the_rest_goes(
    datastore: SqliteDatastore, store: SqliteStore, clock: Clock
) -> None:
    await job_with_all(datastore, store, "old")
    clock.seconds += 25 * HOUR
    await Retention(store, Kept(jobs=1e15, logs=24 * HOUR)).sweep()
    assert (await rows(store))["jobs"] == 1
    assert await datastore.log("old") == []


async def test_a_fault_that_ends_the_deleting_is_told(
    store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def fail(_: Retention) -> None:
        raise RuntimeError("broken")

    async def told() -> object:
        return logs

    monkeypatch.setattr(Retention, "sweep", fail)
    with capture_logs() as logs:
        async with retaining(store, KEPT):
            await eventually(told, bool, within=10)
    assert [line["event"] for line in logs] == ["sqlite.retention_failed"]


def test_the_defaults_are_a_year_and_a_week() -> None:
    from tork_sqlite.plugin import SqliteSettings

    settings = SqliteSettings()
    assert timedelta(seconds=settings.kept_jobs) == timedelta(days=365)
    assert timedelta(seconds=settings.kept_logs) == timedelta(days=7)
    assert settings.path == "tork.db"
