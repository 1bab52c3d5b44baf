"""Consumers that take, ack, give back or cancel wrongly."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence

from flawed_broker import FlawedBroker, Wrapper, caught_by
from tork_memory.queues import MemoryQueues, Message, Queue, Reader, Subscription

from tork_core.interfaces.broker import Delivery


@caught_by("test_a_batch_waits_for_a_message")
class GivesEmptyBatches(Wrapper):
    async def batch(self, limit: int) -> list[Delivery]:
        await asyncio.sleep(0)
        try:
            return await asyncio.wait_for(self.inner.batch(limit), 0.001)
        except TimeoutError:
            return []


@caught_by("test_a_batch_returns_no_more_than_its_limit")
class IgnoresTheLimit(Wrapper):
    async def batch(self, limit: int) -> list[Delivery]:
        return await self.inner.batch(1000)


@caught_by("test_an_acked_message_is_gone_for_good")
class ForgetsAcks(Wrapper):
    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        pass


@caught_by("test_a_message_is_not_gone_before_its_ack")
class AcksEarly(Wrapper):
    async def batch(self, limit: int) -> list[Delivery]:
        deliveries = await self.inner.batch(limit)
        await self.inner.ack(deliveries)
        return deliveries


@caught_by("test_leaving_while_a_message_arrives_loses_no_message")
class AcksEarlyAndDawdles(Wrapper):
    async def batch(self, limit: int) -> list[Delivery]:
        deliveries = await self.inner.batch(limit)
        await self.inner.ack(deliveries)
        await asyncio.sleep(0)
        return deliveries


@caught_by("test_a_cancelled_wait_loses_no_message")
class DropsACancelledBatch(Wrapper):
    async def batch(self, limit: int) -> list[Delivery]:
        deliveries = await self.inner.batch(limit)
        await asyncio.sleep(0)
        return deliveries


@caught_by("test_each_message_is_acked_by_itself")
class AcksAllBefore(Wrapper):
    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        last = max((d.tag for d in deliveries), default=0)
        await self.inner.ack([Delivery("", b"", tag=tag) for tag in range(last + 1)])


@caught_by("test_acking_twice_is_passed_over")
class AcksAnotherInstead(Wrapper):
    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        held = self.inner._held  # type: ignore[attr-defined]
        for delivery in deliveries:
            tag = delivery.tag if delivery.tag in held else next(iter(held), 0)
            await self.inner.ack([Delivery("", b"", tag=tag)])


@caught_by("test_a_message_whose_handler_fails_is_delivered_again")
class DropsFailures(Wrapper):
    async def nack(self, deliveries: Sequence[Delivery]) -> None:
        await self.inner.ack(deliveries)


@caught_by("test_a_message_whose_handler_fails_is_delivered_again")
class HidesRedelivery(Wrapper):
    async def batch(self, limit: int) -> list[Delivery]:
        deliveries = await self.inner.batch(limit)
        return [Delivery(d.queue, d.body, False, d.tag) for d in deliveries]


@caught_by("test_messages_given_back_keep_their_place")
class BackToTheEnd(Queue):
    def give_back(self, message: Message) -> None:
        self._sequence += 1
        message.sequence = self._sequence
        super().give_back(message)
        level = self._levels[message.priority]
        level.fresh.extend(m for _, m in sorted(level.returned))
        level.returned.clear()


@caught_by("test_leaving_the_context_gives_unacked_messages_back_in_order")
class LastFirst(Queue):
    def give_back(self, message: Message) -> None:
        self.lowest = message.sequence = getattr(self, "lowest", 0) - 1
        super().give_back(message)


@caught_by(
    "test_leaving_the_context_gives_unacked_messages_back_in_order",
    "test_a_message_is_not_gone_before_its_ack",
)
class DropsAtTheEnd(MemoryQueues):
    def end(self, readers: Iterable[Reader], reason: str) -> None:
        for reader in list(readers):
            for message in reader.end(reason):
                message.queue.settle()


@caught_by("test_what_was_given_back_goes_to_whoever_consumes")
class Unpumped(Queue):
    def pump(self) -> None:
        pass


@caught_by("test_no_more_than_prefetch_messages_are_out_at_a_time")
class IgnoresPrefetch(FlawedBroker):
    def before(self, queues: Sequence[str], prefetch: int) -> tuple[Sequence[str], int]:
        return queues, 10_000


@caught_by("test_prefetch_counts_over_all_queues_together")
class CountsPrefetchPerQueue(FlawedBroker):
    def before(self, queues: Sequence[str], prefetch: int) -> tuple[Sequence[str], int]:
        return queues, prefetch * len(queues)


@caught_by("test_a_consumer_of_several_queues_gets_the_messages_of_all")
class ConsumesTheFirstOnly(FlawedBroker):
    def before(self, queues: Sequence[str], prefetch: int) -> tuple[Sequence[str], int]:
        return queues[:1], prefetch


@caught_by("test_consumers_of_a_queue_share_its_messages_fairly")
class Unfair(Queue):
    def _deliver(self, subscription: Subscription, message: Message) -> None:
        super()._deliver(subscription, message)
        if subscription.listed:
            self._round.rotate(1)


class HoardingConsumer(Wrapper):
    async def batch(self, limit: int) -> list[Delivery]:
        return await self.inner.batch(min(limit, self.prefetch))


@caught_by("test_an_idle_consumer_gets_what_a_busy_one_has_no_room_for")
class Hoards(FlawedBroker):
    def before(self, queues: Sequence[str], prefetch: int) -> tuple[Sequence[str], int]:
        return queues, 10_000

    wrapper = HoardingConsumer


@caught_by("test_a_cancelled_consumer_takes_no_more_messages")
class CancelsNothing(Wrapper):
    async def cancel(self) -> None:
        pass


@caught_by(
    "test_acking_after_a_cancel_works",
    "test_a_cancelled_consumer_keeps_what_it_has_not_acked",
)
class CancelGivesAllBack(Wrapper):
    async def cancel(self) -> None:
        held = self.inner._held  # type: ignore[attr-defined]
        await self.inner.cancel()
        await self.inner.nack([Delivery("", b"", tag=tag) for tag in held])


@caught_by("test_a_cancel_gives_back_what_no_batch_has_returned")
class CancelKeepsTheBuffer(Wrapper):
    async def cancel(self) -> None:
        buffer = self.inner._buffer  # type: ignore[attr-defined]
        kept = list(buffer)
        buffer.clear()
        await self.inner.cancel()
        buffer.extend(kept)
