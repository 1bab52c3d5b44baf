"""The events of all jobs in the order of their commits, and how far readers have come."""

from __future__ import annotations

from bisect import bisect_right
from operator import itemgetter

from tork_core.interfaces.datastore import FeedItem
from tork_memory.rows import decode_event

Rows = list[tuple[int, bytes]]

SLACK = 64
"""How many events of deleted jobs the feed may point to beside a quarter of the others' number."""


class Feed:
    """Points, for each commit, to where its events stand in the list of their job.

    The events of a deleted job go with their list. What pointed to them is passed over, and
    thrown out once it is more than a quarter of the rest.
    """

    def __init__(self) -> None:
        self._commits: list[tuple[int, Rows, int, int]] = []
        """The position of a commit's last event; a job's events; which of them it wrote."""
        self._last = 0
        self._events = 0
        self._gone = 0

    def __len__(self) -> int:
        """How many events can be read."""
        return self._events - self._gone

    @property
    def entries(self) -> int:
        """How many commits are pointed to, those of deleted jobs too."""
        return len(self._commits)

    def add(self, rows: Rows, count: int) -> None:
        """A commit has put ``count`` events at the end of a job's."""
        stop = len(rows)
        self._last += count
        self._events += count
        self._commits.append((self._last, rows, stop - count, stop))

    def forget(self, rows: Rows) -> None:
        """A job is deleted: empty the list of its events."""
        self._gone += len(rows)
        rows.clear()
        if self._gone > len(self) // 4 + SLACK:
            self._commits = [commit for commit in self._commits if commit[1]]
            self._events -= self._gone
            self._gone = 0

    def read(self, after: int, limit: int) -> list[FeedItem]:
        """Decode events with positions above ``after``."""
        found: list[FeedItem] = []
        index = bisect_right(self._commits, after, key=itemgetter(0))
        while index < len(self._commits) and len(found) < limit:
            last, rows, start, stop = self._commits[index]
            offset = last - stop + 1
            for place in range(max(start, after + 1 - offset), stop if rows else start):
                if len(found) < limit:
                    found.append(FeedItem(offset + place, decode_event(rows[place][1])))
            index += 1
        return found


class Marks:
    """Positions by name, each the highest it was moved to."""

    def __init__(self) -> None:
        self._positions: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._positions)

    def get(self, name: str) -> int:
        """Return a mark; 0 if it was never moved."""
        return self._positions.get(name, 0)

    def move(self, name: str, position: int) -> None:
        """Move a mark on, never back."""
        if position > self.get(name):
            self._positions[name] = position
