"""Brokers that publish wrongly."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from flawed_broker import FlawedBroker, caught_by, changed
from tork_memory.queues import MemoryQueues, Message, Queue

from tork_core.interfaces.broker import Outgoing


@caught_by("test_a_message_arrives_as_it_was_published")
class TakesBodiesForText(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        texts = [message.body.decode(errors="replace").encode() for message in messages]
        return await super().publish(
            [changed(message, body=text) for message, text in zip(messages, texts, strict=True)]
        )


@caught_by("test_a_message_reaches_consumers_on_other_connections")
class LivesAlone(FlawedBroker):
    def __init__(self, queues: MemoryQueues) -> None:
        super().__init__(MemoryQueues())


@caught_by("test_messages_arrive_in_the_order_of_publishing")
class Reorders(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        return await super().publish(messages[::-1])


@caught_by("test_a_higher_priority_goes_first_and_keeps_its_own_order")
class IgnoresPriority(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        return await super().publish([changed(message, priority=0) for message in messages])


@caught_by("test_each_message_is_delivered_once")
class Loses(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        return await super().publish([m for m in messages if m.body != b"789"])


@caught_by("test_each_message_is_delivered_once")
class Doubles(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        await super().publish(messages[-1:])
        return await super().publish(messages)


@caught_by("test_a_publish_makes_the_queue")
class MakesNoQueues(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        return await super().publish([m for m in messages if self._queues.find(m.queue)])


@caught_by("test_a_publish_makes_no_queue_of_a_worker")
class MakesAnyQueue(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        for message in messages:
            self._queues.declare(message.queue)
        return await super().publish(messages)


@caught_by("test_a_mandatory_message_that_no_queue_takes_is_handed_back")
class HandsNothingBack(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        await super().publish(messages)
        return []


@caught_by("test_a_publish_makes_no_queue_of_a_worker")
class HandsAllBack(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        homeless = [m for m in messages if not self._queues.find(m.queue)]
        await super().publish(messages)
        return homeless


@caught_by("test_a_mandatory_message_is_taken_by_a_queue_without_consumers")
class WantsConsumers(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        await super().publish(messages)
        return [m for m in messages if m.mandatory and not (await self.depth(m.queue)).consumers]


@caught_by("test_an_observer_is_no_queue_that_takes_a_mandatory_message")
class RoutesToObservers(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        homeless = await super().publish(messages)
        return [] if self._observers else homeless


@caught_by("test_a_message_not_to_deliver_reaches_observers_only")
class DeliversEverything(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        return await super().publish([changed(message, deliver=True) for message in messages])


@caught_by("test_publishing_waits_for_no_consumer")
class WaitsForConsumers(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        if (await self.depth(messages[0].queue)).ready > 100:
            await asyncio.Event().wait()
        return await super().publish(messages)


@caught_by("test_a_message_older_than_its_lifetime_is_dropped")
class IgnoresLifetimes(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        return await super().publish([changed(message, lifetime=None) for message in messages])


@caught_by("test_a_message_older_than_its_lifetime_is_dropped")
class DropsAllThatIsMortal(FlawedBroker):
    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        return await super().publish([m for m in messages if m.lifetime is None])


@caught_by("test_a_message_that_was_given_back_keeps_its_lifetime")
class ImmortalWhenReturned(Queue):
    def give_back(self, message: Message) -> None:
        message.deadline = None
        self._deadlines.clear()
        super().give_back(message)
