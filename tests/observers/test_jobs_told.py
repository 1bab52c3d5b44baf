"""Events of jobs: each told at least once, in order, and once if nothing goes wrong."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest
from tork_memory.datastore import MemoryDatastore
from tork_memory.store import MemoryStore

from tests.observers.watching import Ear, open_stage, stop, until, virtual
from tork_core.coordinator.observing import (
    GATHERING,
    JOBS_AT_ONCE,
    LEASE,
    LONGEST_REST,
    NAME,
    PAGE,
    RENEWAL,
)
from tork_core.errors import Unavailable
from tork_core.interfaces.datastore import FeedItem
from tork_core.model.job import Event, JobRecord

TAKEOVER = LEASE + RENEWAL


@virtual
async def test_events_are_told_once_each_and_those_of_a_job_in_order() -> None:
    async with open_stage() as stage:
        ear = Ear()
        stage.observers(ear)
        written: dict[str, list[str]] = {}
        for number in range(60):
            job_id = f"job-{number % 7}"
            written.setdefault(job_id, []).extend(await stage.commit(job_id, 1 + number % 3))
            await asyncio.sleep(0.013)
        await until(lambda: len(ear.told) >= sum(map(len, written.values())))
        await asyncio.sleep(60)
        for job_id, ids in written.items():
            assert [found for found in ear.told if found.startswith(f"{job_id}:")] == ids
        assert len(ear.told) == len(set(ear.told))


@virtual
async def test_news_are_told_at_once_and_without_news_somewhat_later() -> None:
    async with open_stage() as stage:
        ear, clock = Ear(), asyncio.get_running_loop().time
        stage.observers(ear)
        for news, longest in ((True, 0.2), (False, 2.5)):
            await asyncio.sleep(10)
            began, count = clock(), len(ear.told)
            await stage.commit("job", news=news)
            await until(lambda count=count: len(ear.told) > count)
            assert clock() - began < longest


@virtual
async def test_a_broker_that_is_away_only_makes_it_later() -> None:
    async with open_stage() as stage:
        ear = Ear()
        stage.observers(ear)
        await asyncio.sleep(10)
        stage.broker.close()
        await stage.commit("job", news=False)
        await until(lambda: ear.told, within=3)


@virtual
async def test_what_was_committed_before_anybody_observed_is_told_from_the_mark_on() -> None:
    async with open_stage() as stage:
        old = await stage.commit("old", 2)
        await stage.datastore.move_mark(NAME, (await stage.datastore.feed(0, 10))[-1].position)
        new = await stage.commit("new", 2)
        ear = Ear()
        stage.observers(ear)
        await until(lambda: len(ear.told) >= 2)
        assert ear.told == new
        assert set(old).isdisjoint(ear.told)


class NoAnswer(MemoryDatastore):
    """Moves of the mark never come back."""

    asked = 0

    async def move_mark(self, name: str, position: int) -> None:
        self.asked += 1
        await asyncio.Event().wait()


@virtual
async def test_a_crash_between_the_calls_and_the_mark_has_them_told_again_under_their_ids() -> None:
    async with open_stage() as stage:
        first, second = Ear(), Ear()
        ids = await stage.commit("job", 3)
        datastore = NoAnswer(stage.store)
        _, running = stage.observers(first, "first", datastore)
        await until(lambda: datastore.asked)
        await stop(running)
        stage.observers(second, "second")
        await until(lambda: len(second.told) >= 3)
        assert first.told == second.told == ids


@virtual
async def test_a_crash_in_the_midst_of_a_call_has_its_event_told_again() -> None:
    async with open_stage() as stage:
        first, second = Ear(), Ear()

        async def hang(event: Event) -> None:
            if event.number == 2:
                await asyncio.Event().wait()

        first.before = hang
        ids = await stage.commit("job", 3)
        _, running = stage.observers(first, "first")
        await until(lambda: first.told)
        await stop(running)
        stage.observers(second, "second")
        await until(lambda: len(second.told) >= 3)
        assert first.told == ids[:1]
        assert second.told == ids


@virtual
async def test_of_several_coordinators_one_tells_and_another_takes_over_when_it_is_gone() -> None:
    async with open_stage() as stage:
        ears = [Ear(), Ear(), Ear()]
        tasks = [stage.observers(ear, f"holder {n}")[1] for n, ear in enumerate(ears)]
        clock = asyncio.get_running_loop().time
        written: list[str] = []
        for _ in range(3):
            for _ in range(40):
                written += await stage.commit("job")
                await asyncio.sleep(1)
            (teller,) = [n for n, ear in enumerate(ears) if ear.told and not tasks[n].done()]
            others = [n for n, ear in enumerate(ears) if n > teller and ear.told]
            assert others == []
            await stop(tasks[teller])
            began, told = clock(), sum(len(ear.told) for ear in ears)
            written += await stage.commit("job")
            if teller < 2:
                await until(lambda told=told: sum(len(ear.told) for ear in ears) > told)
                assert clock() - began <= TAKEOVER + 1
        everything = [found for ear in ears for found in ear.told]
        assert everything == written[:-1]


@virtual
async def test_whoever_has_lost_the_lease_stops_telling() -> None:
    async with open_stage() as stage:
        ear, release = Ear(), asyncio.Event()

        async def wait(_: Event) -> None:
            await release.wait()

        ear.before = wait
        await stage.commit("job", 3)
        stage.observers(ear, "one")
        await asyncio.sleep(1)
        await stage.datastore.release(NAME, "one")
        assert await stage.datastore.lease(NAME, "another", 1000)
        await asyncio.sleep(2 * RENEWAL)
        release.set()
        await asyncio.sleep(100)
        assert ear.told == []
        assert await stage.datastore.mark(NAME) == 0


@virtual
async def test_a_slow_observer_keeps_its_lease() -> None:
    async with open_stage() as stage:
        slow, other = Ear(), Ear()

        async def wait(_: Event) -> None:
            await asyncio.sleep(5 * LEASE)

        slow.before = wait
        ids = await stage.commit("job", 3)
        stage.observers(slow, "one")
        await asyncio.sleep(1)
        stage.observers(other, "two")
        await until(lambda: len(slow.told) == 3, within=20 * LEASE)
        await asyncio.sleep(5 * LEASE)
        assert (slow.told, other.told) == (ids, [])


@virtual
async def test_a_failing_call_is_logged_and_costs_nobody_else_anything(
    capsys: pytest.CaptureFixture[str],
) -> None:
    class Touchy(Ear):
        async def observe(self, record: JobRecord, events: Sequence[Event]) -> None:
            if record.job.id == "bad":
                raise LookupError("what a middleware's show may raise")
            await super().observe(record, events)

    async with open_stage() as stage:
        ear = Touchy()
        for _ in range(3):
            await stage.commit("bad", 2)
            await stage.commit("good", 2)
        stage.observers(ear)
        await until(lambda: len(ear.told) == 6)
        await until(lambda: stage.store.marks.get(NAME) == 12)
        await stage.commit("good")
        await until(lambda: len(ear.told) == 7)
    shown = "".join(capsys.readouterr())
    assert "observing.failed" in shown
    assert "LookupError" in shown


@virtual
async def test_jobs_are_told_side_by_side_up_to_a_bound() -> None:
    async with open_stage() as stage:
        ear, now, most = Ear(), 0, 0

        async def wait(_: Event) -> None:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await asyncio.sleep(1)
            now -= 1

        ear.before = wait
        for number in range(3 * JOBS_AT_ONCE):
            await stage.commit(f"job-{number}")
        began = asyncio.get_running_loop().time()
        stage.observers(ear)
        await until(lambda: len(ear.told) == 3 * JOBS_AT_ONCE)
        assert most == JOBS_AT_ONCE
        assert asyncio.get_running_loop().time() - began < 4


@virtual
async def test_events_of_jobs_that_are_gone_are_passed_over() -> None:
    async with open_stage(kept_jobs=1) as stage:

        class Late(MemoryDatastore):
            """The first job is deleted between the feed and its load."""

            async def feed(self, after: int, limit: int) -> list[FeedItem]:
                found = await super().feed(after, limit)
                if found:
                    await stage.end("first")
                    await stage.end("second")
                return found

        ear = Ear()
        for job_id in ("first", "second"):
            await stage.commit(job_id, 2)
        stage.observers(ear, "one", Late(stage.store))
        await until(lambda: stage.store.marks.get(NAME) == 4)
        assert ear.told == ["second:1", "second:2"]


class Flaky(MemoryDatastore):
    """Now and then the datastore is away, or does not say that it has moved a mark."""

    calls = 0

    def _store(self) -> MemoryStore:
        self.calls += 1
        if self.calls % 7 == 3:
            raise Unavailable("datastore", "is away")
        return super()._store()

    async def move_mark(self, name: str, position: int) -> None:
        await super().move_mark(name, position)
        if position % 3 == 0:
            raise Unavailable("datastore", "did not answer")


@virtual
async def test_a_datastore_that_is_away_holds_up_and_loses_nothing() -> None:
    async with open_stage() as stage:
        ear = Ear()
        stage.observers(ear, "one", Flaky(stage.store))
        written: list[str] = []
        for _ in range(50):
            written += await stage.commit("job", 2)
            await asyncio.sleep(0.5)
        await until(lambda: set(ear.told) == set(written), within=600)
        assert list(dict.fromkeys(ear.told)) == written


@virtual
async def test_a_backlog_is_told_in_pages_and_the_mark_follows() -> None:
    async with open_stage() as stage:
        ear, marks = Ear(), set[int]()

        async def look(_: Event) -> None:
            marks.add(await stage.datastore.mark(NAME))

        ear.before = look
        for number in range(500):
            await stage.commit(f"job-{number:03}", 5)
        stage.observers(ear)
        await until(lambda: len(ear.told) == 2500)
        await until(lambda: stage.store.marks.get(NAME) == 2500)
        assert marks == {0, PAGE, 2 * PAGE}


@virtual
async def test_telling_leaves_the_loop_to_others_for_longer_than_it_takes() -> None:
    """As with a huge job; but a slow observer is not waited for for ever."""
    async with open_stage() as stage:
        clock, seconds = asyncio.get_running_loop().time, 0.0
        told: list[float] = []
        looks: list[float] = []

        class Looks(MemoryDatastore):
            async def feed(self, after: int, limit: int) -> list[FeedItem]:
                looks.append(clock())
                return await super().feed(after, limit)

        async def work(_: Event) -> None:
            await asyncio.sleep(seconds)
            told.append(clock())

        ear = Ear()
        ear.before = work
        stage.observers(ear, "one", Looks(stage.store))
        for length, rest in ((0.0, GATHERING), (0.4, 1.2), (30.0, LONGEST_REST)):
            seconds = length
            await stage.commit("job")
            await asyncio.sleep(40)
            assert next(at for at in looks if at > told[-1]) - told[-1] == pytest.approx(rest)
        seconds = 1.2 / PAGE
        await stage.commit("job", PAGE + 5)
        await asyncio.sleep(20)
        behind = told[-6]
        assert next(at for at in looks if at > behind) - behind == pytest.approx(1.2, rel=0.01)


@virtual
async def test_settling_waits_until_all_is_told_but_no_longer_than_it_may() -> None:
    async with open_stage() as stage:
        ear, clock = Ear(), asyncio.get_running_loop().time

        async def work(_: Event) -> None:
            await asyncio.sleep(1)

        ear.before = work
        idle, _ = stage.observers(ear, "one")
        other, _ = stage.observers(Ear(), "two")
        await asyncio.sleep(1)
        for count, seconds, longest, told in ((3, 5, 4, 3), (10, 5, 5.01, 7)):
            await stage.commit("job", count)
            began = clock()
            await other.settle(seconds)
            assert clock() == began
            await idle.settle(seconds)
            assert clock() - began <= longest
            assert len(ear.told) >= told
            await asyncio.sleep(20)


@virtual
async def test_settling_without_a_datastore_gives_up() -> None:
    async with open_stage() as stage:
        ear = Ear()
        found, _ = stage.observers(ear)
        await asyncio.sleep(1)
        stage.datastore.close()
        await found.settle(5)


@virtual
async def test_an_observer_of_nodes_alone_reads_no_feed() -> None:
    async with open_stage() as stage:
        ear = Ear()
        ear.observes = False
        found, _ = stage.observers(ear)
        await stage.commit("job")
        await stage.beat("n", 1)
        await until(lambda: ear.nodes)
        await found.settle(5)
        assert ear.told == []
        assert await stage.datastore.mark(NAME) == 0
