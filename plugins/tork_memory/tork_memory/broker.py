"""The in-memory broker: connections to queues that live in this process.

Each node gets a :class:`MemoryBroker` of its own on the shared :class:`MemoryQueues`. Closing one
is what losing a connection would be: its consumers end and their messages go back.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Callable, Iterable, Sequence
from contextlib import asynccontextmanager

from tork_core.errors import Conflict, Unavailable
from tork_core.interfaces.broker import Consumer, Delivery, Depth, Outgoing
from tork_memory.queues import MemoryQueues, Message, Queue, Subscription

OBSERVED = 10_000
"""How many copies an observer holds; the oldest go first."""


def gone(reason: str) -> Unavailable:
    """The error of a connection or a consumer that has ended."""
    return Unavailable("broker", reason)


class MemoryBroker:
    """One connection to an in-memory broker."""

    def __init__(self, queues: MemoryQueues) -> None:
        self._queues = queues
        self._closed = False
        self._consumers: dict[MemoryConsumer, None] = {}
        self._observers: dict[MemoryObserver, None] = {}

    def close(self) -> None:
        """Cut the connection: whatever it had not acked is delivered again to others.

        Afterwards its calls, and those of its consumers, raise Unavailable.
        """
        self._closed = True
        reason = "the connection is closed"
        consumers, self._consumers = self._consumers, {}
        self._queues.end(consumers, reason)
        for observer in list(self._observers):
            observer.end(reason)

    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        """See :meth:`tork_core.interfaces.broker.Broker.publish`."""
        self._check()
        return self._queues.publish(messages)

    @asynccontextmanager
    async def consume(
        self, queues: Sequence[str], *, prefetch: int, exclusive: bool = False
    ) -> AsyncGenerator[Consumer, None]:
        """See :meth:`tork_core.interfaces.broker.Broker.consume`."""
        self._check()
        names = list(dict.fromkeys(queues))
        for name in names:
            self._admit(name, exclusive)
        consumer = MemoryConsumer([self._queues.declare(name) for name in names], prefetch)
        self._consumers[consumer] = None
        consumer.start(exclusive)
        try:
            yield consumer
        finally:
            if consumer in self._consumers:
                del self._consumers[consumer]
                self._queues.end([consumer], "its context was left")

    @asynccontextmanager
    async def observe(self, topics: Sequence[str]) -> AsyncGenerator[Consumer, None]:
        """See :meth:`tork_core.interfaces.broker.Broker.observe`."""
        self._check()
        observer = MemoryObserver()
        self._observers[observer] = None
        self._queues.watch(topics, observer)
        try:
            yield observer
        finally:
            self._queues.unwatch(topics, observer)
            self._observers.pop(observer, None)
            observer.end("its context was left")

    async def depth(self, queue: str) -> Depth:
        """See :meth:`tork_core.interfaces.broker.Broker.depth`."""
        self._check()
        found = self._queues.find(queue)
        return found.depth() if found is not None else Depth(name=queue)

    async def queues(self) -> list[Depth]:
        """See :meth:`tork_core.interfaces.broker.Broker.queues`."""
        self._check()
        return self._queues.depths()

    async def delete(self, queue: str) -> None:
        """See :meth:`tork_core.interfaces.broker.Broker.delete`."""
        self._check()
        self._queues.delete(queue)

    def _check(self) -> None:
        if self._closed:
            raise gone("the connection is closed")

    def _admit(self, name: str, exclusive: bool) -> None:
        queue = self._queues.find(name)
        if queue is None:
            return
        if queue.exclusive or (exclusive and queue.subscriptions):
            raise Conflict(f"queue {name} has a consumer that shares it with nobody")


class _Mailbox:
    """Waiting for something to arrive, and ending while somebody waits."""

    def __init__(self) -> None:
        self._ended: str | None = None
        self.waiting: list[asyncio.Future[None]] = []

    def wake(self) -> None:
        """Let everybody who waits look again."""
        for future in self.waiting:
            if not future.done():
                future.set_result(None)
        self.waiting.clear()

    async def arrival(self, there: Callable[[], bool]) -> None:
        """Return when something is there, after other tasks had a turn.

        Nothing travels through the future: who is cancelled here leaves what has arrived where
        it is. The turn of the others keeps a consumer with a full queue from starving the loop.
        """
        if there():
            await asyncio.sleep(0)
        while True:
            if there():
                return
            future = asyncio.get_running_loop().create_future()
            self.waiting.append(future)
            try:
                await future
            finally:
                if future in self.waiting:
                    self.waiting.remove(future)

    def finish(self, reason: str) -> None:
        """End, and wake who waits to be told so."""
        if self._ended is None:
            self._ended = reason
        self.wake()

    def check(self) -> None:
        """Raise Unavailable if it has ended."""
        if self._ended is not None:
            raise gone(f"the consumer has ended: {self._ended}")


class MemoryConsumer:
    """A consumer of some queues: a buffer of what was pushed to it, and what it has handed out."""

    def __init__(self, queues: Sequence[Queue], prefetch: int) -> None:
        self.room = max(prefetch, 1)
        self.subscriptions = [Subscription(queue, self) for queue in queues]
        self._buffer: deque[Message] = deque()
        self._held: dict[int, Message] = {}
        self._mailbox = _Mailbox()
        self._cancelled = False
        self._tag = 0
        self._turn = 0

    def start(self, exclusive: bool) -> None:
        """Begin to take messages."""
        for subscription in self.subscriptions:
            subscription.queue.subscriptions.append(subscription)
            subscription.queue.exclusive = exclusive
        self._refill()

    async def batch(self, limit: int) -> list[Delivery]:
        """See :meth:`tork_core.interfaces.broker.Consumer.batch`."""
        while True:
            await self._mailbox.arrival(self._has_messages)
            deliveries = self._take(max(limit, 1))
            if deliveries:
                return deliveries

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """See :meth:`tork_core.interfaces.broker.Consumer.ack`."""
        self._mailbox.check()
        for message in self._release(deliveries):
            message.queue.settle()
        self._refill()

    async def nack(self, deliveries: Sequence[Delivery]) -> None:
        """See :meth:`tork_core.interfaces.broker.Consumer.nack`."""
        self._mailbox.check()
        self._give_back(self._release(deliveries))

    async def cancel(self) -> None:
        """See :meth:`tork_core.interfaces.broker.Consumer.cancel`."""
        if self._cancelled:
            return
        self._cancelled = True
        self._leave()
        untouched = list(self._buffer)
        self._buffer.clear()
        self._give_back(untouched)
        self._mailbox.wake()

    @property
    def waits(self) -> int:
        """How many calls of ``batch`` are waiting."""
        return len(self._mailbox.waiting)

    def receive(self, message: Message) -> None:
        """Take a message that one of the queues pushes."""
        self.room -= 1
        self._buffer.append(message)
        if self._mailbox.waiting:
            self._mailbox.wake()

    def end(self, reason: str) -> list[Message]:
        """Stop for good and return all that was not acked."""
        self._cancelled = True
        self._leave()
        messages = [*self._held.values(), *self._buffer]
        self._held.clear()
        self._buffer.clear()
        self._mailbox.finish(reason)
        return messages

    def _has_messages(self) -> bool:
        self._mailbox.check()
        if self._cancelled:
            raise gone("the consumer was cancelled")
        return bool(self._buffer)

    def _take(self, limit: int) -> list[Delivery]:
        buffer, held = self._buffer, self._held
        deliveries: list[Delivery] = []
        late = 0
        while buffer and len(deliveries) < limit:
            message = buffer.popleft()
            if message.deadline is not None and _is_past(message.deadline):
                message.queue.settle()
                late += 1
                continue
            self._tag = tag = self._tag + 1
            held[tag] = message
            deliveries.append(Delivery(message.queue.name, message.body, message.redelivered, tag))
        if late:
            self.room += late
            self._refill()
        return deliveries

    def _release(self, deliveries: Iterable[Delivery]) -> list[Message]:
        held = self._held
        released = [
            message
            for delivery in deliveries
            if (message := held.pop(delivery.tag, None)) is not None
        ]
        if not self._cancelled:
            self.room += len(released)
        return released

    def _give_back(self, messages: Sequence[Message]) -> None:
        queues = dict.fromkeys(message.queue for message in messages)
        for message in messages:
            message.queue.give_back(message)
        self._enlist()
        for queue in queues:
            queue.pump()
        self._refill()

    def _refill(self) -> None:
        """Take what waits in the queues, one message from each in turn, while there is room."""
        if self.room <= 0:
            return
        stocked = [s.queue for s in self.subscriptions if s.queue.ready]
        while stocked and self.room > 0:
            self._turn += 1
            queue = stocked[self._turn % len(stocked)]
            message = queue.take()
            if message is None:
                stocked.remove(queue)
            else:
                self.receive(message)
        self._enlist()

    def _enlist(self) -> None:
        if self.room > 0:
            for subscription in self.subscriptions:
                if not subscription.listed:
                    subscription.queue.enlist(subscription)

    def _leave(self) -> None:
        self.room = 0
        for subscription in self.subscriptions:
            subscription.queue.leave(self)


class MemoryObserver:
    """A consumer of copies; holds the newest ones only."""

    def __init__(self) -> None:
        self._copies: deque[Delivery] = deque(maxlen=OBSERVED)
        self._mailbox = _Mailbox()

    def copy(self, topic: str, body: bytes) -> None:
        """Take a copy; the oldest goes if there are too many."""
        self._copies.append(Delivery(topic, body))
        self._mailbox.wake()

    async def batch(self, limit: int) -> list[Delivery]:
        """Wait for a copy, then return it with what else is there."""
        await self._mailbox.arrival(self._has_copies)
        return [self._copies.popleft() for _ in range(min(max(limit, 1), len(self._copies)))]

    def _has_copies(self) -> bool:
        self._mailbox.check()
        return bool(self._copies)

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        """Copies need no ack."""

    async def nack(self, deliveries: Sequence[Delivery]) -> None:
        """Copies are not given back."""

    async def cancel(self) -> None:
        """Take no more copies."""
        self.end("the observer was cancelled")

    def end(self, reason: str) -> None:
        """Stop for good."""
        self._copies.clear()
        self._mailbox.finish(reason)


def _is_past(deadline: float) -> bool:
    return deadline <= asyncio.get_running_loop().time()
