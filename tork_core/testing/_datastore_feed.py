"""Promises about the feed of all events, and about marks: nothing is missed, nothing goes back."""

from __future__ import annotations

import asyncio

from tork_core.interfaces.datastore import Datastore, FeedItem, JobChange
from tork_core.model.job import Event, JobId
from tork_core.testing._datastore_base import (
    DatastoreSuite,
    event,
    new_job,
    next_change,
    unique,
)
from tork_core.testing.waiting import eventually


class FeedPromises(DatastoreSuite):
    """See ``feed``."""

    async def fed(self, datastore: Datastore, count: int, *, after: int = 0) -> list[FeedItem]:
        """Read the feed when it has so many items, and no more."""
        items = await eventually(
            lambda: datastore.feed(after, 1000),
            lambda items: len(items) >= count,
            within=self.patience,
        )
        assert len(items) == count
        return items

    async def told(self, datastore: Datastore, job_id: JobId, *numbers: int) -> list[Event]:
        """Commit events of a job, which is new if the first number is 1."""
        if numbers[0] == 1:
            change = new_job(await self.now(datastore), {}, id=job_id)
        else:
            change = next_change(await self.view(datastore, job_id))
        add_events(change, *numbers)
        await self.write(datastore, change)
        return change.events

    async def test_the_feed_has_the_events_of_all_jobs_in_the_order_of_their_commits(
        self, datastore: Datastore, second: Datastore
    ) -> None:
        assert await datastore.feed(0, 10) == []
        one, two = unique("job"), unique("job")
        written = await self.told(datastore, two, 1, 2)
        written += await self.told(second, one, 1)
        written += await self.told(datastore, one, 2, 3)
        await self.submit(datastore, {})
        written += await self.told(second, two, 3)
        for connection in (datastore, second):
            assert [item.event for item in await self.fed(connection, 6)] == written

    async def test_feed_positions_grow_and_pages_meet(self, datastore: Datastore) -> None:
        for _ in range(4):
            await self.told(datastore, unique("job"), 1, 2, 3)
        whole = await self.fed(datastore, 12)
        positions = [item.position for item in whole]
        assert positions == sorted(set(positions))
        assert positions[0] > 0
        for limit in (1, 2, 5, 12):
            pages: list[FeedItem] = []
            while page := await datastore.feed(pages[-1].position if pages else 0, limit):
                assert len(page) <= limit
                pages += page
            assert pages == whole
        assert await datastore.feed(positions[-1] + 1000, 10) == []

    async def test_events_keep_their_positions(
        self, datastore: Datastore, second: Datastore
    ) -> None:
        one, two = unique("job"), unique("job")
        await self.told(datastore, one, 1, 2)
        await self.told(datastore, two, 1)
        first = await self.fed(datastore, 3)
        await self.told(datastore, one, 3)
        await self.told(second, two, 2, 3)
        assert (await self.fed(second, 6))[:3] == first

    async def test_what_was_not_committed_is_not_in_the_feed(self, datastore: Datastore) -> None:
        job_id = unique("job")
        written = await self.told(datastore, job_id, 1)
        stale = next_change(await self.view(datastore, job_id))
        add_events(stale, 2, 3)
        written += await self.told(datastore, job_id, 2)
        assert (await datastore.commit([stale])).conflicts == {job_id}
        written += await self.told(datastore, unique("job"), 1)
        assert [item.event for item in await self.fed(datastore, 3)] == written

    async def test_a_reader_of_the_feed_that_goes_on_misses_nothing(
        self, datastore: Datastore, second: Datastore
    ) -> None:
        """However commits run side by side, and whoever reads between them."""

        async def work(connection: Datastore, jobs: list[JobId]) -> None:
            for number in range(1, 21, 2):
                changes: list[JobChange] = []
                now = await self.now(connection)
                views = (await connection.load(dict.fromkeys(jobs, ()))).views
                for job_id in jobs:
                    view = views.get(job_id)
                    changes.append(next_change(view) if view else new_job(now, {}, id=job_id))
                    add_events(changes[-1], number, number + 1)
                await self.write(connection, *changes)

        async def read(after: int) -> int:
            items = await datastore.feed(after, 7)
            for item in items:
                assert item.position > after
                after = item.position
                seen.setdefault(item.event.job_id, []).append(item.event.number)
            return after

        seen: dict[JobId, list[int]] = {}
        groups = [[unique("job") for _ in range(3)] for _ in range(6)]
        async with asyncio.TaskGroup() as tasks:
            workers = [
                tasks.create_task(work((datastore, second)[number % 2], jobs))
                for number, jobs in enumerate(groups)
            ]
            position = 0
            while not all(worker.done() for worker in workers):
                position = await read(position)
                await asyncio.sleep(0)

        async def all_read() -> int:
            nonlocal position
            position = await read(position)
            return sum(map(len, seen.values()))

        await eventually(all_read, lambda count: count >= 6 * 3 * 20, within=self.patience)
        numbers = list(range(1, 21))
        assert seen == {job_id: numbers for jobs in groups for job_id in jobs}


class MarkPromises(DatastoreSuite):
    """See ``mark`` and ``move_mark``."""

    async def test_a_mark_is_where_it_was_moved(
        self, datastore: Datastore, second: Datastore
    ) -> None:
        name, other = unique("mark"), unique("mark")
        assert await datastore.mark(name) == 0
        await datastore.move_mark(name, 3)
        await second.move_mark(other, 2**53)
        await datastore.move_mark(name, 5)
        for connection in (datastore, second):
            assert await connection.mark(name) == 5
            assert await connection.mark(other) == 2**53
        assert await datastore.mark(unique("mark")) == 0

    async def test_a_mark_never_moves_back(self, datastore: Datastore, second: Datastore) -> None:
        name = unique("mark")
        await datastore.move_mark(name, 7)
        await second.move_mark(name, 6)
        assert await datastore.mark(name) == 7
        await datastore.move_mark(name, 7)
        await datastore.move_mark(name, 0)
        assert await second.mark(name) == 7

    async def test_of_moves_at_once_the_farthest_counts(
        self, datastore: Datastore, second: Datastore
    ) -> None:
        name = unique("mark")
        positions = [*range(20, 41), *range(1, 20)]
        await asyncio.gather(
            *(
                connection.move_mark(name, 2 * position + number)
                for position in positions
                for number, connection in enumerate((datastore, second))
            )
        )
        assert await datastore.mark(name) == 81
        assert await second.mark(name) == 81


def add_events(change: JobChange, *numbers: int) -> None:
    """Add events with these numbers to a change of a job."""
    change.events = [event(change.job.id, number, change.at) for number in numbers]
