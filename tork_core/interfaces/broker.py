"""Brokers carry messages between coordinators and workers.

A message is a hint that something may be done: it can be lost, doubled, late or out of order, and
nothing breaks. What a broker must keep is written at each method, and tested by
:class:`tork_core.testing.broker.BrokerContract`.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any, Protocol

import msgspec


class Outgoing(msgspec.Struct, frozen=True):
    """A message to publish.

    Higher ``priority`` (0 to 9) goes first within a queue. A message older than ``lifetime``
    (seconds) is dropped undelivered. A ``mandatory`` message that no queue takes is handed back
    to the publisher. With ``deliver`` off it reaches observers only: a hop that was not taken.
    """

    queue: str
    body: bytes
    priority: int = 0
    lifetime: float | None = None
    mandatory: bool = False
    deliver: bool = True


class Delivery(msgspec.Struct, eq=False):
    """A message received. ``tag`` belongs to the broker. Compared by identity."""

    queue: str
    body: bytes
    redelivered: bool = False
    tag: Any = None


class Depth(msgspec.Struct, frozen=True):
    """What a queue holds: messages waiting, delivered but not acked, and its consumers."""

    name: str
    ready: int = 0
    unacked: int = 0
    consumers: int = 0


class Consumer(Protocol):
    """Messages of one or more queues, as they come."""

    async def batch(self, limit: int) -> list[Delivery]:
        """Wait for a message, then return it with what else is there, at most ``limit``.

        Raises Unavailable when the consumer is gone: its connection was cut, or a queue of its
        was deleted. Messages it had delivered are then delivered again, to whoever consumes.
        Raises Unavailable after a cancel too, also where it waits already. A cancelled wait (a
        timeout) loses no message, whenever it comes.
        """
        ...

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Take the messages off their queues for good. Acking after a cancel works.

        What was acked before is passed over. Raises Unavailable when the consumer is gone; then
        the messages are delivered again.
        """
        ...

    async def nack(self, deliveries: Sequence[Delivery]) -> None:
        """Give the messages back; they are delivered again, marked ``redelivered``.

        They go to the front of their queues, in the order in which they were published. Raises
        Unavailable when the consumer is gone.
        """
        ...

    async def cancel(self) -> None:
        """Take no more messages; those delivered and unacked stay with this consumer.

        What no batch has returned yet goes back to its queue.
        """
        ...


class Broker(Protocol):
    """A connection to the broker, shared by everything in one process."""

    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        """Publish all messages in one write and return when the broker has them all safely.

        Order is kept per queue and priority. A queue that does not exist is made, except for
        names that start with ``x-`` (a worker's own queue) and for mandatory messages: those
        messages reach nobody. Returns the mandatory messages that no queue took; an observer is
        no queue, and a message with ``deliver`` off is never returned. Raises Unavailable if it
        is unsure of any message; then any part of them may have been published. Never waits for
        consumers.
        """
        ...

    def consume(
        self, queues: Sequence[str], *, prefetch: int, exclusive: bool = False
    ) -> AbstractAsyncContextManager[Consumer]:
        """Open a consumer of the queues, which are made if need be.

        At most ``prefetch`` messages are delivered and unacked at any time, over all of the
        queues together. Consumers of one queue share its messages fairly. An ``exclusive`` queue
        takes no second consumer and is deleted with this one: whoever comes to it, or wants a
        queue for itself that has a consumer, gets Conflict on entering. Leaving the context gives
        unacked messages back to their queues, and so does losing the connection.
        """
        ...

    def observe(self, topics: Sequence[str]) -> AbstractAsyncContextManager[Consumer]:
        """Open a consumer of copies of what is published to the queues named by ``topics``.

        Copies take nothing away from the queues and need no ack. An observer that is too slow
        loses the oldest copies: what it watches is never held back by it.
        """
        ...

    async def depth(self, queue: str) -> Depth:
        """Return what the queue holds; a queue that does not exist is empty."""
        ...

    async def queues(self) -> list[Depth]:
        """Return all queues, by name."""
        ...

    async def delete(self, queue: str) -> None:
        """Delete a queue and its messages; its consumers end. Unknown names are fine."""
        ...
