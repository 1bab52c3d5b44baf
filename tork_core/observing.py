"""Copies of what passes through queues, for whoever wants to see what an engine does."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager

import msgspec

from tork_core.errors import UsageError
from tork_core.interfaces.broker import Broker, Consumer
from tork_core.model.messages import (
    COMPLETED,
    DEAD,
    ERROR,
    EVENTS,
    HEARTBEAT,
    JOBS,
    LOGS,
    NODE_QUEUE,
    PENDING,
    SEED_HEARTBEAT,
    STARTED,
    Claims,
    Heartbeat,
    Hint,
    LogParts,
    Message,
    Notice,
    Orders,
    Reports,
    TaskMessage,
    Undecodable,
    decoder,
)

BATCH = 200
"""Copies that are taken at once."""


class Passed(msgspec.Struct, frozen=True):
    """A copy of a message, and the queue that it passed through.

    ``message`` is None where ``body`` is none of the engine's messages, or of another version of
    it, and for the dead letters, which may hold anything.
    """

    queue: str
    message: Message | None
    body: bytes


class Observation:
    """An open observation: iterate over it, or take what is there in batches."""

    def __init__(self, consumer: Consumer) -> None:
        self._consumer = consumer

    async def batch(self) -> list[Passed]:
        """Wait for something to pass, then return it with what else is there.

        Raises Unavailable when the broker is gone.
        """
        found = await self._consumer.batch(BATCH)
        return [Passed(item.queue, _decoded(item.queue, item.body), item.body) for item in found]

    async def __aiter__(self) -> AsyncIterator[Passed]:
        while True:
            for passed in await self.batch():
                yield passed


@asynccontextmanager
async def observe(broker: Broker, queues: Sequence[str]) -> AsyncGenerator[Observation]:
    """Observe queues for as long as the context is open: all that passes from its entering on.

    Nothing is taken from the queues. Whoever reads too slowly loses the oldest copies.
    """
    if isinstance(queues, str) or not queues:
        raise UsageError('name the queues to observe in a list, such as ["jobs", "pending"]')
    async with broker.observe(list(queues)) as consumer:
        yield Observation(consumer)


_DECODERS: Mapping[str, Callable[[bytes], Message]] = {
    JOBS: decoder(Hint),
    PENDING: decoder(Hint),
    STARTED: decoder(Claims),
    COMPLETED: decoder(Reports),
    ERROR: decoder(Reports),
    HEARTBEAT: decoder(Heartbeat),
    SEED_HEARTBEAT: decoder(Heartbeat),
    LOGS: decoder(LogParts),
    EVENTS: decoder(Notice),
}
_decode_orders = decoder(Orders)
_decode_task = decoder(TaskMessage)


def _decoded(queue: str, body: bytes) -> Message | None:
    if queue == DEAD:
        return None
    decode = _DECODERS.get(queue)
    if decode is None:
        decode = _decode_orders if queue.startswith(NODE_QUEUE) else _decode_task
    try:
        return decode(body)
    except Undecodable:
        return None
