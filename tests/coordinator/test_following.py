"""Following a job: its events and its log, complete and in order, and its end."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

import pytest
from tork_memory.broker import MemoryBroker
from tork_memory.datastore import MemoryDatastore

from tests.coordinator.coordinator_stage import (
    FailingDatastore,
    Hand,
    Stage,
    claim_of,
    open_hand,
    open_stage,
    report_of,
)
from tests.coordinator.job_story import job
from tests.coordinator.virtual_time import virtual
from tork_core.coordinator.coordinator import Coordinator
from tork_core.coordinator.following import MissingLog, News, follow, wait_for_end
from tork_core.errors import NotFound
from tork_core.model.job import Event, JobId, LogPart
from tork_core.model.messages import TaskMessage
from tork_core.model.spec import RetrySpec, TaskSpec


class Follower:
    """Everything that a follower of a job gets, as it comes."""

    def __init__(self, stage: Stage, news: News, job_id: JobId, after: int = 0) -> None:
        self.items: list[Event | LogPart | MissingLog] = []
        self.task = asyncio.create_task(self._run(stage, news, job_id, after))

    async def _run(self, stage: Stage, news: News, job_id: JobId, after: int) -> None:
        datastore = MemoryDatastore(stage.store)
        async for item in follow(news, datastore, job_id, after=after):
            self.items.append(item)

    @property
    def seen(self) -> list[str]:
        """The items in short: states, and the contents of log parts."""
        return [
            item.state
            if isinstance(item, Event)
            else item.contents
            if isinstance(item, LogPart)
            else f"{item.parts} missing"
            for item in self.items
        ]

    async def end(self, within: float = 30) -> list[str]:
        """Wait for the end, and return what was seen."""
        async with asyncio.timeout(within):
            await self.task
        return self.seen


@asynccontextmanager
async def open_all(*, deaf: bool = False) -> AsyncGenerator[tuple[Stage, Coordinator, Hand, News]]:
    """A stage with a running coordinator, a worker, and news (which never come if ``deaf``)."""
    async with open_stage() as stage, open_hand(stage) as hand:
        coordinator, _, _ = stage.coordinator()
        stage.start(coordinator)
        news = News(MemoryBroker(stage.queues))
        if not deaf:
            listening = asyncio.create_task(news.run())
            stage.tasks.append(listening)
        yield stage, coordinator, hand, news


def part(message: TaskMessage, number: int, contents: str) -> LogPart:
    return LogPart(
        job_id=message.job_id,
        task_id=message.task_id,
        attempt=message.attempt,
        number=number,
        contents=contents,
    )


async def start(coordinator: Coordinator, hand: Hand) -> TaskMessage:
    """Submit a job of one task, and claim the task."""
    await coordinator.submit(job("true"))
    [message] = await hand.take()
    await hand.claim(claim_of(message, 1))
    await hand.until(lambda hand: hand.granted == [1])
    return message


@virtual
async def test_events_and_log_come_in_order_and_the_log_before_the_end() -> None:
    async with open_all() as (stage, coordinator, hand, news):
        message = await start(coordinator, hand)
        follower = Follower(stage, news, message.job_id)
        await hand.print(part(message, 1, "one"))
        await stage.until(lambda: "one" in follower.seen)
        await hand.report(report_of(message, 1, log_parts=3))
        await hand.until(lambda hand: hand.settled)
        await hand.print(part(message, 2, "two"))
        await stage.until(lambda: "two" in follower.seen)
        assert not follower.task.done()
        await hand.print(part(message, 3, "three"))
        assert await follower.end(within=1) == (
            "PENDING SCHEDULED SCHEDULED RUNNING RUNNING one two three COMPLETED COMPLETED".split()
        )
        numbers = [item.number for item in follower.items if isinstance(item, Event)]
        assert numbers == list(range(1, 8))


@virtual
async def test_a_log_that_does_not_come_in_time_holds_a_follower_up_for_ten_seconds() -> None:
    async with open_all() as (stage, coordinator, hand, news):
        message = await start(coordinator, hand)
        follower = Follower(stage, news, message.job_id)
        await hand.print(part(message, 2, "two"))
        await hand.report(report_of(message, 1, log_parts=3))
        began = asyncio.get_running_loop().time()
        seen = await follower.end()
        assert seen[-4:] == ["two", "2 missing", "COMPLETED", "COMPLETED"]
        assert 10 <= asyncio.get_running_loop().time() - began <= 13


@virtual
async def test_a_follower_without_any_news_finds_out_for_itself() -> None:
    async with open_all(deaf=True) as (stage, coordinator, hand, news):
        message = await start(coordinator, hand)
        follower = Follower(stage, news, message.job_id)
        waiter = asyncio.create_task(
            wait_for_end(news, MemoryDatastore(stage.store), message.job_id)
        )
        await hand.print(part(message, 1, "one"))
        await hand.report(report_of(message, 1, log_parts=1))
        seen = await follower.end(within=5)
        assert seen[-3:] == ["one", "COMPLETED", "COMPLETED"]
        async with asyncio.timeout(3):
            await waiter


@virtual
async def test_a_follower_that_resumes_gets_only_later_events() -> None:
    async with open_all() as (stage, coordinator, hand, news):
        message = await start(coordinator, hand)
        follower = Follower(stage, news, message.job_id, after=4)
        await hand.report(report_of(message, 1))
        assert await follower.end() == ["RUNNING", "COMPLETED", "COMPLETED"]


@virtual
async def test_a_job_that_has_ended_is_followed_from_its_beginning_at_once() -> None:
    async with open_all() as (stage, coordinator, hand, news):
        message = await start(coordinator, hand)
        await hand.print(part(message, 1, "one"))
        await hand.report(report_of(message, 1, log_parts=1))
        await hand.until(lambda hand: hand.settled)
        await stage.until(lambda: stage.store.log(message.job_id, None, 0, 10))
        seen = await Follower(stage, news, message.job_id).end(within=0.1)
        assert seen.index("one") < seen.index("COMPLETED")
        await wait_for_end(news, MemoryDatastore(stage.store), message.job_id)


@virtual
async def test_a_follower_of_a_cancelled_job_ends() -> None:
    async with open_all() as (stage, coordinator, hand, news):
        message = await start(coordinator, hand)
        follower = Follower(stage, news, message.job_id)
        await coordinator.cancel(message.job_id)
        assert (await follower.end(within=1))[-1] == "CANCELLED"


@virtual
async def test_a_log_longer_than_one_page_comes_whole() -> None:
    async with open_all() as (stage, coordinator, hand, news):
        message = await start(coordinator, hand)
        count = 2500
        await hand.print(*(part(message, n + 1, f"{n};") for n in range(count)))
        await hand.report(report_of(message, 1, log_parts=count))
        follower = Follower(stage, news, message.job_id)
        await follower.end()
        text = "".join(item.contents for item in follower.items if isinstance(item, LogPart))
        assert text == "".join(f"{n};" for n in range(count))


@virtual
async def test_a_job_of_more_events_than_one_page_is_followed_to_its_end() -> None:
    async with open_all() as (stage, coordinator, hand, news):
        accepted = await coordinator.submit(job(*["true"] * 400))
        follower = Follower(stage, news, accepted.job_id)
        for number in range(400):
            [message] = await hand.take()
            await hand.report(report_of(message, number))
        seen = await follower.end()
        assert seen.count("COMPLETED") == 401
        numbers = [item.number for item in follower.items if isinstance(item, Event)]
        assert numbers == list(range(1, len(numbers) + 1))


@virtual
async def test_waiting_ends_with_the_job_and_not_before() -> None:
    async with open_all() as (stage, coordinator, hand, news):
        retry = TaskSpec(run="x", retry=RetrySpec(limit=1))
        accepted = await coordinator.submit(job(retry))
        waiter = asyncio.create_task(
            wait_for_end(news, MemoryDatastore(stage.store), accepted.job_id)
        )
        [first] = await hand.take()
        await hand.report(report_of(first, 1, error="no"))
        [second] = await hand.take()
        await asyncio.sleep(60)
        assert not waiter.done()
        await hand.report(report_of(second, 2))
        async with asyncio.timeout(0.5):
            await waiter


@virtual
async def test_who_waits_for_long_looks_ever_more_seldom_and_hears_of_the_end_at_once() -> None:
    async with open_all() as (stage, coordinator, hand, news):
        await coordinator.submit(job("true"))
        [message] = await hand.take()
        datastore = FailingDatastore(stage.store)
        waiter = asyncio.create_task(wait_for_end(news, datastore, message.job_id))
        await asyncio.sleep(600)
        assert 50 <= datastore.loads <= 70
        await hand.report(report_of(message, 1))
        async with asyncio.timeout(0.5):
            await waiter


@virtual
async def test_waiting_for_an_unknown_job_is_an_error() -> None:
    async with open_all() as (stage, _, __, news):
        with pytest.raises(NotFound):
            await wait_for_end(news, MemoryDatastore(stage.store), "0" * 32)


@virtual
async def test_a_follower_that_resumes_after_the_last_event_ends_at_once() -> None:
    async with open_all() as (stage, coordinator, hand, news):
        message = await start(coordinator, hand)
        await hand.report(report_of(message, 1))
        await hand.until(lambda hand: hand.settled)
        assert await Follower(stage, news, message.job_id, after=7).end(within=0.1) == []


@virtual
async def test_following_an_unknown_job_is_an_error() -> None:
    async with open_all() as (stage, _, __, news):
        with pytest.raises(NotFound):
            await Follower(stage, news, "0" * 32).end(within=0.1)
