"""The in-memory broker, opened up so that faults can be put into it."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager
from typing import Any, ClassVar

from flaws import Flaws
from tork_memory.broker import MemoryBroker
from tork_memory.queues import MemoryQueues, Queue

from tork_core.interfaces.broker import Consumer, Delivery, Outgoing

FLAWS = Flaws()
caught_by = FLAWS.caught_by


class Wrapper:
    """A consumer whose calls pass through, to be broken."""

    def __init__(self, inner: Consumer, prefetch: int) -> None:
        self.inner = inner
        self.prefetch = prefetch

    async def batch(self, limit: int) -> list[Delivery]:
        return await self.inner.batch(limit)

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        await self.inner.ack(deliveries)

    async def nack(self, deliveries: Sequence[Delivery]) -> None:
        await self.inner.nack(deliveries)

    async def cancel(self) -> None:
        await self.inner.cancel()


class FlawedBroker(MemoryBroker):
    """The in-memory broker with what a fault needs to get in; as it stands it has none."""

    shared: ClassVar[type[MemoryQueues]] = MemoryQueues
    wrapper: ClassVar[type[Wrapper]] = Wrapper
    _queues: Any
    _consumers: Any
    _observers: Any

    def before(self, queues: Sequence[str], prefetch: int) -> tuple[Sequence[str], int]:
        """What is consumed in the place of what was asked for."""
        return queues, prefetch

    @asynccontextmanager
    async def consume(
        self, queues: Sequence[str], *, prefetch: int, exclusive: bool = False
    ) -> AsyncGenerator[Any, None]:
        names, room = self.before(queues, prefetch)
        async with super().consume(names, prefetch=room, exclusive=exclusive) as consumer:
            yield self.wrapper(consumer, prefetch)


def broker_with(part: type) -> type[FlawedBroker]:
    """Put a broken part into the broker: a broker, its queues, a queue, or a consumer."""
    if issubclass(part, FlawedBroker):
        return part
    if issubclass(part, Wrapper):
        return type(part.__name__, (FlawedBroker,), {"wrapper": part})
    if issubclass(part, MemoryQueues):
        return type(part.__name__, (FlawedBroker,), {"shared": part})
    assert issubclass(part, Queue)

    class Queues(MemoryQueues):
        def declare(self, name: str) -> Queue:
            return self._queues.setdefault(name, part(name))

    return type(part.__name__, (FlawedBroker,), {"shared": Queues})


def changed(message: Outgoing, **fields: Any) -> Outgoing:
    """The same object where nothing changes, so that what is handed back can be compared."""
    given = {name: getattr(message, name) for name in message.__struct_fields__}
    return Outgoing(**(given | fields))
