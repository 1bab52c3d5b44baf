"""Log parts: each stored once, read by cursor, bounded in all."""

from __future__ import annotations

from bisect import bisect_right
from collections import OrderedDict
from datetime import datetime
from operator import attrgetter

import msgspec

from tork_core.model.job import JobId, LogPart, TaskId

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(LogPart).decode

OVERHEAD = 200
"""About how many bytes of memory a part takes beside its encoded form."""


class _Part:
    """A stored part."""

    __slots__ = ("cursor", "row", "task_id")

    def __init__(self, cursor: int, task_id: TaskId, row: bytes) -> None:
        self.cursor = cursor
        self.task_id = task_id
        self.row = row

    @property
    def size(self) -> int:
        return len(self.row) + OVERHEAD


_cursor_of = attrgetter("cursor")


class _Seen:
    """Which numbers of an attempt's parts have come: all up to one, and some beyond it."""

    __slots__ = ("_all_to", "_beyond")

    def __init__(self) -> None:
        self._all_to = 0
        self._beyond: set[int] = set()

    def add(self, number: int) -> bool:
        """Remember a number; False if it had come before."""
        if number <= self._all_to or number in self._beyond:
            return False
        self._beyond.add(number)
        while self._all_to + 1 in self._beyond:
            self._all_to += 1
            self._beyond.remove(self._all_to)
        return True


class _JobLog:
    """The log of one job, in the order in which its parts came."""

    def __init__(self) -> None:
        self.size = 0
        self.parts: list[_Part] = []
        self._by_task: dict[TaskId, list[_Part]] = {}
        self._seen: dict[tuple[TaskId, int], _Seen] = {}
        self._cursor = 0

    def add(self, part: LogPart, now: datetime) -> int:
        """Store a part unless it was stored before; return by how much the log has grown."""
        name = part.task_id, part.attempt
        seen = self._seen.get(name)
        if seen is None:
            seen = self._seen[name] = _Seen()
        if not seen.add(part.number):
            return 0
        self._cursor += 1
        row = _encode(msgspec.structs.replace(part, created_at=now, cursor=self._cursor))
        stored = _Part(self._cursor, part.task_id, row)
        self.parts.append(stored)
        self._by_task.setdefault(part.task_id, []).append(stored)
        self.size += stored.size
        return stored.size

    def read(self, task_id: TaskId | None, after: int, limit: int) -> list[LogPart]:
        """Return parts with cursors above ``after``."""
        parts = self.parts if task_id is None else self._by_task.get(task_id, [])
        start = bisect_right(parts, after, key=_cursor_of)
        return [_decode(part.row) for part in parts[start : start + limit]]

    def page(
        self, task_id: TaskId | None, until: int | None, offset: int, limit: int
    ) -> tuple[int, list[LogPart]]:
        """Return how many parts there are up to a cursor, and some of them, the newest first."""
        parts = self.parts if task_id is None else self._by_task.get(task_id, [])
        total = len(parts) if until is None else bisect_right(parts, until, key=_cursor_of)
        stop = max(0, total - offset)
        found = parts[max(0, stop - limit) : stop]
        return total, [_decode(part.row) for part in reversed(found)]

    def shed(self, down_to: int) -> int:
        """Drop the oldest parts, at least one; return by how much the log has shrunk."""
        before, dropped = self.size, 0
        while dropped < len(self.parts) and (not dropped or self.size > down_to):
            self.size -= self.parts[dropped].size
            dropped += 1
        del self.parts[:dropped]
        self._by_task = {}
        for part in self.parts:
            self._by_task.setdefault(part.task_id, []).append(part)
        return before - self.size


class LogBook:
    """The logs of all jobs, within a bound.

    Over it, the logs of ended jobs go, those that ended first before others; where that is not
    enough, the largest log of an active job loses the older half of itself. The numbers of the
    parts that came are kept: a dropped part that is sent again does not come back.
    """

    def __init__(self, kept_bytes: int) -> None:
        self.size = 0
        self._kept_bytes = kept_bytes
        self._logs: dict[JobId, _JobLog] = {}
        self._ended: OrderedDict[JobId, None] = OrderedDict()

    def __len__(self) -> int:
        return len(self._logs)

    def append(self, part: LogPart, now: datetime, *, ended: bool) -> None:
        """Store a part of a job that exists."""
        log = self._logs.get(part.job_id)
        if log is None:
            log = self._logs[part.job_id] = _JobLog()
        self.size += log.add(part, now)
        if ended:
            self._ended.setdefault(part.job_id)
        if self.size > self._kept_bytes:
            self._shrink()

    def read(self, job_id: JobId, task_id: TaskId | None, after: int, limit: int) -> list[LogPart]:
        """Return parts of a job with cursors above ``after``."""
        log = self._logs.get(job_id)
        return log.read(task_id, after, limit) if log else []

    def page(
        self, job_id: JobId, task_id: TaskId | None, until: int | None, offset: int, limit: int
    ) -> tuple[int, list[LogPart]]:
        """Return how many parts a job has up to a cursor, and some of them, the newest first."""
        log = self._logs.get(job_id)
        return log.page(task_id, until, offset, limit) if log else (0, [])

    def end(self, job_id: JobId) -> None:
        """The job has ended: its log may go when room is needed."""
        if job_id in self._logs:
            self._ended.setdefault(job_id)

    def revive(self, job_id: JobId) -> None:
        """The job goes on after all."""
        self._ended.pop(job_id, None)

    def delete(self, job_id: JobId) -> None:
        """Forget all of a job."""
        log = self._logs.pop(job_id, None)
        self._ended.pop(job_id, None)
        if log is not None:
            self.size -= log.size

    def _shrink(self) -> None:
        while self.size > self._kept_bytes and self._ended:
            job_id, _ = self._ended.popitem(last=False)
            self.size -= self._logs[job_id].shed(0) if self._logs[job_id].parts else 0
        while self.size > self._kept_bytes:
            largest = max(self._logs.values(), key=attrgetter("size"))
            self.size -= largest.shed(largest.size // 2)
