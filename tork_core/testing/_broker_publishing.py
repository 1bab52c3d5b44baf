"""Promises about publishing: what arrives, in which order, what is handed back, what expires."""

from __future__ import annotations

from tork_core.interfaces.broker import Broker, Outgoing
from tork_core.testing._broker_base import BrokerSuite, bodies, numbered, outgoing
from tork_core.testing.waiting import eventually, soon


class PublishingPromises(BrokerSuite):
    """See :meth:`tork_core.interfaces.broker.Broker.publish`."""

    async def test_a_message_arrives_as_it_was_published(self, broker: Broker, queue: str) -> None:
        sent = [b"plain", b"", bytes(range(256)), b"x" * 300_000]
        await broker.publish(outgoing(queue, *sent))
        async with broker.consume([queue], prefetch=10) as consumer:
            deliveries = await self.receive(consumer, len(sent))
            assert bodies(deliveries) == sent
            assert {delivery.queue for delivery in deliveries} == {queue}
            assert not any(delivery.redelivered for delivery in deliveries)

    async def test_a_message_reaches_consumers_on_other_connections(
        self, broker: Broker, second: Broker, queue: str
    ) -> None:
        async with second.consume([queue], prefetch=10) as consumer:
            await broker.publish(outgoing(queue, b"across"))
            assert bodies(await self.receive(consumer, 1)) == [b"across"]

    async def test_messages_arrive_in_the_order_of_publishing(
        self, broker: Broker, queue: str
    ) -> None:
        sent = numbered(60)
        await broker.publish(outgoing(queue, *sent[:30]))
        async with broker.consume([queue], prefetch=100) as consumer:
            await broker.publish(outgoing(queue, *sent[30:]))
            assert bodies(await self.receive(consumer, 60)) == sent

    async def test_a_higher_priority_goes_first_and_keeps_its_own_order(
        self, broker: Broker, queue: str
    ) -> None:
        await broker.publish(
            [
                Outgoing(queue, b"%d-%d" % (priority, number), priority=priority)
                for number in range(3)
                for priority in (0, 9, 5)
            ]
        )
        async with broker.consume([queue], prefetch=100) as consumer:
            assert bodies(await self.receive(consumer, 9)) == [
                b"%d-%d" % (priority, number) for priority in (9, 5, 0) for number in range(3)
            ]

    async def test_each_message_is_delivered_once(self, broker: Broker, queue: str) -> None:
        sent = numbered(1000)
        async with broker.consume([queue], prefetch=50) as consumer:
            await broker.publish(outgoing(queue, *sent))
            received: list[bytes] = []
            while len(received) < len(sent):
                deliveries = await self.receive(consumer, 1)
                received += bodies(deliveries)
                await consumer.ack(deliveries)
            await self.receive_nothing(consumer)
        assert received == sent

    async def test_a_publish_makes_the_queue(self, broker: Broker, queue: str) -> None:
        assert await broker.publish(outgoing(queue, b"first")) == []
        await self.holds(broker, queue, ready=1)
        assert queue in [depth.name for depth in await broker.queues()]

    async def test_a_publish_makes_no_queue_of_a_worker(self, broker: Broker, queue: str) -> None:
        assert await broker.publish(outgoing(f"x-{queue}", b"to nobody")) == []
        async with broker.consume([f"x-{queue}"], prefetch=1) as consumer:
            await self.receive_nothing(consumer)

    async def test_a_mandatory_message_that_no_queue_takes_is_handed_back(
        self, broker: Broker, queue: str
    ) -> None:
        homeless = Outgoing(f"{queue}-nowhere", b"anybody?", mandatory=True)
        private = Outgoing(f"x-{queue}", b"worker?", mandatory=True)
        welcome = outgoing(queue, b"to a queue")
        assert await broker.publish([homeless, *welcome, private]) == [homeless, private]
        assert bodies(await self.drain(broker, queue)) == [b"to a queue"]
        assert homeless.queue not in [depth.name for depth in await broker.queues()]

    async def test_a_mandatory_message_is_taken_by_a_queue_without_consumers(
        self, broker: Broker, queue: str
    ) -> None:
        async with broker.consume([queue], prefetch=1):
            pass
        message = Outgoing(queue, b"kept", mandatory=True)
        assert await broker.publish([message]) == []
        assert bodies(await self.drain(broker, queue)) == [b"kept"]

    async def test_an_observer_is_no_queue_that_takes_a_mandatory_message(
        self, broker: Broker, queue: str
    ) -> None:
        async with broker.observe([queue]):
            message = Outgoing(queue, b"seen only", mandatory=True)
            assert await broker.publish([message]) == [message]

    async def test_a_message_not_to_deliver_reaches_observers_only(
        self, broker: Broker, queue: str
    ) -> None:
        async with (
            broker.observe([queue]) as observer,
            broker.consume([queue], prefetch=1) as consumer,
        ):
            hop = Outgoing(queue, b"not taken", deliver=False)
            other = Outgoing(f"{queue}-other", b"not taken", deliver=False, mandatory=True)
            assert await broker.publish([hop, other]) == []
            assert bodies(await self.receive(observer, 1)) == [b"not taken"]
            await self.receive_nothing(consumer)
        assert f"{queue}-other" not in [depth.name for depth in await broker.queues()]

    async def test_publishing_waits_for_no_consumer(self, broker: Broker, queue: str) -> None:
        async with broker.consume([queue], prefetch=1):
            for _ in range(20):
                await soon(
                    broker.publish([Outgoing(queue, b"x" * 1000)] * 100), within=self.patience
                )
            await self.holds(broker, queue, ready=1999, unacked=1, consumers=1)

    async def test_a_message_older_than_its_lifetime_is_dropped(
        self, broker: Broker, queue: str
    ) -> None:
        await broker.publish(
            [
                Outgoing(queue, b"short", lifetime=0.1),
                Outgoing(queue, b"for ever"),
                Outgoing(queue, b"short too", lifetime=0.1),
                Outgoing(queue, b"long", lifetime=60),
            ]
        )
        await self.holds_after_a_lifetime(broker, queue)
        assert bodies(await self.drain(broker, queue)) == [b"for ever", b"long"]

    async def holds_after_a_lifetime(self, broker: Broker, queue: str) -> None:
        """Wait until the short ones are gone. Override it where a broker drops a message only
        once it has come to the front: then the second short one is still counted."""
        await self.holds(broker, queue, ready=2)

    async def test_a_message_that_was_given_back_keeps_its_lifetime(
        self, broker: Broker, queue: str
    ) -> None:
        lifetime = 0.5
        async with broker.consume([queue], prefetch=1) as consumer:
            await broker.publish([Outgoing(queue, b"short", lifetime=lifetime)])
            await consumer.nack(await self.receive(consumer, 1))
            await consumer.cancel()
            await eventually(
                lambda: broker.depth(queue),
                lambda depth: depth.ready + depth.unacked == 0,
                within=lifetime + self.patience,
            )
        assert await self.drain(broker, queue) == []
