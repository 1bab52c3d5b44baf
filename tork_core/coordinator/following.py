"""Following a job: its events and its log, live and complete.

News come by the topic ``events``; what they are about is read from the datastore. So a follower
misses nothing when news are lost: it looks again every :data:`FALLBACK` seconds.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Generator
from contextlib import contextmanager

import msgspec
import structlog

from tork_core.errors import NotFound
from tork_core.interfaces.broker import Broker
from tork_core.interfaces.datastore import Datastore
from tork_core.model.job import Event, JobId, LogPart, TaskId
from tork_core.model.messages import EVENTS, Notice, Undecodable, decoder
from tork_core.model.states import ENDED_JOB

_log = structlog.get_logger()
_decode = decoder(Notice)

FALLBACK = 2.0
"""Seconds after which a follower looks for itself."""

LONGEST_FALLBACK = 10.0
"""Seconds after which, in the end, who waits for a job's end looks: thousands may wait for long."""

LOG_PATIENCE = 10.0
"""Seconds that the end of a task is held back for the rest of its log."""

_ENDED = frozenset(state.value for state in ENDED_JOB)


class MissingLog(msgspec.Struct, frozen=True):
    """Some parts of an attempt's log did not come in time."""

    task_id: TaskId
    attempt: int
    parts: int


class Watch:
    """Wakes up when there is news of one job."""

    def __init__(self) -> None:
        self._news = asyncio.Event()
        self._end = asyncio.Event()

    def ring(self, *, ended: bool) -> None:
        """There is news."""
        self._news.set()
        if ended:
            self._end.set()

    async def wait(self, seconds: float) -> bool:
        """Wait for news since the last wait, at most so long; whether there was any."""
        await _wait(self._news, seconds)
        rang = self._news.is_set()
        self._news.clear()
        return rang

    async def end(self, seconds: float) -> None:
        """Wait for the news that the job has ended, at most so long."""
        await _wait(self._end, seconds)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(seconds):
            await event.wait()
    except TimeoutError:
        pass


class News:
    """One observer of the topic ``events`` for everyone in this process who follows a job."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._watches: dict[JobId, list[Watch]] = {}

    async def run(self) -> None:
        """Pass news on until the observer is gone (Unavailable) or the loop is cancelled."""
        async with self._broker.observe([EVENTS]) as observer:
            while True:
                for delivery in await observer.batch(200):
                    try:
                        self._pass_on(_decode(delivery.body))
                    except Undecodable as error:
                        _log.error("message.undecodable", queue=EVENTS, error=str(error))

    @contextmanager
    def watch(self, job_id: JobId) -> Generator[Watch]:
        """Be told of one job."""
        watch = Watch()
        self._watches.setdefault(job_id, []).append(watch)
        try:
            yield watch
        finally:
            rest = [other for other in self._watches[job_id] if other is not watch]
            if rest:
                self._watches[job_id] = rest
            else:
                del self._watches[job_id]

    def _pass_on(self, news: Notice) -> None:
        if not self._watches:
            return
        for ended, jobs in ((False, news.jobs), (True, news.ended), (False, news.logs)):
            for job_id in jobs:
                for watch in self._watches.get(job_id, ()):
                    watch.ring(ended=ended)


async def wait_for_end(news: News, datastore: Datastore, job_id: JobId) -> None:
    """Return when the job has ended; raises NotFound if there is none of this id."""
    patience = FALLBACK
    with news.watch(job_id) as watch:
        while True:
            view = (await datastore.load({job_id: ()})).views.get(job_id)
            if view is None:
                raise NotFound(f"there is no job {job_id}")
            if view.job.state.ended:
                return
            await watch.end(patience)
            patience = min(2 * patience, LONGEST_FALLBACK)


async def follow(
    news: News, datastore: Datastore, job_id: JobId, *, after: int = 0
) -> AsyncGenerator[Event | LogPart | MissingLog]:
    """Yield a job's events numbered above ``after`` and its log parts, until the job has ended.

    The parts of an attempt come before the event of its end. Parts that do not come within 10 s
    after it are told of by MissingLog. Raises NotFound if there is no job of this id.
    """
    clock = asyncio.get_running_loop().time
    received: dict[tuple[TaskId, int], int] = {}
    pending: list[Event] = []
    cursor = 0
    held_since: float | None = None
    rang = False
    with news.watch(job_id) as watch:
        while True:
            new_events = await datastore.events(job_id, after=after)
            parts = await datastore.log(job_id, after=cursor)
            for part in parts:
                key = (part.task_id, part.attempt)
                received[key] = received.get(key, 0) + 1
                cursor = max(cursor, part.cursor)
                yield part
            if new_events:
                after = new_events[-1].number
                pending += new_events
            while pending:
                event = pending[0]
                lacks = _lacking(event, received)
                if lacks:
                    held_since = held_since or clock()
                    if clock() - held_since < LOG_PATIENCE:
                        break
                    yield MissingLog(event.task_id or "", event.attempt, lacks)
                held_since = None
                yield pending.pop(0)
                if event.task_id is None and event.state in _ENDED:
                    return
            if new_events or parts:
                continue
            if not rang and not pending and await _is_over(datastore, job_id, after):
                return
            rang = await watch.wait(FALLBACK)


async def _is_over(datastore: Datastore, job_id: JobId, after: int) -> bool:
    """Whether a job has ended, with an event that its follower has had already."""
    view = (await datastore.load({job_id: ()})).views.get(job_id)
    if view is None:
        raise NotFound(f"there is no job {job_id}")
    return view.job.state.ended and after >= view.job.events


def _lacking(event: Event, received: dict[tuple[TaskId, int], int]) -> int:
    if event.task_id is None or event.log_parts is None:
        return 0
    return max(0, event.log_parts - received.get((event.task_id, event.attempt), 0))
