"""Promises about queues and connections: exclusive queues, deletion, depth, lost connections,
observers."""

from __future__ import annotations

import asyncio

import pytest

from tork_core.errors import Conflict, Unavailable
from tork_core.interfaces.broker import Broker, Depth, Outgoing
from tork_core.testing._broker_base import BrokerSuite, bodies, numbered, outgoing
from tork_core.testing.waiting import eventually, soon


class QueuePromises(BrokerSuite):
    """See ``consume``, ``depth``, ``queues``, ``delete``, and what a lost connection does."""

    async def test_consuming_makes_the_queue(self, broker: Broker, queue: str) -> None:
        async with broker.consume([queue, f"x-{queue}"], prefetch=10) as consumer:
            messages = [
                Outgoing(queue, b"named", mandatory=True),
                Outgoing(f"x-{queue}", b"private", mandatory=True),
            ]
            assert await broker.publish(messages) == []
            received = await self.receive(consumer, 2)
            assert sorted(bodies(received)) == [b"named", b"private"]
        await broker.delete(f"x-{queue}")

    async def test_an_exclusive_queue_takes_no_second_consumer(
        self, broker: Broker, second: Broker, queue: str
    ) -> None:
        name = f"x-{queue}"
        async with broker.consume([name], prefetch=10, exclusive=True) as consumer:
            for connection in (broker, second):
                for exclusive in (True, False):
                    with pytest.raises(Conflict):
                        async with connection.consume([name], prefetch=1, exclusive=exclusive):
                            pass
            await broker.publish(outgoing(name, b"still mine"))
            assert bodies(await self.receive(consumer, 1)) == [b"still mine"]

    async def test_a_queue_with_a_consumer_becomes_nobodys_own(
        self, broker: Broker, second: Broker, queue: str
    ) -> None:
        async with broker.consume([queue], prefetch=1):
            with pytest.raises(Conflict):
                async with second.consume([queue], prefetch=1, exclusive=True):
                    pass

    async def test_an_exclusive_queue_is_deleted_with_its_consumer(
        self, broker: Broker, queue: str
    ) -> None:
        name = f"x-{queue}"
        async with broker.consume([name], prefetch=1, exclusive=True):
            await broker.publish(outgoing(name, *numbered(3)))
        await eventually(
            broker.queues,
            lambda depths: name not in [depth.name for depth in depths],
            within=self.patience,
        )
        message = Outgoing(name, b"too late", mandatory=True)
        assert await broker.publish([message]) == [message]

    async def test_a_depth_tells_what_a_queue_holds(self, broker: Broker, queue: str) -> None:
        await broker.publish(outgoing(queue, *numbered(5)))
        await self.holds(broker, queue, ready=5)
        async with broker.consume([queue], prefetch=2) as consumer:
            await self.receive(consumer, 2)
            await self.holds(broker, queue, ready=3, unacked=2, consumers=1)
        await self.holds(broker, queue, ready=5)

    async def test_a_queue_that_does_not_exist_is_empty(self, broker: Broker, queue: str) -> None:
        assert await broker.depth(queue) == Depth(name=queue)
        assert queue not in [depth.name for depth in await broker.queues()]

    async def test_queues_are_listed_by_name(self, broker: Broker, queue: str) -> None:
        names = [f"{queue}-{letter}" for letter in "dbac"]
        for count, name in enumerate(names, 1):
            await broker.publish(outgoing(name, *numbered(count)))
        for count, name in enumerate(names, 1):
            await self.holds(broker, name, ready=count)
        listed = [depth for depth in await broker.queues() if depth.name in names]
        assert [(depth.name, depth.ready) for depth in listed] == sorted(
            (name, count) for count, name in enumerate(names, 1)
        )

    async def test_a_deleted_queue_loses_its_messages(self, broker: Broker, queue: str) -> None:
        await broker.publish(outgoing(queue, *numbered(3)))
        await broker.delete(queue)
        await broker.publish(outgoing(queue, b"later"))
        assert bodies(await self.drain(broker, queue)) == [b"later"]

    async def test_deleting_an_unknown_queue_is_fine(self, broker: Broker, queue: str) -> None:
        await broker.delete(queue)
        await broker.delete(queue)

    async def test_a_deletion_ends_the_consumers_of_the_queue(
        self, broker: Broker, second: Broker, queue: str
    ) -> None:
        other = f"{queue}-other"
        await broker.publish(outgoing(other, *numbered(2)))
        async with second.consume([queue, other], prefetch=10) as consumer:
            await self.receive(consumer, 2)
            waiting = asyncio.create_task(consumer.batch(10))
            await asyncio.sleep(0)
            await broker.delete(queue)
            with pytest.raises(Unavailable):
                await soon(waiting, within=self.patience)
            with pytest.raises(Unavailable):
                await soon(consumer.batch(10), within=self.patience)
            again = await self.drain(broker, other)
            assert [(d.body, d.redelivered) for d in again] == [(b"0", True), (b"1", True)]

    async def test_a_lost_connection_gives_unacked_messages_back(
        self, broker: Broker, second: Broker, queue: str
    ) -> None:
        sent = numbered(6)
        await broker.publish(outgoing(queue, *sent))
        async with second.consume([queue], prefetch=4) as consumer:
            deliveries = await self.receive(consumer, 3)
            await consumer.ack(deliveries[1:2])
            await self.cut(second)
            await self.holds(broker, queue, ready=5)
            again = await self.drain(broker, queue)
            assert bodies(again) == [b"0", b"2", b"3", b"4", b"5"]
            assert [delivery.redelivered for delivery in again[:2]] == [True, True]
            with pytest.raises(Unavailable):
                await consumer.ack(deliveries[:1])

    async def test_a_lost_connection_ends_its_consumers(self, second: Broker, queue: str) -> None:
        async with second.consume([queue], prefetch=1) as consumer:
            waiting = asyncio.create_task(consumer.batch(1))
            await asyncio.sleep(0)
            await self.cut(second)
            with pytest.raises(Unavailable):
                await soon(waiting, within=self.patience)
            with pytest.raises(Unavailable):
                await soon(consumer.batch(1), within=self.patience)
            with pytest.raises(Unavailable):
                await consumer.nack([])

    async def test_a_lost_connection_is_told_to_its_publishers(
        self, broker: Broker, second: Broker, queue: str
    ) -> None:
        await self.cut(second)
        with pytest.raises(Unavailable):
            await soon(second.publish(outgoing(queue, b"lost")), within=self.patience)
        with pytest.raises(Unavailable):
            await soon(second.depth(queue), within=self.patience)
        assert await self.drain(broker, queue) == []

    async def test_a_lost_connection_deletes_its_exclusive_queues(
        self, broker: Broker, second: Broker, queue: str
    ) -> None:
        name = f"x-{queue}"
        async with second.consume([name], prefetch=1, exclusive=True):
            await self.cut(second)
            await eventually(
                broker.queues,
                lambda depths: name not in [depth.name for depth in depths],
                within=self.patience,
            )


class ObservingPromises(BrokerSuite):
    """See :meth:`tork_core.interfaces.broker.Broker.observe`."""

    async def test_an_observer_takes_nothing_away(self, broker: Broker, queue: str) -> None:
        sent = numbered(3)
        async with broker.observe([queue]) as observer:
            await broker.publish(outgoing(queue, *sent))
            copies = await self.receive(observer, 3)
            assert bodies(copies) == sent
            assert {copy.queue for copy in copies} == {queue}
            await observer.ack(copies)
            await observer.nack(copies)
            await self.receive_nothing(observer)
        assert bodies(await self.drain(broker, queue)) == sent

    async def test_every_observer_gets_its_own_copy(
        self, broker: Broker, second: Broker, queue: str
    ) -> None:
        async with broker.observe([queue]) as one, second.observe([queue]) as two:
            await broker.publish(outgoing(queue, *numbered(3)))
            for observer in (one, two):
                assert bodies(await self.receive(observer, 3)) == numbered(3)

    async def test_an_observer_sees_its_topics_only(self, broker: Broker, queue: str) -> None:
        topics = [f"{queue}-a", f"{queue}-b"]
        async with broker.observe(topics) as observer:
            for topic in ("a", "c", "b"):
                await broker.publish(outgoing(f"{queue}-{topic}", topic.encode()))
            copies = await self.receive(observer, 2)
            assert [(copy.queue, copy.body) for copy in copies] == [
                (topics[0], b"a"),
                (topics[1], b"b"),
            ]
            await self.receive_nothing(observer)

    async def test_an_observer_sees_what_reaches_no_queue(self, broker: Broker, queue: str) -> None:
        name = f"x-{queue}"
        async with broker.observe([name]) as observer:
            await broker.publish(outgoing(name, b"to nobody"))
            assert bodies(await self.receive(observer, 1)) == [b"to nobody"]

    async def test_a_slow_observer_loses_the_oldest_copies(
        self, broker: Broker, queue: str
    ) -> None:
        count = 30_000
        async with broker.observe([queue]) as observer:
            for start in range(0, count, 1000):
                messages = [
                    Outgoing(queue, b"%d" % number, deliver=False)
                    for number in range(start, start + 1000)
                ]
                await soon(broker.publish(messages), within=self.patience)
            seen: list[int] = []
            while count - 1 not in seen[-1:]:
                copies = await soon(observer.batch(1000), within=self.patience)
                seen += [int(copy.body) for copy in copies]
            assert seen[-1000:] == list(range(count - 1000, count))
            assert seen == sorted(seen)

    async def test_an_observer_that_leaves_leaves_nothing_behind(
        self, broker: Broker, queue: str
    ) -> None:
        before = len(await broker.queues())
        async with broker.observe([queue]) as observer:
            await observer.cancel()
            with pytest.raises(Unavailable):
                await soon(observer.batch(1), within=self.patience)
        await eventually(broker.queues, lambda depths: len(depths) == before, within=self.patience)
