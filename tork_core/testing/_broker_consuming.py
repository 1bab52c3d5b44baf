"""Promises about consuming: batches, acks, what is given back, prefetch, fairness, cancelling."""

from __future__ import annotations

import asyncio
from collections import Counter

import pytest

from tork_core.errors import Unavailable
from tork_core.interfaces.broker import Broker, Consumer, Delivery
from tork_core.testing._broker_base import BrokerSuite, bodies, numbered, outgoing
from tork_core.testing.waiting import eventually, soon


class ConsumingPromises(BrokerSuite):
    """See :class:`tork_core.interfaces.broker.Consumer`, and ``consume``."""

    async def test_a_batch_waits_for_a_message(self, broker: Broker, queue: str) -> None:
        async with broker.consume([queue], prefetch=10) as consumer:
            waiting = asyncio.create_task(consumer.batch(10))
            await asyncio.wait([waiting], timeout=self.quiet)
            assert not waiting.done()
            await broker.publish(outgoing(queue, b"at last"))
            assert bodies(await soon(waiting, within=self.patience)) == [b"at last"]

    async def test_a_batch_returns_no_more_than_its_limit(self, broker: Broker, queue: str) -> None:
        await broker.publish(outgoing(queue, *numbered(7)))
        async with broker.consume([queue], prefetch=100) as consumer:
            await self.holds(broker, queue, ready=0, unacked=7, consumers=1)
            sizes: list[int] = []
            while sum(sizes) < 7:
                sizes.append(len(await soon(consumer.batch(3), within=self.patience)))
            assert max(sizes) <= 3

    async def test_an_acked_message_is_gone_for_good(self, broker: Broker, queue: str) -> None:
        await broker.publish(outgoing(queue, b"once"))
        async with broker.consume([queue], prefetch=1) as consumer:
            await consumer.ack(await self.receive(consumer, 1))
            await self.holds(broker, queue, ready=0, consumers=1)
        assert await self.drain(broker, queue) == []

    async def test_a_message_is_not_gone_before_its_ack(self, broker: Broker, queue: str) -> None:
        await broker.publish(outgoing(queue, b"held"))
        async with broker.consume([queue], prefetch=1) as consumer:
            await self.receive(consumer, 1)
            await self.holds(broker, queue, ready=0, unacked=1, consumers=1)
        await self.holds(broker, queue, ready=1)
        assert bodies(await self.drain(broker, queue)) == [b"held"]

    async def test_each_message_is_acked_by_itself(self, broker: Broker, queue: str) -> None:
        await broker.publish(outgoing(queue, *numbered(5)))
        async with broker.consume([queue], prefetch=10) as consumer:
            deliveries = await self.receive(consumer, 5)
            await consumer.ack([deliveries[3], deliveries[1]])
        assert bodies(await self.drain(broker, queue)) == [b"0", b"2", b"4"]

    async def test_acking_twice_is_passed_over(self, broker: Broker, queue: str) -> None:
        await broker.publish(outgoing(queue, b"twice", b"never"))
        async with broker.consume([queue], prefetch=10) as consumer:
            twice, _ = await self.receive(consumer, 2)
            await consumer.ack([twice, twice])
            await consumer.ack([twice])
            await consumer.nack([twice])
            await self.holds(broker, queue, ready=0, unacked=1, consumers=1)
        assert bodies(await self.drain(broker, queue)) == [b"never"]

    async def test_a_message_whose_handler_fails_is_delivered_again(
        self, broker: Broker, queue: str
    ) -> None:
        await broker.publish(outgoing(queue, b"again"))
        async with broker.consume([queue], prefetch=1) as consumer:
            (first,) = await self.receive(consumer, 1)
            await consumer.nack([first])
            (again,) = await self.receive(consumer, 1)
            assert (first.redelivered, again.redelivered) == (False, True)
            assert again.body == first.body
            await consumer.ack([again])
        assert await self.drain(broker, queue) == []

    async def test_messages_given_back_keep_their_place(self, broker: Broker, queue: str) -> None:
        sent = numbered(6)
        await broker.publish(outgoing(queue, *sent))
        async with broker.consume([queue], prefetch=3) as consumer:
            deliveries = await self.receive(consumer, 3)
            await consumer.cancel()
            for delivery in (deliveries[1], deliveries[2], deliveries[0]):
                await consumer.nack([delivery])
            await self.holds(broker, queue, ready=6)
        assert bodies(await self.drain(broker, queue)) == sent

    async def test_leaving_the_context_gives_unacked_messages_back_in_order(
        self, broker: Broker, queue: str
    ) -> None:
        sent = numbered(8)
        await broker.publish(outgoing(queue, *sent))

        async def fail() -> None:
            async with broker.consume([queue], prefetch=6) as consumer:
                deliveries = await self.receive(consumer, 4)
                await consumer.ack(deliveries[:1])
                raise RuntimeError("the handler failed")

        with pytest.raises(RuntimeError, match="the handler failed"):
            await fail()
        await self.holds(broker, queue, ready=7)
        rest = await self.drain(broker, queue)
        assert bodies(rest) == sent[1:]
        assert [delivery.redelivered for delivery in rest[:3]] == [True] * 3

    async def test_what_was_given_back_goes_to_whoever_consumes(
        self, broker: Broker, second: Broker, queue: str
    ) -> None:
        async with broker.consume([queue], prefetch=10) as other:
            async with second.consume([queue], prefetch=10) as consumer:
                await broker.publish(outgoing(queue, *numbered(10)))
                await self.receive(consumer, 1)
            received = await self.receive(other, 10)
            assert sorted(bodies(received)) == numbered(10)

    async def test_no_more_than_prefetch_messages_are_out_at_a_time(
        self, broker: Broker, queue: str
    ) -> None:
        await broker.publish(outgoing(queue, *numbered(6)))
        async with broker.consume([queue], prefetch=2) as consumer:
            deliveries = await self.receive(consumer, 2)
            await self.receive_nothing(consumer)
            await self.holds(broker, queue, ready=4, unacked=2, consumers=1)
            await consumer.ack(deliveries[:1])
            assert bodies(await self.receive(consumer, 1)) == [b"2"]
            await self.receive_nothing(consumer)

    async def test_prefetch_counts_over_all_queues_together(
        self, broker: Broker, queue: str
    ) -> None:
        queues = [f"{queue}-{number}" for number in range(3)]
        for name in queues:
            await broker.publish(outgoing(name, *numbered(3)))
        async with broker.consume(queues, prefetch=4) as consumer:
            await self.receive(consumer, 4)
            await self.receive_nothing(consumer)

    async def test_a_consumer_of_several_queues_gets_the_messages_of_all(
        self, broker: Broker, queue: str
    ) -> None:
        queues = [f"{queue}-{number}" for number in range(3)]
        async with broker.consume(queues, prefetch=2) as consumer:
            for name in queues:
                await broker.publish(outgoing(name, *numbered(4)))
            received: list[tuple[str, bytes]] = []
            while len(received) < 12:
                deliveries = await self.receive(consumer, 1)
                received += [(delivery.queue, delivery.body) for delivery in deliveries]
                await consumer.ack(deliveries)
        for name in queues:
            assert [body for place, body in received if place == name] == numbered(4)

    async def test_consumers_of_a_queue_share_its_messages_fairly(
        self, broker: Broker, second: Broker, queue: str
    ) -> None:
        async with (
            broker.consume([queue], prefetch=100) as one,
            second.consume([queue], prefetch=100) as two,
            second.consume([queue], prefetch=100) as three,
        ):
            await broker.publish(outgoing(queue, *numbered(30)))
            await self.holds(broker, queue, ready=0, unacked=30, consumers=3)
            shares: list[list[Delivery]] = []
            for consumer in (one, two, three):
                shares.append(await soon(consumer.batch(100), within=self.patience))
                while len(shares[-1]) < 5:
                    shares[-1] += await soon(consumer.batch(100), within=self.patience)
            assert all(len(share) <= 20 for share in shares)

    async def test_an_idle_consumer_gets_what_a_busy_one_has_no_room_for(
        self, broker: Broker, queue: str
    ) -> None:
        async with (
            broker.consume([queue], prefetch=1) as busy,
            broker.consume([queue], prefetch=1) as idle,
        ):
            await broker.publish(outgoing(queue, *numbered(2)))
            kept = await self.receive(busy, 1)
            await self.receive(idle, 1)
            await broker.publish(outgoing(queue, *numbered(5)))
            await self.holds(broker, queue, ready=5, unacked=2, consumers=2)
            await busy.ack(kept)
            assert bodies(await self.receive(busy, 1)) == [b"0"]

    async def test_a_cancelled_wait_loses_no_message(self, broker: Broker, queue: str) -> None:
        received: Counter[bytes] = Counter()
        async with broker.consume([queue], prefetch=10) as consumer:
            for number, steps in enumerate([0, 1, 2, 3, 4, 5, 6, 8, 10] * 4):
                waiting = asyncio.create_task(consumer.batch(10))
                await asyncio.sleep(0)
                await broker.publish(outgoing(queue, b"%d" % number))
                for _ in range(steps):
                    await asyncio.sleep(0)
                waiting.cancel()
                received.update(bodies(await self.outcome(consumer, waiting)))
            while received.total() < 36:
                received.update(bodies(await self.ack_next(consumer)))
            await self.holds(broker, queue, ready=0, consumers=1)
        assert received == Counter(numbered(36))

    async def outcome(
        self, consumer: Consumer, waiting: asyncio.Task[list[Delivery]]
    ) -> list[Delivery]:
        """Ack and return what a batch gave that was cancelled, perhaps too late."""
        await asyncio.wait([waiting])
        deliveries = [] if waiting.cancelled() else waiting.result()
        await consumer.ack(deliveries)
        return deliveries

    async def ack_next(self, consumer: Consumer) -> list[Delivery]:
        """Ack and return what comes next."""
        deliveries = await soon(consumer.batch(10), within=self.patience)
        await consumer.ack(deliveries)
        return deliveries

    async def test_leaving_while_a_message_arrives_loses_no_message(
        self, broker: Broker, queue: str
    ) -> None:
        for number, steps in enumerate([0, 1, 2, 3, 5, 8]):

            async def consume_one() -> list[bytes]:
                async with broker.consume([queue], prefetch=10) as consumer:
                    deliveries = await consumer.batch(10)
                    await consumer.ack(deliveries)
                    return bodies(deliveries)

            leaving = asyncio.create_task(consume_one())
            await eventually(
                lambda: broker.depth(queue), lambda d: d.consumers == 1, within=self.patience
            )
            await broker.publish(outgoing(queue, b"%d" % number))
            for _ in range(steps):
                await asyncio.sleep(0)
            leaving.cancel()
            await asyncio.wait([leaving])
            rest = bodies(await self.drain(broker, queue))
            received = [] if leaving.cancelled() else leaving.result()
            assert received + rest == [b"%d" % number]

    async def test_a_cancelled_consumer_takes_no_more_messages(
        self, broker: Broker, queue: str
    ) -> None:
        async with broker.consume([queue], prefetch=10) as consumer:
            waiting = asyncio.create_task(consumer.batch(1))
            await asyncio.sleep(0)
            await consumer.cancel()
            with pytest.raises(Unavailable):
                await soon(waiting, within=self.patience)
            await broker.publish(outgoing(queue, b"for another"))
            with pytest.raises(Unavailable):
                await soon(consumer.batch(1), within=self.patience)
            assert bodies(await self.drain(broker, queue)) == [b"for another"]

    async def test_acking_after_a_cancel_works(self, broker: Broker, queue: str) -> None:
        await broker.publish(outgoing(queue, *numbered(4)))
        async with broker.consume([queue], prefetch=4) as consumer:
            deliveries = await self.receive(consumer, 4)
            await consumer.cancel()
            await consumer.ack(deliveries[:2])
            await consumer.nack(deliveries[2:3])
            await self.holds(broker, queue, ready=1, unacked=1)
        assert bodies(await self.drain(broker, queue)) == [b"2", b"3"]

    async def test_a_cancelled_consumer_keeps_what_it_has_not_acked(
        self, broker: Broker, queue: str
    ) -> None:
        await broker.publish(outgoing(queue, b"kept"))
        async with broker.consume([queue], prefetch=1) as consumer:
            await self.receive(consumer, 1)
            await consumer.cancel()
            async with broker.consume([queue], prefetch=1) as other:
                await self.receive_nothing(other)
        assert bodies(await self.drain(broker, queue)) == [b"kept"]

    async def test_a_cancel_gives_back_what_no_batch_has_returned(
        self, broker: Broker, queue: str
    ) -> None:
        async with broker.consume([queue], prefetch=10) as consumer:
            await broker.publish(outgoing(queue, *numbered(5)))
            await self.holds(broker, queue, ready=0, unacked=5, consumers=1)
            kept = await self.receive(consumer, 2)
            await consumer.cancel()
            assert bodies(await self.drain(broker, queue)) == [b"2", b"3", b"4"]
            await consumer.ack(kept)
