"""Brokers that keep queues, connections and observers wrongly."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from flawed_broker import FlawedBroker, caught_by, changed
from tork_memory.broker import MemoryConsumer, MemoryObserver
from tork_memory.queues import MemoryQueues, Reader

from tork_core.errors import NotFound, Unavailable
from tork_core.interfaces.broker import Consumer, Depth, Outgoing


@caught_by("test_consuming_makes_the_queue")
class ConsumesNoNewQueues(FlawedBroker):
    def before(self, queues: Sequence[str], prefetch: int) -> tuple[Sequence[str], int]:
        return [name for name in queues if self._queues.find(name)], prefetch


@caught_by("test_an_exclusive_queue_takes_no_second_consumer")
class SharesEverything(FlawedBroker):
    def _admit(self, name: str, exclusive: bool) -> None:
        pass


@caught_by("test_a_queue_with_a_consumer_becomes_nobodys_own")
class TakesQueuesOver(FlawedBroker):
    def _admit(self, name: str, exclusive: bool) -> None:
        super()._admit(name, False)


@caught_by(
    "test_an_exclusive_queue_is_deleted_with_its_consumer",
    "test_a_lost_connection_deletes_its_exclusive_queues",
)
class KeepsExclusiveQueues(MemoryQueues):
    def end(self, readers: Iterable[Reader], reason: str) -> None:
        everybody = list(readers)
        for reader in everybody:
            for subscription in reader.subscriptions:
                subscription.queue.exclusive = False
        super().end(everybody, reason)


@caught_by("test_a_depth_tells_what_a_queue_holds")
class CountsNoUnacked(FlawedBroker):
    async def depth(self, queue: str) -> Depth:
        found = await super().depth(queue)
        return Depth(name=queue, ready=found.ready, consumers=found.consumers)


@caught_by("test_a_queue_that_does_not_exist_is_empty")
class AskingMakesQueues(FlawedBroker):
    async def depth(self, queue: str) -> Depth:
        return self._queues.declare(queue).depth()


@caught_by("test_queues_are_listed_by_name")
class ListsAsTheyCame(FlawedBroker):
    async def queues(self) -> list[Depth]:
        return [queue.depth() for queue in self._queues._queues.values()]


@caught_by(
    "test_a_deleted_queue_loses_its_messages", "test_a_deletion_ends_the_consumers_of_the_queue"
)
class DeletesNothing(FlawedBroker):
    async def delete(self, queue: str) -> None:
        pass


@caught_by("test_a_deletion_ends_the_consumers_of_the_queue")
class TellsNobodyOfDeletion(FlawedBroker):
    async def delete(self, queue: str) -> None:
        self._queues._queues.pop(queue, None)


@caught_by("test_deleting_an_unknown_queue_is_fine")
class RefusesUnknownQueues(FlawedBroker):
    async def delete(self, queue: str) -> None:
        if self._queues.find(queue) is None:
            raise NotFound(f"no queue {queue}")
        await super().delete(queue)


@caught_by("test_a_lost_connection_gives_unacked_messages_back")
class KeepsWhatTheDeadHeld(FlawedBroker):
    def close(self) -> None:
        self._closed = True


@caught_by("test_a_lost_connection_ends_its_consumers")
class LeavesTheDeadWaiting(FlawedBroker):
    def close(self) -> None:
        self._closed = True
        for consumer in self._consumers:
            assert isinstance(consumer, MemoryConsumer)
            for subscription in consumer.subscriptions:
                subscription.queue.leave(consumer)


@caught_by("test_a_lost_connection_is_told_to_its_publishers")
class PublishesIntoTheVoid(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        try:
            return await super().publish(messages)
        except Unavailable:
            return []


@caught_by("test_an_observer_takes_nothing_away")
class ObserversSteal(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        stolen = bool(self._observers)
        return await super().publish([changed(m, deliver=not stolen) for m in messages])


@caught_by("test_every_observer_gets_its_own_copy")
class CopiesOnce(MemoryQueues):
    def watch(self, topics: Iterable[str], watcher: Any) -> None:
        for topic in topics:
            self._watchers.setdefault(topic, [watcher])


@caught_by("test_an_observer_sees_its_topics_only")
class ShowsEverything(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        for observer in self._observers:
            for message in messages:
                observer.copy(message.queue, message.body)
        self._queues._watchers.clear()
        return await super().publish(messages)


@caught_by("test_an_observer_sees_what_reaches_no_queue")
class ShowsDeliveriesOnly(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        return await super().publish([m for m in messages if self._queues.find(m.queue)])


@caught_by("test_a_slow_observer_loses_the_oldest_copies")
class LosesTheNewestCopies(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        for observer in self._observers:
            assert isinstance(observer, MemoryObserver)
            if len(observer._copies) >= 10_000:
                return []
        return await super().publish(messages)


@caught_by("test_an_observer_that_leaves_leaves_nothing_behind")
class ObserversLeaveQueues(FlawedBroker):
    @asynccontextmanager
    async def observe(self, topics: Sequence[str]) -> AsyncGenerator[Consumer, None]:
        for topic in topics:
            self._queues.declare(f"observer of {topic}")
        async with super().observe(topics) as observer:
            yield observer
