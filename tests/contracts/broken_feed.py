"""Datastores that lose, double or reorder events in the feed, or keep marks wrongly."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from flawed_datastore import FlawedDatastore, caught_by
from tork_memory.feed import Feed, Marks, Rows

from tork_core.interfaces.datastore import Committed, FeedItem, JobChange

IN_ORDER = "test_the_feed_has_the_events_of_all_jobs_in_the_order_of_their_commits"
PAGES = "test_feed_positions_grow_and_pages_meet"
KEPT = "test_events_keep_their_positions"
COMMITTED = "test_what_was_not_committed_is_not_in_the_feed"
GOES_ON = "test_a_reader_of_the_feed_that_goes_on_misses_nothing"


@caught_by(IN_ORDER)
class FeedsNewJobsOnly(FlawedDatastore):
    async def feed(self, after: int, limit: int) -> list[FeedItem]:
        return [item for item in await super().feed(after, limit) if item.event.number == 1]


@caught_by(IN_ORDER)
class FeedsTheFirstEventOfACommit(Feed):
    def add(self, rows: Rows, count: int) -> None:
        super().add(rows[: len(rows) - count + 1], 1)


class GathersItems(FlawedDatastore):
    """Reads everything, gives it positions of its own, and cuts out what was asked for."""

    def number(self, items: list[FeedItem]) -> list[FeedItem]:
        """Give positions."""
        raise NotImplementedError

    async def feed(self, after: int, limit: int) -> list[FeedItem]:
        items = self.number(await super().feed(0, 1_000_000))
        return [item for item in items if item.position > after][:limit]


@caught_by(IN_ORDER, KEPT)
class FeedsJobByJob(GathersItems):
    def number(self, items: list[FeedItem]) -> list[FeedItem]:
        items.sort(key=lambda item: (item.event.job_id, item.event.number))
        return [FeedItem(place, item.event) for place, item in enumerate(items, 1)]


@caught_by(KEPT)
class CountsFromTheNewest(GathersItems):
    def number(self, items: list[FeedItem]) -> list[FeedItem]:
        return [FeedItem(1000 - len(items) + place, i.event) for place, i in enumerate(items)]


@caught_by(PAGES)
class PositionsAreThoseOfCommits(GathersItems):
    def number(self, items: list[FeedItem]) -> list[FeedItem]:
        return [FeedItem((item.position + 2) // 3, item.event) for item in items]


@caught_by(PAGES)
class CountsFromNought(GathersItems):
    def number(self, items: list[FeedItem]) -> list[FeedItem]:
        return [FeedItem(item.position - 1, item.event) for item in items]


@caught_by(PAGES)
class ReadsWholeCommits(FlawedDatastore):
    async def feed(self, after: int, limit: int) -> list[FeedItem]:
        return await super().feed(after, (limit + 2) // 3 * 3)


@caught_by(PAGES)
class ReadsTheLastItemAgain(FlawedDatastore):
    async def feed(self, after: int, limit: int) -> list[FeedItem]:
        items = await super().feed(max(after - 1, 0), limit)
        return [] if items and items[-1].position == after else items


@caught_by(COMMITTED)
class FeedsConflicts(FlawedDatastore):
    async def commit(self, changes: Sequence[JobChange]) -> Committed:
        committed = await super().commit(changes)
        for change in changes:
            if change.job.id in committed.conflicts:
                entry = self.entry(change.job.id)
                assert entry is not None
                self._shared.feed.add(entry.events, 1)
        return committed


@caught_by(GOES_ON)
class DrawsPositionsBeforeTheCommit(FlawedDatastore):
    """As a column with a sequence does: what draws first may be visible last."""

    turns = 0

    async def commit(self, changes: Sequence[JobChange]) -> Committed:
        feed = self._shared.feed
        first = feed._last + 1
        feed._last += sum(len(change.events) for change in changes)
        DrawsPositionsBeforeTheCommit.turns += 1
        for _ in range(self.turns % 3):
            await asyncio.sleep(0)
        after, feed._last = feed._last, first - 1
        committed = await super().commit(changes)
        feed._last = max(after, feed._last)
        feed._commits.sort(key=lambda commit: commit[0])
        return committed


@caught_by(GOES_ON)
class LosesTheEndOfAFullPage(FlawedDatastore):
    async def feed(self, after: int, limit: int) -> list[FeedItem]:
        items = await super().feed(after, limit)
        if len(items) == limit > 2:
            items[-2:] = items[-1:]
        return items


@caught_by("test_a_mark_is_where_it_was_moved")
class KeepsOneMark(Marks):
    def get(self, name: str) -> int:
        return super().get("mark")

    def move(self, name: str, position: int) -> None:
        super().move("mark", position)


@caught_by("test_a_mark_is_where_it_was_moved")
class MarksAreOfTheConnection(FlawedDatastore):
    async def mark(self, name: str) -> int:
        return await super().mark(f"{id(self)} {name}")

    async def move_mark(self, name: str, position: int) -> None:
        await super().move_mark(f"{id(self)} {name}", position)


@caught_by("test_a_mark_is_where_it_was_moved")
class MovesOnce(Marks):
    def move(self, name: str, position: int) -> None:
        self._positions.setdefault(name, position)


@caught_by("test_a_mark_never_moves_back", "test_of_moves_at_once_the_farthest_counts")
class MovesBack(Marks):
    def move(self, name: str, position: int) -> None:
        self._positions[name] = position


@caught_by("test_of_moves_at_once_the_farthest_counts")
class ComparesBeforeItWrites(FlawedDatastore):
    async def move_mark(self, name: str, position: int) -> None:
        if position > await self.mark(name):
            await asyncio.sleep(0)
            self._shared.marks._positions[name] = position
