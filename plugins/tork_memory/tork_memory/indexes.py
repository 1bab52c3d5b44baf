"""What the sweeper asks for, kept ready: keys by time, and waiting tasks by queue and priority."""

from __future__ import annotations

from datetime import UTC, datetime
from heapq import heapify, heappop, heappush
from typing import Generic, TypeVar

from tork_core.interfaces.datastore import Waiting
from tork_core.model.job import JobId, TaskId

K = TypeVar("K", JobId, "TaskKey")
TaskKey = tuple[JobId, TaskId]

FAR = datetime.max.replace(tzinfo=UTC)
SLACK = 64
"""How many outdated entries a heap may hold beside as many as it has valid ones."""


class TimeIndex(Generic[K]):
    """Keys, each with a time, the earliest first; equal times in the order of the keys.

    A heap whose outdated entries are skipped when they come up, and thrown out when they
    outnumber the others. Finding the first ``n`` costs the same however many follow.
    """

    def __init__(self) -> None:
        self._times: dict[K, datetime] = {}
        self._heap: list[tuple[datetime, K]] = []

    def __len__(self) -> int:
        return len(self._times)

    @property
    def entries(self) -> int:
        """How many entries are held, outdated ones too."""
        return len(self._heap)

    def set(self, key: K, when: datetime) -> None:
        """Give a key its time, in the place of the one it had."""
        if self._times.get(key) != when:
            self._times[key] = when
            heappush(self._heap, (when, key))
            self._tidy()

    def discard(self, key: K) -> None:
        """Take a key out if it is there."""
        if self._times.pop(key, None) is not None:
            self._tidy()

    def until(self, when: datetime, limit: int) -> list[K]:
        """Return the first ``limit`` keys with times up to ``when``."""
        heap, times = self._heap, self._times
        found: dict[K, datetime] = {}
        while heap and len(found) < limit and heap[0][0] <= when:
            time, key = heappop(heap)
            if times.get(key) == time:
                found[key] = time
        for key, time in found.items():
            heappush(heap, (time, key))
        return list(found)

    def _tidy(self) -> None:
        if len(self._heap) > 2 * len(self._times) + SLACK:
            self._heap = [(time, key) for key, time in self._times.items()]
            heapify(self._heap)


class Lane:
    """The SCHEDULED tasks of one queue and priority that have a due time.

    A task moves from ``_later`` (by due time) to ``_ripe`` (by the time it was published) once it
    is seen to be due, so looking costs what has become due since, not what waits. Should the clock
    go back, those that are due no more move back when they come up.
    """

    def __init__(self) -> None:
        self.newest_claimed: datetime | None = None
        self._times: dict[TaskKey, tuple[datetime, datetime]] = {}
        self._later: TimeIndex[TaskKey] = TimeIndex()
        self._ripe: TimeIndex[TaskKey] = TimeIndex()

    def __len__(self) -> int:
        return len(self._times)

    @property
    def entries(self) -> int:
        """How many index entries are held, outdated ones too."""
        return self._later.entries + self._ripe.entries

    def set(self, key: TaskKey, due: datetime, published: datetime) -> None:
        """Put a task in, or move it."""
        self._times[key] = due, published
        self._ripe.discard(key)
        self._later.set(key, due)

    def discard(self, key: TaskKey) -> None:
        """Take a task out if it is there."""
        if self._times.pop(key, None) is not None:
            self._later.discard(key)
            self._ripe.discard(key)

    def claimed(self, published: datetime) -> None:
        """Remember that a task published at this time was claimed."""
        if self.newest_claimed is None or self.newest_claimed < published:
            self.newest_claimed = published

    def waiting(self, queue: str, priority: int, now: datetime) -> Waiting | None:
        """Sum up the due ones, if there are any."""
        first = self.overdue(now, FAR, 1)
        if not first:
            return None
        return Waiting(
            queue=queue,
            priority=priority,
            oldest=self._times[first[0]][1],
            newest_claimed=self.newest_claimed,
        )

    def overdue(self, now: datetime, published: datetime, limit: int) -> list[TaskKey]:
        """Return the due ones that were published at or before a time, the oldest first."""
        self._ripen(now)
        while True:
            keys = self._ripe.until(published, limit)
            early = [key for key in keys if self._times[key][0] > now]
            if not early:
                return keys
            for key in early:
                self.set(key, *self._times[key])

    def _ripen(self, now: datetime) -> None:
        while keys := self._later.until(now, SLACK):
            for key in keys:
                self._later.discard(key)
                self._ripe.set(key, self._times[key][1])
