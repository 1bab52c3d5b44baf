"""Logs on their way: the text of all running tasks is sent in parts, many of them at a time."""

from __future__ import annotations

import asyncio
import codecs

from tork_core.interfaces.broker import Broker, Outgoing
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.middleware import LogFilter
from tork_core.model.job import LogPart
from tork_core.model.messages import LOGS, ClaimItem, LogParts, encode
from tork_core.supervision import retrying

PART_CHARACTERS = 32 * 1024
"""A part holds at most so much, and a task waits when that much of its log is not shipped yet."""

MESSAGE_CHARACTERS = 256 * 1024


_new_decoder = codecs.getincrementaldecoder("utf-8")


class TaskLog:
    """The log of one attempt: decodes, filters, numbers, and holds a flood back.

    Bytes are UTF-8, decoded over any cut; invalid ones become U+FFFD and NUL is dropped. After
    ``limit`` bytes the rest is read and thrown away, which a line at the end of the log says.
    """

    def __init__(
        self, item: ClaimItem, shipper: Shipper, text_filter: LogFilter | None, limit: int
    ) -> None:
        self._item = item
        self._shipper = shipper
        self._filter = text_filter
        self._room = limit
        self._limit = limit
        self._decoder: codecs.IncrementalDecoder | None = None
        self._text: list[str] = []
        self._size = 0
        self._parts = 0
        self._closed = False

    async def write(self, data: bytes) -> None:
        """Append bytes of the task; waits while too much of the log is not shipped yet."""
        if self._room < 0:
            return
        self._room -= len(data)
        if self._room < 0:
            data = data[: self._room]
        if self._decoder is None:
            self._decoder = _new_decoder("replace")
        self._append(self._decoder.decode(data, self._room < 0))
        if self._room < 0:
            if self._filter is not None:
                self._filter.flush()  # not shown: it may be the half of a secret
            self._append(f"\n[tork: the log is cut off here, after {self._limit} bytes]\n")
        if self._size >= PART_CHARACTERS:
            await self._shipper.ship(self)

    async def warn(self, text: str) -> None:
        """Append a line of the engine's own."""
        self._append(f"[tork: {text}]\n")

    def finish(self) -> None:
        """Append what was held back: what may have been the beginning of a character, or of what
        the filter replaces. Nothing follows."""
        if self._closed:
            return
        self._closed = True
        if self._decoder is not None:
            self._append(self._decoder.decode(b"", True))
        if self._filter is not None:
            self._keep(self._filter.flush())

    async def close(self) -> int:
        """Ship what is left; returns how many parts there were, all of them confirmed."""
        self.finish()
        if self._size:
            await self._shipper.ship(self)
        return self._parts

    def take(self) -> list[LogPart]:
        """The parts that are ready to be sent."""
        text = "".join(self._text)
        self._text.clear()
        self._size = 0
        parts: list[LogPart] = []
        for start in range(0, len(text), PART_CHARACTERS):
            self._parts += 1
            parts.append(
                LogPart(
                    job_id=self._item.job_id,
                    task_id=self._item.task_id,
                    attempt=self._item.attempt,
                    number=self._parts,
                    contents=text[start : start + PART_CHARACTERS],
                )
            )
        return parts

    def _append(self, text: str) -> None:
        if self._filter is not None:
            text = self._filter.feed(text)
        self._keep(text)

    def _keep(self, text: str) -> None:
        text = text.replace("\0", "")
        if text:
            self._text.append(text)
            self._size += len(text)
            self._shipper.has_text(self)


class Shipper:
    """Sends the logs of all attempts of a worker: live ones every ``interval`` seconds, full and
    closing ones at once."""

    def __init__(self, broker: Broker, environment: Environment, interval: float) -> None:
        self._broker = broker
        self._environment = environment
        self._interval = interval
        self._logs: dict[int, TaskLog] = {}
        self._shipped: asyncio.Future[None] | None = None
        self._some = asyncio.Event()
        self._urgent = asyncio.Event()

    def has_text(self, log: TaskLog) -> None:
        """Ship the log's text with the next round."""
        self._logs[id(log)] = log
        self._some.set()

    async def ship(self, log: TaskLog) -> None:
        """Ship the log's text at once; returns when the broker has it."""
        self._logs[id(log)] = log
        if self._shipped is None:
            self._shipped = asyncio.get_running_loop().create_future()
        shipped = self._shipped
        self._some.set()
        self._urgent.set()
        await asyncio.shield(shipped)

    async def run(self) -> None:
        """Ship until cancelled."""
        while True:
            await self._some.wait()
            if not self._urgent.is_set():
                await self._pause()
            logs = list(self._logs.values())
            shipped, self._shipped = self._shipped, None
            self._logs.clear()
            self._some.clear()
            self._urgent.clear()
            try:
                await self._publish([part for log in logs for part in log.take()])
            finally:
                if shipped is not None and not shipped.done():
                    shipped.set_result(None)

    async def _pause(self) -> None:
        try:
            async with asyncio.timeout(self._interval):
                await self._urgent.wait()
        except TimeoutError:
            pass

    async def _publish(self, parts: list[LogPart]) -> None:
        messages: list[Outgoing] = []
        batch: list[LogPart] = []
        size = 0
        for part in parts:
            if batch and size + len(part.contents) > MESSAGE_CHARACTERS:
                messages.append(Outgoing(LOGS, encode(LogParts(parts=batch))))
                batch, size = [], 0
            batch.append(part)
            size += len(part.contents)
        if batch:
            messages.append(Outgoing(LOGS, encode(LogParts(parts=batch))))
        await retrying("logs", lambda: self._broker.publish(messages), self._environment)
