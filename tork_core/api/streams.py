"""Server-sent events: a job's events and log, live and resumable; and what passes through queues.

Each message's id about a job says how far both have come (``EVENT-PART``), so that a reader that
comes back with ``Last-Event-ID`` goes on where it was. When the job has ended, so does the stream;
coming back after that is answered 204, which tells browsers to stay away. What passes through
queues is not kept: it is seen by who is there.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from datetime import UTC, datetime
from typing import TypeVar

import msgspec
from aiohttp import hdrs, web

from tork_core.api.failures import NAME, REQUEST_ID, Refusal
from tork_core.api.passing import passed_answers
from tork_core.api.service import JobService
from tork_core.coordinator.following import MissingLog
from tork_core.errors import NotFound, Unavailable
from tork_core.model.job import Event, JobId, LogPart
from tork_core.model.listings import PassedAnswer
from tork_core.observing import Observation

KEEP_ALIVE = 15.0
"""Seconds of silence after which a comment shows that the connection lives."""

_LAST_ID = re.compile("([0-9]{1,15})-([0-9]{1,15})")

_Item = Event | LogPart | MissingLog

T = TypeVar("T")


class _Missing(msgspec.Struct, rename="camel"):
    task_id: str
    attempt: int
    parts: int


def wants_stream(request: web.BaseRequest) -> bool:
    """Whether the client asks for a stream rather than a list."""
    return "text/event-stream" in request.headers.get(hdrs.ACCEPT, "").lower()


class Streams:
    """All open streams of a server; closing it ends them."""

    def __init__(self, service: JobService, *, keep_alive: float = KEEP_ALIVE) -> None:
        self._service = service
        self._keep_alive = keep_alive
        self._closing = asyncio.Event()

    def close(self) -> None:
        """End all streams, and those that are asked for from now on; readers resume elsewhere."""
        self._closing.set()

    async def follow(self, request: web.BaseRequest, job_id: JobId) -> web.StreamResponse:
        """Answer with a job's events and log until it has ended."""
        event, part = _position(request)
        async with aclosing(self._service.follow(job_id, after=event, after_part=part)) as items:
            first = asyncio.ensure_future(anext(items, None))
            try:
                # An unknown job is found out before anything is sent.
                await asyncio.wait([first], timeout=1.0)
                if first.done() and first.result() is None:
                    return web.Response(status=204)
                response = await _begin(request)
                if request.method != hdrs.METH_HEAD:
                    await self._send(response, job_id, items, first, (event, part))
            finally:
                await _give_up(first)
        return response

    async def watch(self, request: web.BaseRequest, queues: Sequence[str]) -> web.StreamResponse:
        """Answer with what passes through queues from now on, until the reader or the server goes.

        Entering has begun the observation, so nothing that follows the first comment is missed.
        """
        async with self._service.observe(queues) as observation:
            response = await _begin(request)
            if request.method != hdrs.METH_HEAD:
                await self._watch(response, observation)
        return response

    async def _watch(self, response: web.StreamResponse, observation: Observation) -> None:
        closing = asyncio.ensure_future(self._closing.wait())
        upcoming = asyncio.ensure_future(observation.batch())
        try:
            await response.write(b": watching\n\n")
            while not closing.done():
                await asyncio.wait(
                    [upcoming, closing],
                    timeout=self._keep_alive,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if upcoming.done():
                    shown = passed_answers(upcoming.result(), datetime.now(UTC))
                    await response.write(b"".join(map(_passed, shown)))
                    upcoming = asyncio.ensure_future(observation.batch())
                elif not closing.done():
                    await response.write(b": still here\n\n")
        except (Unavailable, ConnectionError):
            return
        finally:
            closing.cancel()
            await _give_up(upcoming)

    async def _send(
        self,
        response: web.StreamResponse,
        job_id: JobId,
        items: AsyncIterator[_Item],
        upcoming: asyncio.Future[_Item | None],
        position: tuple[int, int],
    ) -> None:
        closing = asyncio.ensure_future(self._closing.wait())
        try:
            while not closing.done():
                await asyncio.wait(
                    [upcoming, closing],
                    timeout=self._keep_alive,
                    return_when=asyncio.FIRST_COMPLETED,
                )
                if not upcoming.done():
                    if not closing.done():
                        await response.write(b": still here\n\n")
                        await self._service.check(job_id)  # It may be kept no more.
                    continue
                item = upcoming.result()
                if item is None:
                    return
                position = _moved(position, item)
                await response.write(_message(item, position))
                upcoming = asyncio.ensure_future(anext(items, None))
        except (NotFound, Unavailable, ConnectionError):
            return
        finally:
            closing.cancel()
            await _give_up(upcoming)


async def _give_up(step: asyncio.Future[T]) -> None:
    """Stop waiting for what comes next: only then may what gives it be closed."""
    step.cancel()
    await asyncio.wait([step])
    if not step.cancelled():
        step.exception()  # seen: nobody is there to be told


async def _begin(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse(
        headers={
            hdrs.CONTENT_TYPE: "text/event-stream; charset=utf-8",
            hdrs.CACHE_CONTROL: "no-store",
            "X-Accel-Buffering": "no",
            REQUEST_ID: request[NAME],
        }
    )
    await response.prepare(request)
    return response


def _passed(item: PassedAnswer) -> bytes:
    return b"event: passed\ndata: %s\n\n" % msgspec.json.encode(item)


def _position(request: web.BaseRequest) -> tuple[int, int]:
    given = request.headers.get("Last-Event-ID", "").strip()
    if not given:
        return 0, 0
    match = _LAST_ID.fullmatch(given)
    if match is None:
        raise Refusal(400, "this Last-Event-ID is none of this server's; leave it out")
    return int(match[1]), int(match[2])


def _moved(position: tuple[int, int], item: _Item) -> tuple[int, int]:
    event, part = position
    if isinstance(item, Event):
        return item.number, part
    if isinstance(item, LogPart):
        return event, max(part, item.cursor)
    return position


def _message(item: _Item, position: tuple[int, int]) -> bytes:
    if isinstance(item, Event):
        kind, data = b"event", msgspec.json.encode(item)
    elif isinstance(item, LogPart):
        kind, data = b"log", msgspec.json.encode(item)
    else:
        missing = _Missing(item.task_id, item.attempt, item.parts)
        kind, data = b"missing", msgspec.json.encode(missing)
    return b"event: %s\nid: %d-%d\ndata: %s\n\n" % (kind, *position, data)
