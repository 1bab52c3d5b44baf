"""Writing and reading beside the event loop: shared commits, faults, and nothing that blocks."""

from __future__ import annotations

import asyncio
import contextlib
import re
import sqlite3
import threading
from pathlib import Path
from typing import Any

import pytest
from tork_sqlite import batching, commits, following, reading, sweeping
from tork_sqlite.datastore import SqliteDatastore
from tork_sqlite.store import SqliteStore

from tork_core.errors import Unavailable
from tork_core.model.job import LogPart
from tork_core.testing._datastore_base import new_job, next_change

HOT = {
    name: text
    for module in (commits, following, reading, sweeping)
    for name, text in vars(module).items()
    if isinstance(text, str) and name.startswith("_") and re.match(r"\s*(SELECT|INSERT)", text)
}


async def test_commits_that_come_together_share_a_transaction(
    store: SqliteStore, datastore: SqliteDatastore
) -> None:
    before = store.writer.transactions
    changes = [new_job(store.now(), {}) for _ in range(200)]
    await asyncio.gather(*(datastore.commit([change]) for change in changes))
    assert store.writer.transactions - before <= 20
    assert (await datastore.jobs()).total == 200


async def test_an_operation_that_raises_spares_the_others_of_its_transaction(
    store: SqliteStore, datastore: SqliteDatastore
) -> None:
    gate = threading.Event()

    def wait(connection: sqlite3.Connection) -> None:
        gate.wait(10)

    def write_and_raise(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO marks VALUES ('half', 1)")
        raise ValueError("of the caller")

    def too_large(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO marks VALUES ('large', ?)", (2**70,))

    held = asyncio.create_task(store.writer.run(wait))
    await asyncio.sleep(0)
    good = [asyncio.create_task(datastore.move_mark(f"good {n}", n + 1)) for n in range(3)]
    bad = [asyncio.create_task(store.writer.run(work)) for work in (write_and_raise, too_large)]
    also = asyncio.create_task(datastore.move_mark("good after", 9))
    await asyncio.sleep(0)
    before = store.writer.transactions
    gate.set()
    await asyncio.gather(held, *good, also)
    results: list[Any] = await asyncio.gather(*bad, return_exceptions=True)
    assert [type(error) for error in results] == [ValueError, OverflowError]
    assert store.writer.transactions - before <= 2
    assert [await datastore.mark(f"good {n}") for n in range(3)] == [1, 2, 3]
    assert await datastore.mark("good after") == 9
    assert await datastore.mark("half") == 0


@pytest.mark.parametrize("error", [sqlite3.DatabaseError, sqlite3.InternalError])
async def test_a_damaged_file_is_the_datastore_s_fault_and_nobody_s_who_asks(
    store: SqliteStore, datastore: SqliteDatastore, error: type[sqlite3.Error]
) -> None:
    """What SQLite says of one that it finds damaged, which is no OperationalError."""

    def find(connection: sqlite3.Connection) -> None:
        connection.execute("INSERT INTO marks VALUES ('half', 1)")
        raise error("database disk image is malformed")

    with pytest.raises(Unavailable, match="malformed"):
        await store.writer.run(find)
    assert await datastore.mark("half") == 0


async def test_a_fault_in_a_read_is_not_taken_for_a_closed_connection(store: SqliteStore) -> None:
    def read(connection: sqlite3.Connection) -> None:
        raise RuntimeError("of the caller")

    with pytest.raises(RuntimeError, match="of the caller"):
        await store.slow.run(read)


async def test_a_full_disk_is_told_and_got_over(
    store: SqliteStore, datastore: SqliteDatastore, path: Path
) -> None:
    async def limit(pages: int) -> None:
        def set_limit(connection: sqlite3.Connection) -> None:
            connection.execute(f"PRAGMA max_page_count = {pages}")

        await store.writer.run(set_limit)

    (used,) = await store.writer.run(
        lambda connection: connection.execute("PRAGMA page_count").fetchone()
    )
    await limit(used)
    large = [new_job(store.now(), *({"output": "x" * 4000} for _ in range(50))) for _ in range(3)]
    with pytest.raises(Unavailable, match=rf"{path}: the disk is full; make room"):
        await datastore.commit(large)
    assert (await datastore.jobs()).total == 0
    await limit(2**30)
    await datastore.commit(large)
    assert (await datastore.jobs()).total == 3


async def test_another_program_that_writes_is_waited_for_and_holds_up_nothing_else(
    datastore: SqliteDatastore, store: SqliteStore, path: Path
) -> None:
    """As a backup by the ``sqlite3`` program does."""
    await datastore.commit([new_job(store.now(), {}, id="before")])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        committing = asyncio.create_task(datastore.commit([new_job(store.now(), {}, id="new")]))
        ticks = 0
        async with asyncio.timeout(4):
            while ticks < 100:
                await asyncio.sleep(0.002)
                ticks += 1
                assert (await datastore.load({"before": []})).views
        assert not committing.done()
        other.execute("COMMIT")
    assert (await committing).conflicts == set()
    assert (await datastore.load({"new": []})).views


async def test_a_listing_that_takes_long_does_not_hold_up_the_engine(
    datastore: SqliteDatastore, store: SqliteStore
) -> None:
    gate = threading.Event()
    await datastore.commit([new_job(store.now(), {}, id="one")])
    listing = asyncio.create_task(store.slow.run(lambda _: gate.wait(10)))
    await asyncio.sleep(0)
    view = (await datastore.load({"one": []})).views["one"]
    await datastore.commit([next_change(view)])
    assert await datastore.running(["n"]) == []
    assert not listing.done()
    gate.set()
    assert await listing


async def test_what_is_queued_is_bounded_and_who_comes_then_waits(store: SqliteStore) -> None:
    gate = threading.Event()
    held = asyncio.create_task(store.writer.run(lambda _: gate.wait(10)))
    await asyncio.sleep(0)
    count = batching.QUEUED + 200
    rest = [asyncio.create_task(store.writer.run(lambda _: 1)) for _ in range(count)]
    for _ in range(3):
        await asyncio.sleep(0)
    assert store.writer._queue.qsize() <= batching.QUEUED
    gate.set()
    await held
    assert sum(await asyncio.gather(*rest)) == count


async def test_a_caller_that_is_cancelled_takes_nobody_with_it(
    store: SqliteStore, datastore: SqliteDatastore
) -> None:
    gate = threading.Event()
    held = asyncio.create_task(store.writer.run(lambda _: gate.wait(10)))
    await asyncio.sleep(0)
    cancelled = asyncio.create_task(datastore.move_mark("a", 1))
    other = asyncio.create_task(datastore.move_mark("b", 2))
    await asyncio.sleep(0)
    cancelled.cancel()
    gate.set()
    await asyncio.gather(held, other)
    assert await datastore.mark("b") == 2


@pytest.mark.parametrize("name", HOT)
async def test_no_statement_of_the_engine_looks_through_a_whole_table(
    store: SqliteStore, name: str
) -> None:
    text = HOT[name]
    if name in ("_LISTED",):
        return
    marks = dict.fromkeys(re.findall(r":(\w+)", text), 0)
    numbered = [int(number) for number in re.findall(r"\?(\d)", text)]
    count = max(numbered, default=0) or text.count("?")
    plan = await store.hot.run(
        lambda connection: connection.execute(
            "EXPLAIN QUERY PLAN " + text, marks or ["[]"] * count
        ).fetchall()
    )
    steps = [row[3] for row in plan]
    scans = [
        step
        for step in steps
        if re.match(r"SCAN (?!k\b|json_each|page|found|doomed|CONSTANT|\()", step)
        and "USING" not in step
        and "VIRTUAL TABLE" not in step
    ]
    assert scans == [], steps


async def test_log_parts_survive_the_way_through_the_file(
    datastore: SqliteDatastore, store: SqliteStore
) -> None:
    change = new_job(store.now(), {})
    [task_id] = change.tasks
    await datastore.commit([change])
    contents = '\x00 \x1b[31m \u2028 \U0001f600 "quotes" \\ \n'
    part = LogPart(job_id=change.job.id, task_id=task_id, attempt=1, number=1, contents=contents)
    await datastore.append_log([part])
    [stored] = await datastore.log(change.job.id)
    assert stored.contents == contents
