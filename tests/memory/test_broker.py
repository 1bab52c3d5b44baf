"""What is the in-memory broker's own: the loop's time, bounds, turns, messages given back."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest
from tork_memory.broker import OBSERVED, MemoryBroker, MemoryConsumer
from tork_memory.queues import MemoryQueues

from tork_core.errors import Unavailable
from tork_core.interfaces.broker import Delivery, Outgoing


class LoopTime:
    """Time of the running loop that is moved by hand."""

    def __init__(self) -> None:
        self.ahead = 0.0


@pytest.fixture
async def time(monkeypatch: pytest.MonkeyPatch) -> LoopTime:
    loop = asyncio.get_running_loop()
    moved, real = LoopTime(), loop.time
    monkeypatch.setattr(loop, "time", lambda: real() + moved.ahead)
    return moved


@pytest.fixture
def queues() -> MemoryQueues:
    return MemoryQueues()


@pytest.fixture
def broker(queues: MemoryQueues) -> Iterator[MemoryBroker]:
    broker = MemoryBroker(queues)
    yield broker
    broker.close()


def numbered(count: int) -> list[Outgoing]:
    return [Outgoing("q", b"%d" % number) for number in range(count)]


async def test_lifetimes_go_by_the_time_of_the_loop(broker: MemoryBroker, time: LoopTime) -> None:
    await broker.publish([Outgoing("q", b"short", lifetime=5), Outgoing("q", b"long", lifetime=50)])
    time.ahead += 6
    assert (await broker.depth("q")).ready == 1
    async with broker.consume(["q"], prefetch=5) as consumer:
        assert [delivery.body for delivery in await consumer.batch(5)] == [b"long"]


async def test_a_message_that_grows_old_in_a_consumer_is_dropped_too(
    broker: MemoryBroker, time: LoopTime
) -> None:
    async with broker.consume(["q"], prefetch=1) as consumer:
        await broker.publish([Outgoing("q", b"old", lifetime=5), Outgoing("q", b"next")])
        time.ahead += 6
        assert [delivery.body for delivery in await consumer.batch(5)] == [b"next"]


async def test_expired_messages_of_a_queue_that_nobody_reads_take_no_room(
    broker: MemoryBroker, queues: MemoryQueues, time: LoopTime
) -> None:
    for _ in range(5000):
        await broker.publish([Outgoing("q", b"beat", lifetime=5), Outgoing("r", b"", lifetime=900)])
        time.ahead += 0.1
    queue = queues.find("q")
    assert queue is not None
    assert (await broker.depth("q")).ready <= 50
    assert queue.entries < 300


async def test_an_observer_holds_a_bounded_number_of_copies(broker: MemoryBroker) -> None:
    async with broker.observe(["q"]) as observer:
        for _ in range(3):
            await broker.publish(numbered(OBSERVED // 2))
        copies = await observer.batch(10 * OBSERVED)
        assert len(copies) == OBSERVED


async def test_consumers_with_room_take_turns(broker: MemoryBroker) -> None:
    async with (
        broker.consume(["q"], prefetch=10) as one,
        broker.consume(["q"], prefetch=2) as two,
        broker.consume(["q"], prefetch=10) as three,
    ):
        await broker.publish(numbered(8))
        shares = [[int(d.body) for d in await c.batch(10)] for c in (one, two, three)]
        assert shares == [[0, 3, 6], [1, 4], [2, 5, 7]]


async def test_a_consumer_of_several_queues_takes_from_each_in_turn(broker: MemoryBroker) -> None:
    for name in ("full", "small"):
        await broker.publish([Outgoing(name, name.encode())] * (100 if name == "full" else 2))
    async with broker.consume(["full", "small"], prefetch=6) as consumer:
        bodies = [delivery.body for delivery in await consumer.batch(6)]
        assert bodies.count(b"small") == 2


async def test_a_consumer_with_a_full_queue_lets_others_have_their_turn(
    broker: MemoryBroker,
) -> None:
    await broker.publish(numbered(1000))
    turns = 0

    async def count_turns() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    async with broker.consume(["q"], prefetch=1) as consumer:
        for _ in range(1000):
            await consumer.ack(await consumer.batch(1))
    counting.cancel()
    assert turns >= 1000


async def test_what_is_given_back_goes_to_another_consumer_first(broker: MemoryBroker) -> None:
    async with (
        broker.consume(["q"], prefetch=1) as one,
        broker.consume(["q"], prefetch=1) as two,
    ):
        await broker.publish(numbered(1))
        await one.nack(await one.batch(1))
        (again,) = await two.batch(1)
        assert again.redelivered


async def test_a_connection_that_is_cut_takes_nothing_of_its_own_consumers(
    broker: MemoryBroker, queues: MemoryQueues
) -> None:
    other = MemoryBroker(queues)
    async with other.consume(["q"], prefetch=3), other.consume(["q"], prefetch=3) as waiting:
        await broker.publish(numbered(6))
        other.close()
        assert (await broker.depth("q")).ready == 6
        with pytest.raises(Unavailable):
            await waiting.batch(1)
        with pytest.raises(Unavailable):
            await waiting.ack([])
        await waiting.cancel()
    async with broker.consume(["q"], prefetch=6) as consumer:
        bodies = [delivery.body for delivery in await consumer.batch(6)]
        assert bodies == [b"0", b"1", b"2", b"3", b"4", b"5"]


async def test_nothing_is_left_of_an_exclusive_queue_that_was_made_anew(
    broker: MemoryBroker,
) -> None:
    async with broker.consume(["x-w"], prefetch=1, exclusive=True):
        await broker.delete("x-w")
        async with broker.consume(["x-w"], prefetch=1, exclusive=True):
            pass
        async with broker.consume(["x-w"], prefetch=1):
            pass
    assert [depth.name for depth in await broker.queues()] == ["x-w"]


async def test_two_readers_of_one_consumer_share_what_comes(broker: MemoryBroker) -> None:
    async with broker.consume(["q"], prefetch=10) as consumer:
        readers = [asyncio.create_task(consumer.batch(1)) for _ in range(3)]
        await asyncio.sleep(0)
        readers[0].cancel()
        await broker.publish(numbered(2))
        done, _ = await asyncio.wait(readers)
        bodies: list[Delivery] = []
        for reader in done:
            if not reader.cancelled():
                bodies += reader.result()
        assert sorted(delivery.body for delivery in bodies) == [b"0", b"1"]


async def test_waits_that_were_given_up_leave_nothing_behind(broker: MemoryBroker) -> None:
    async with broker.consume(["q"], prefetch=10) as consumer:
        assert isinstance(consumer, MemoryConsumer)
        for _ in range(100):
            waiting = asyncio.create_task(consumer.batch(1))
            await asyncio.sleep(0)
            waiting.cancel()
            await asyncio.wait([waiting])
        assert consumer.waits == 0
