"""Specifications are decoded once, and take no more memory than they may."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from tork_sqlite import reading
from tork_sqlite.datastore import SqliteDatastore
from tork_sqlite.spec_cache import JOB, TASK, SpecCache
from tork_sqlite.store import SqliteStore

from tork_core.model.spec import JobSpec, TaskSpec
from tork_core.testing._datastore_base import new_job

CREATED = datetime(2026, 1, 1, tzinfo=UTC)
SPEC = JobSpec(tasks=[TaskSpec(run="true")])
SIZE = 100
WEIGHT = JOB + TASK + SIZE


def test_the_last_that_were_written_are_kept_as_far_as_there_is_room() -> None:
    cache = SpecCache(room=10 * WEIGHT)
    for number in range(100):
        cache.put(str(number), CREATED, SPEC, SIZE)
    kept = [number for number in range(100) if cache.get(str(number), CREATED) is not None]
    assert kept == list(range(90, 100))
    cache.put("large", CREATED, SPEC, 5 * WEIGHT - (JOB + TASK))
    kept = [number for number in range(100) if cache.get(str(number), CREATED) is not None]
    assert kept == list(range(95, 100))
    assert cache.get("large", CREATED) is SPEC


def test_what_is_written_again_takes_its_place_once() -> None:
    cache = SpecCache(room=2 * WEIGHT)
    cache.put("other", CREATED, SPEC, SIZE)
    for _ in range(10):
        cache.put("again", CREATED, SPEC, SIZE)
    assert cache.get("other", CREATED) is not None


def test_one_for_which_there_is_no_room_is_not_kept() -> None:
    cache = SpecCache(room=100)
    cache.put("large", CREATED, SPEC, 101)
    assert cache.get("large", CREATED) is None


async def test_a_large_job_is_not_decoded_for_each_of_its_tasks(
    datastore: SqliteDatastore, store: SqliteStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    def decoded(raw: object) -> JobSpec:
        raise AssertionError("it was decoded when it was written")

    change = new_job(store.now(), {}, id="large")
    change.spec = JobSpec(tasks=[TaskSpec(run="x" * 100) for _ in range(5000)])
    assert len(msgspec.json.encode(change.spec)) > 500_000
    await datastore.commit([change])
    monkeypatch.setattr(reading, "_decode_job_spec", decoded)
    assert (await datastore.load({"large": []})).views["large"].spec == change.spec
