"""A node's connections to broker and datastore, with faults on them.

Every call is a point at which the node may crash or pause, before it has had its effect or after.
"""

from __future__ import annotations

import asyncio
import random
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, TypeVar

from tork_memory.broker import MemoryBroker
from tork_memory.datastore import MemoryDatastore

from tork_core.errors import Unavailable
from tork_core.interfaces.broker import Consumer, Delivery, Depth, Outgoing
from tork_core.interfaces.datastore import (
    Beat,
    Committed,
    Due,
    FeedItem,
    HeldTask,
    JobChange,
    Loaded,
    Waiting,
)
from tork_core.model.job import Event, JobId, JobRecord, LogPart, TaskId
from tork_core.model.messages import HEARTBEAT, Heartbeat, TaskMessage, decoder
from tork_core.model.node import Node as NodeRow
from tork_core.model.spec import TaskSpec

if TYPE_CHECKING:
    from tests.simulation.cluster import Machine, World

T = TypeVar("T")

PATIENCE = 5.0

EPOCH = 1_800_000_000.0
"""The datastore's time when a run begins, in seconds."""

_decode_beat = decoder(Heartbeat)
_decode_task = decoder(TaskMessage)


class Points:
    """The await points at which nodes were caught, and those at which they were crashed."""

    def __init__(self) -> None:
        self.seen: set[str] = set()
        self.crashed: set[str] = set()

    @property
    def share(self) -> float:
        """The share of points at which a crash was injected."""
        return len(self.crashed) / len(self.seen) if self.seen else 0.0


POINTS = Points()


def _place() -> str:
    """The engine's line that made the call, with the line that called it."""
    frame: Any = sys._getframe(3)
    lines: list[str] = []
    while frame is not None and len(lines) < 2:
        if "tork_core" in frame.f_code.co_filename:
            lines.append(f"{frame.f_code.co_filename.rsplit('tork_core', 1)[1]}:{frame.f_lineno}")
        frame = frame.f_back
    return " < ".join(lines)


class Wire:
    """What both connections share: latency, outages, crashes."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.world: World = machine.world
        self.random: random.Random = machine.world.network

    async def reach(self, service: str) -> None:
        """Take the way to a service: it may be away, the node may crash or pause on the way."""
        place = f"{service} {_place()}"
        POINTS.seen.add(place)
        await self._perils(place + " before")
        await asyncio.sleep(self.random.uniform(0.0002, 0.002))
        self.machine.check_alive()
        if self.world.is_away(service) or self.machine.is_cut_off(service):
            await asyncio.sleep(self.random.uniform(0.01, 1.0))
            raise Unavailable(service, "is away")
        if self.random.random() < self.world.faults.read_failed:
            raise Unavailable(service, "did not answer")

    async def back(self, service: str) -> None:
        """Come back from a service, with its answer."""
        await self._perils(f"{service} {_place()} after")
        await asyncio.sleep(self.random.uniform(0.0002, 0.002))
        self.machine.check_alive()

    async def _perils(self, place: str) -> None:
        crash, pause = self.machine.perils()
        POINTS.seen.add(place)
        draw = self.random.random()
        if draw < crash:
            POINTS.crashed.add(place)
            await self.machine.crash()
        elif draw < crash + pause:
            self.machine.pause(self.random.uniform(2.0, 40.0))


class SimBroker(Wire):
    """A connection to the broker that loses, doubles and delays."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self._inner = MemoryBroker(self.world.queues)

    def close(self) -> None:
        """Cut the connection; the next call opens another, if the machine lives."""
        self._inner.close()
        self._inner = MemoryBroker(self.world.queues)

    def die(self) -> None:
        """Cut the connection for good."""
        self._inner.close()

    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        await self.reach("broker")
        sent_at = self.machine.sent_at()
        unknown = self.random.random() < self.world.faults.publish_unknown
        taken = list(messages)
        if unknown:
            taken = taken[: self.random.randint(0, len(taken))]
        returned = await self._inner.publish(self._carried(taken))
        if unknown:
            raise Unavailable("broker", "did not confirm")
        await self.back("broker")
        if not returned:
            self._note_heartbeats(messages, sent_at)
        return returned

    def _carried(self, messages: list[Outgoing]) -> list[Outgoing]:
        """What arrives at once of what was sent."""
        faults, world = self.world.faults, self.world
        arriving: list[Outgoing] = []
        for message in messages:
            world.history.note("send", message.queue, len(message.body))
            if faults.honest and b'"ask":true' in message.body:
                self._check_resend(message)
            draw = self.random.random()
            if draw < faults.lost:
                world.history.counts["lost"] += 1
            elif draw < faults.lost + faults.delayed:
                world.history.counts["delayed"] += 1
                world.deliver_later(message, self.random.uniform(0.0, faults.longest_delay))
            else:
                arriving.append(message)
                if self.random.random() < faults.doubled:
                    world.history.counts["doubled"] += 1
                    world.deliver_later(message, self.random.uniform(0.0, faults.longest_delay))
        return arriving

    def _check_resend(self, message: Outgoing) -> None:
        """With an honest broker, what has been waiting in its queue must not be sent again.

        What has come back from a lost connection may, and what was published long after its
        commit, because its coordinator was cut off: it was missing from its queue for a time.
        """
        queue = self.world.queues.find(message.queue)
        task_id = _decode_task(message.body).task_id
        for level in queue._levels if queue else ():
            for copy in [*level.fresh, *(entry[1] for entry in level.returned)]:
                if copy.waits and not copy.redelivered and self._was_there(copy.body, task_id):
                    raise self.world.history.broken(
                        f"task {task_id} was sent again while it merely waited"
                    )

    def _was_there(self, body: bytes, task_id: TaskId) -> bool:
        """Whether this is a message of the task that came in time and has waited since."""
        copy = _decode_task(body)
        arrived, now = self.world.arrived[body], self.world.loop.time()
        in_time = EPOCH + arrived - copy.sent_at.timestamp() < PATIENCE
        return copy.task_id == task_id and in_time and now - arrived > PATIENCE

    def _note_heartbeats(self, messages: Sequence[Outgoing], sent_at: float) -> None:
        for message in messages:
            if message.queue == HEARTBEAT:
                beat = _decode_beat(message.body)
                self.world.history.heartbeats[beat.node.id] = sent_at

    @asynccontextmanager
    async def consume(
        self, queues: Sequence[str], *, prefetch: int, exclusive: bool = False
    ) -> AsyncIterator[Consumer]:
        await self.reach("broker")
        async with self._inner.consume(queues, prefetch=prefetch, exclusive=exclusive) as consumer:
            yield SimConsumer(self, consumer)

    @asynccontextmanager
    async def observe(self, topics: Sequence[str]) -> AsyncIterator[Consumer]:
        await self.reach("broker")
        async with self._inner.observe(topics) as consumer:
            yield SimConsumer(self, consumer)

    async def depth(self, queue: str) -> Depth:
        await self.reach("broker")
        return await self._inner.depth(queue)

    async def queues(self) -> list[Depth]:
        await self.reach("broker")
        return await self._inner.queues()

    async def delete(self, queue: str) -> None:
        await self.reach("broker")
        await self._inner.delete(queue)


class SimConsumer:
    """A consumer whose machine may be deaf, and whose acks may get lost."""

    def __init__(self, wire: SimBroker, inner: Consumer) -> None:
        self._wire = wire
        self._inner = inner

    async def batch(self, limit: int) -> list[Delivery]:
        found = await self._inner.batch(limit)
        wire = self._wire
        while wire.machine.is_deaf():  # noqa: ASYNC110 -- virtual time: it costs nothing
            await asyncio.sleep(0.5)
        await wire.back("broker")
        return found

    async def ack(self, deliveries: Sequence[Delivery]) -> None:
        wire = self._wire
        await wire.reach("broker")
        if wire.random.random() < wire.world.faults.ack_lost:
            wire.close()
            raise Unavailable("broker", "the connection broke before an ack")
        await self._inner.ack(deliveries)

    async def nack(self, deliveries: Sequence[Delivery]) -> None:
        await self._wire.reach("broker")
        await self._inner.nack(deliveries)

    async def cancel(self) -> None:
        await self._wire.reach("broker")
        await self._inner.cancel()


class SimDatastore(Wire):
    """A connection to the datastore whose answers may get lost."""

    def __init__(self, machine: Machine) -> None:
        super().__init__(machine)
        self._inner = MemoryDatastore(self.world.store)

    def die(self) -> None:
        """Cut the connection for good."""
        self._inner.close()

    async def _call(self, call: Callable[[], Awaitable[T]]) -> T:
        await self.reach("datastore")
        found = await call()
        await self.back("datastore")
        return found

    async def _write(self, call: Callable[[], Awaitable[T]]) -> T:
        """A write may be done, or not, and the answer get lost."""
        unknown = self.random.random() < self.world.faults.commit_unknown
        await self.reach("datastore")
        if unknown and self.random.random() < 0.5:
            raise Unavailable("datastore", "did not answer; nothing was written")
        found = await call()
        if unknown:
            raise Unavailable("datastore", "did not answer; it was written")
        await self.back("datastore")
        return found

    async def load(self, keys: Mapping[JobId, Collection[TaskId]]) -> Loaded:
        return await self._call(lambda: self._inner.load(keys))

    async def commit(self, changes: Sequence[JobChange]) -> Committed:
        return await self._write(lambda: self._inner.commit(changes))

    async def specs(self, keys: Collection[tuple[JobId, TaskId]]) -> dict[TaskId, TaskSpec]:
        return await self._call(lambda: self._inner.specs(keys))

    async def job(self, job_id: JobId) -> JobRecord | None:
        return await self._call(lambda: self._inner.job(job_id))

    async def events(self, job_id: JobId, *, after: int = 0, limit: int = 1000) -> list[Event]:
        return await self._call(lambda: self._inner.events(job_id, after=after, limit=limit))

    async def feed(self, after: int, limit: int) -> list[FeedItem]:
        return await self._call(lambda: self._inner.feed(after, limit))

    async def mark(self, name: str) -> int:
        return await self._call(lambda: self._inner.mark(name))

    async def move_mark(self, name: str, position: int) -> None:
        await self._write(lambda: self._inner.move_mark(name, position))

    async def append_log(self, parts: Sequence[LogPart]) -> None:
        await self._write(lambda: self._inner.append_log(parts))

    async def log(
        self, job_id: JobId, *, task_id: TaskId | None = None, after: int = 0, limit: int = 1000
    ) -> list[LogPart]:
        return await self._call(
            lambda: self._inner.log(job_id, task_id=task_id, after=after, limit=limit)
        )

    async def due(self, limit: int) -> Due:
        return await self._call(lambda: self._inner.due(limit))

    async def waiting(self) -> list[Waiting]:
        return await self._call(self._inner.waiting)

    async def overdue(
        self, queue: str, priority: int, *, published_before: Any, limit: int
    ) -> list[tuple[JobId, TaskId]]:
        return await self._call(
            lambda: self._inner.overdue(
                queue, priority, published_before=published_before, limit=limit
            )
        )

    async def running(self, nodes: Collection[str]) -> list[HeldTask]:
        return await self._call(lambda: self._inner.running(nodes))

    async def active(
        self, after: tuple[JobId, TaskId] | None, limit: int
    ) -> list[tuple[JobId, TaskId]]:
        return await self._call(lambda: self._inner.active(after, limit))

    async def claimants(self) -> list[str]:
        return await self._call(self._inner.claimants)

    async def beat(self, beats: Sequence[Beat], *, gap: float) -> list[NodeRow]:
        return await self._write(lambda: self._inner.beat(beats, gap=gap))

    async def nodes(self) -> tuple[Any, list[NodeRow]]:
        return await self._call(self._inner.nodes)

    async def expire(self, nodes: Mapping[str, Any]) -> list[str]:
        return await self._write(lambda: self._inner.expire(nodes))

    async def lease(self, name: str, holder: str, seconds: float) -> bool:
        return await self._write(lambda: self._inner.lease(name, holder, seconds))

    async def release(self, name: str, holder: str) -> None:
        await self._write(lambda: self._inner.release(name, holder))
