"""What the parts of the broker's contract have in common: fixtures, and receiving."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import Sequence
from typing import ClassVar

import pytest

from tork_core.interfaces.broker import Broker, Consumer, Delivery, Depth, Outgoing
from tork_core.testing.waiting import eventually


class BrokerSuite:
    """Fixtures that a subclass gives, and the steps that the promises are written in."""

    pytestmark = pytest.mark.asyncio

    patience: ClassVar[float] = 10.0
    """The longest wait, in seconds, for what must happen."""
    quiet: ClassVar[float] = 0.2
    """How long nothing must happen until we believe that nothing will."""

    @pytest.fixture
    async def broker(self) -> Broker:
        """A connection to the broker."""
        raise NotImplementedError("give a fixture `broker`: a connection to your broker")

    @pytest.fixture
    async def second(self) -> Broker:
        """Another connection to the same broker, as another process would have it."""
        raise NotImplementedError("give a fixture `second`: another connection to the same broker")

    async def cut(self, broker: Broker) -> None:
        """Cut a connection as a failing network would; the broker notices."""
        raise NotImplementedError("override `cut`: cut this connection")

    @pytest.fixture
    def queue(self) -> str:
        """A name that no other test has used."""
        return f"contract-{secrets.token_hex(6)}"

    async def receive(self, consumer: Consumer, count: int) -> list[Delivery]:
        """Receive so many messages, in as many batches as it takes."""
        deliveries: list[Delivery] = []
        try:
            async with asyncio.timeout(self.patience):
                while len(deliveries) < count:
                    deliveries += await consumer.batch(count - len(deliveries))
        except TimeoutError:
            got = [delivery.body for delivery in deliveries]
            raise AssertionError(f"wanted {count} messages, there came {got!r}") from None
        return deliveries

    async def receive_nothing(self, consumer: Consumer) -> None:
        """Check that no message comes."""
        try:
            deliveries = await asyncio.wait_for(consumer.batch(10), self.quiet)
        except TimeoutError:
            return
        raise AssertionError(f"no message was to come, but {bodies(deliveries)!r} did")

    async def drain(self, broker: Broker, queue: str) -> list[Delivery]:
        """Receive and ack all that a queue holds."""
        deliveries: list[Delivery] = []
        async with broker.consume([queue], prefetch=1000) as consumer:
            while True:
                try:
                    batch = await asyncio.wait_for(consumer.batch(1000), self.quiet)
                except TimeoutError:
                    return deliveries
                deliveries += batch
                await consumer.ack(batch)

    async def holds(
        self, broker: Broker, queue: str, *, ready: int, unacked: int = 0, consumers: int = 0
    ) -> None:
        """Wait until a queue is seen to hold exactly this."""
        wanted = Depth(name=queue, ready=ready, unacked=unacked, consumers=consumers)
        await eventually(
            lambda: broker.depth(queue), lambda depth: depth == wanted, within=self.patience
        )


def outgoing(queue: str, *bodies: bytes) -> list[Outgoing]:
    """Plain messages to a queue."""
    return [Outgoing(queue, body) for body in bodies]


def bodies(deliveries: Sequence[Delivery]) -> list[bytes]:
    """What the messages say."""
    return [delivery.body for delivery in deliveries]


def numbered(count: int) -> list[bytes]:
    """So many different bodies, in order."""
    return [b"%d" % number for number in range(count)]
