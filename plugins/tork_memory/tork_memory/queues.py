"""Queues of messages, and who consumes and observes them: what connections to one broker share.

A message is handed on as soon as a consumer of its queue has room for it, as a broker over a
network would push it, so at any time a queue has messages that wait or consumers with room, never
both. Who has room takes turns. Nothing here waits: consumers are told through a callback.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from heapq import heappop, heappush
from typing import Protocol

from tork_core.interfaces.broker import Depth, Outgoing

PRIVATE = "x-"
"""Queues with this prefix belong to a worker and are never made by a publish."""

HIGHEST = 9
TIDY = 64
"""How many dropped messages a queue may still hold in its order before it is tidied up."""


class Message:
    """One message on its way; ``waits`` while it stands in its queue."""

    __slots__ = ("body", "deadline", "priority", "queue", "redelivered", "sequence", "waits")

    def __init__(
        self, queue: Queue, body: bytes, priority: int, sequence: int, deadline: float | None
    ) -> None:
        self.queue = queue
        self.body = body
        self.priority = priority
        self.sequence = sequence
        self.deadline = deadline
        self.redelivered = False
        self.waits = False


class Reader(Protocol):
    """A consumer as its queues see it: somebody with room for so many messages."""

    room: int

    @property
    def subscriptions(self) -> Sequence[Subscription]:
        """Its places at its queues."""
        ...

    def receive(self, message: Message) -> None:
        """Take a message; there is room for it."""
        ...

    def end(self, reason: str) -> list[Message]:
        """Take and give nothing any more; return what was not acked."""
        ...


class Subscription:
    """A reader of a queue; ``listed`` while it stands in the queue's round of those with room."""

    __slots__ = ("listed", "queue", "reader")

    def __init__(self, queue: Queue, reader: Reader) -> None:
        self.queue = queue
        self.reader = reader
        self.listed = False


class _Level:
    """The waiting messages of one priority: those never delivered, and those given back.

    What was given back is older than what was never delivered, so it goes first; among itself it
    keeps the order in which it was published.
    """

    __slots__ = ("fresh", "returned")

    def __init__(self) -> None:
        self.fresh: deque[Message] = deque()
        self.returned: list[tuple[int, Message]] = []

    def __bool__(self) -> bool:
        return bool(self.fresh or self.returned)

    def pop(self) -> Message:
        return heappop(self.returned)[1] if self.returned else self.fresh.popleft()

    def tidy(self) -> None:
        self.fresh = deque(message for message in self.fresh if message.waits)
        self.returned = [item for item in self.returned if item[1].waits]  # still a sorted heap
        self.returned.sort()


class Queue:
    """A queue: waiting messages by priority, and its readers."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.exclusive = False
        self.subscriptions: list[Subscription] = []
        self.ready = 0
        self.unacked = 0
        self._levels = tuple(_Level() for _ in range(HIGHEST + 1))
        self._occupied = 0  # a bit for every level that may hold messages
        self._round: deque[Subscription] = deque()
        self._sequence = 0
        self._deadlines: list[tuple[float, int, Message]] = []
        self._dropped = 0

    @property
    def entries(self) -> int:
        """How many messages are held in order, dropped ones that still stand there too."""
        return self.ready + self._dropped

    def put(self, outgoing: Outgoing) -> None:
        """Hand a new message to the reader whose turn it is, or keep it."""
        priority = outgoing.priority
        if not 0 <= priority <= HIGHEST:
            priority = min(max(priority, 0), HIGHEST)
        self._sequence = sequence = self._sequence + 1
        message = Message(self, bytes(outgoing.body), priority, sequence, None)
        if outgoing.lifetime is not None:
            now = asyncio.get_running_loop().time()
            self.expire(now)
            message.deadline = now + outgoing.lifetime
            heappush(self._deadlines, (message.deadline, sequence, message))
        if self._round and self._hand_over(message):
            return
        self._levels[priority].fresh.append(message)
        self._occupied |= 1 << priority
        self._keep(message)

    def give_back(self, message: Message) -> None:
        """Put a message that was delivered back to its place before all younger ones."""
        self.unacked -= 1
        message.redelivered = True
        if message.deadline is not None and message.deadline <= asyncio.get_running_loop().time():
            return
        heappush(self._levels[message.priority].returned, (message.sequence, message))
        self._occupied |= 1 << message.priority
        self._keep(message)

    def take(self) -> Message | None:
        """Take the next message that is not too old; it counts as unacked from here on."""
        if self._deadlines:
            self.expire(asyncio.get_running_loop().time())
        while self._occupied:
            priority = self._occupied.bit_length() - 1
            level = self._levels[priority]
            if not level:
                self._occupied ^= 1 << priority
                continue
            message = level.pop()
            if message.waits:
                message.waits = False
                self.ready -= 1
                self.unacked += 1
                return message
            self._dropped -= 1
        return None

    def settle(self) -> None:
        """One delivered message is done with."""
        self.unacked -= 1

    def enlist(self, subscription: Subscription) -> None:
        """Let a reader that has room take part in the round, once."""
        if not subscription.listed:
            subscription.listed = True
            self._round.append(subscription)

    def pump(self) -> None:
        """Hand waiting messages to the readers with room, in turn."""
        while self.ready and (subscription := self._next_reader()):
            message = self.take()
            if message is None:
                self.enlist(subscription)
                return
            self._deliver(subscription, message)

    def expire(self, now: float) -> None:
        """Drop the waiting messages whose lifetime is over."""
        deadlines = self._deadlines
        while deadlines and deadlines[0][0] <= now:
            message = heappop(deadlines)[2]
            if message.waits:
                message.waits = False
                message.body = b""
                self.ready -= 1
                self._dropped += 1
        if self._dropped > TIDY and self._dropped > self.ready:
            for level in self._levels:
                level.tidy()
            self._dropped = 0

    def leave(self, reader: Reader) -> None:
        """Take a reader off the queue."""
        for subscription in self.subscriptions:
            if subscription.reader is reader and subscription.listed:
                subscription.listed = False
                self._round.remove(subscription)
        self.subscriptions = [s for s in self.subscriptions if s.reader is not reader]

    def depth(self) -> Depth:
        """What the queue holds now."""
        if self._deadlines:
            self.expire(asyncio.get_running_loop().time())
        return Depth(
            name=self.name,
            ready=self.ready,
            unacked=self.unacked,
            consumers=len(self.subscriptions),
        )

    def _keep(self, message: Message) -> None:
        message.waits = True
        self.ready += 1

    def _hand_over(self, message: Message) -> bool:
        subscription = self._next_reader()
        if subscription is None:
            return False
        self.unacked += 1
        self._deliver(subscription, message)
        return True

    def _next_reader(self) -> Subscription | None:
        """Take the next one that has room out of the round."""
        while self._round:
            subscription = self._round.popleft()
            subscription.listed = False
            if subscription.reader.room > 0:
                return subscription
        return None

    def _deliver(self, subscription: Subscription, message: Message) -> None:
        reader = subscription.reader
        reader.receive(message)
        if reader.room > 0:
            subscription.listed = True
            self._round.append(subscription)


class Watcher(Protocol):
    """An observer as the broker sees it."""

    def copy(self, topic: str, body: bytes) -> None:
        """Take a copy of a message."""
        ...


class MemoryQueues:
    """All queues and observers of one in-memory broker; connections share it."""

    def __init__(self) -> None:
        self._queues: dict[str, Queue] = {}
        self._watchers: dict[str, list[Watcher]] = {}

    def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        """Put the messages into their queues and return the mandatory ones that none took."""
        homeless: list[Outgoing] = []
        queues, watchers = self._queues, self._watchers
        for message in messages:
            name = message.queue
            if watchers and (watching := watchers.get(name)):
                for watcher in watching:
                    watcher.copy(name, bytes(message.body))
            if not message.deliver:
                continue
            queue = queues.get(name)
            if queue is None:
                if message.mandatory:
                    homeless.append(message)
                    continue
                if name.startswith(PRIVATE):
                    continue
                queue = self.declare(name)
            queue.put(message)
        return homeless

    def declare(self, name: str) -> Queue:
        """Return the queue of this name, and make it if need be."""
        queue = self._queues.get(name)
        if queue is None:
            queue = self._queues[name] = Queue(name)
        return queue

    def find(self, name: str) -> Queue | None:
        """Return the queue of this name if there is one."""
        return self._queues.get(name)

    def delete(self, name: str) -> None:
        """Delete a queue with its messages and end its readers."""
        queue = self._queues.pop(name, None)
        if queue is not None:
            readers = dict.fromkeys(s.reader for s in queue.subscriptions)
            self.end(readers, f"queue {name} was deleted")

    def end(self, readers: Iterable[Reader], reason: str) -> None:
        """End readers, all of them before anybody gets what they held."""
        held: list[Message] = []
        for reader in list(readers):
            held += reader.end(reason)
            for subscription in reader.subscriptions:
                queue = subscription.queue
                if queue.exclusive and self._queues.get(queue.name) is queue:
                    del self._queues[queue.name]
        queues = dict.fromkeys(message.queue for message in held)
        for message in held:
            message.queue.give_back(message)
        for queue in queues:
            queue.pump()

    def depths(self) -> list[Depth]:
        """What all queues hold, by name."""
        return [self._queues[name].depth() for name in sorted(self._queues)]

    def watch(self, topics: Iterable[str], watcher: Watcher) -> None:
        """Give the watcher copies of what is published to these queues."""
        for topic in dict.fromkeys(topics):
            self._watchers.setdefault(topic, []).append(watcher)

    def unwatch(self, topics: Iterable[str], watcher: Watcher) -> None:
        """Give the watcher no more copies."""
        for topic in dict.fromkeys(topics):
            left = [other for other in self._watchers.get(topic, []) if other is not watcher]
            if left:
                self._watchers[topic] = left
            else:
                self._watchers.pop(topic, None)
