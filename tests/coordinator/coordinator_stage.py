"""A coordinator on in-memory services that fail on demand, and a worker played by the test."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec
from tork_memory.broker import MemoryBroker
from tork_memory.datastore import MemoryDatastore
from tork_memory.queues import MemoryQueues
from tork_memory.store import MemoryStore

from tests.coordinator.job_story import EPOCH, rules
from tork_core.coordinator.coordinator import Coordinator
from tork_core.coordinator.decisions.rules import Rules
from tork_core.dead_letters import DeadLetter
from tork_core.errors import Unavailable
from tork_core.interfaces.broker import Consumer, Delivery, Outgoing
from tork_core.interfaces.datastore import Committed, JobChange, Loaded
from tork_core.interfaces.environment import Environment
from tork_core.model.job import Job, JobId, LogPart, Task, TaskId
from tork_core.model.messages import (
    COMPLETED,
    DEAD,
    ERROR,
    HEARTBEAT,
    LOGS,
    STARTED,
    ClaimItem,
    Claims,
    Heartbeat,
    LogParts,
    Message,
    Orders,
    ReportItem,
    Reports,
    TaskMessage,
    decoder,
    encode,
    node_queue,
)
from tork_core.model.node import Node, NodeKind
from tork_core.settings.core import CoordinatorSettings
from tork_core.testing.waiting import eventually

_decode_task = decoder(TaskMessage)
_decode_orders = decoder(Orders)

WITHIN = 60.0
"""Seconds, virtual ones, in which what must happen has to."""


class FailingBroker(MemoryBroker):
    """A connection whose publishes fail on demand: before the broker has the messages, or after.

    ``drop`` chooses messages that get lost on their way.
    """

    def __init__(self, queues: MemoryQueues) -> None:
        super().__init__(queues)
        self.failures = 0
        self.unsure = 0
        self.drop: Callable[[Outgoing], bool] = lambda _: False
        self.published: list[Outgoing] = []
        self.publishes = 0

    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        self.publishes += 1
        await asyncio.sleep(0)
        if self.failures > 0:
            self.failures -= 1
            raise Unavailable("broker", "is away")
        arriving = [message for message in messages if not self.drop(message)]
        self.published += arriving
        returned = await super().publish(arriving)
        if self.unsure > 0:
            self.unsure -= 1
            raise Unavailable("broker", "did not confirm")
        return returned


class FailingDatastore(MemoryDatastore):
    """A connection that is away on demand, and whose commits others may overtake."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.away = False
        self.overtake: Callable[[Sequence[JobChange]], Awaitable[None]] | None = None
        self.commits: list[list[JobId]] = []
        self.loads = 0
        self.locks: list[str] = []
        self.unsure = 0
        self.fault: Exception | None = None

    async def load(self, keys: object) -> Loaded:
        self.loads += 1
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable("datastore", "is away")
        return await super().load(keys)  # type: ignore[arg-type]

    async def commit(self, changes: Sequence[JobChange]) -> Committed:
        await asyncio.sleep(0)
        if self.away:
            raise Unavailable("datastore", "is away")
        self.commits.append([change.job.id for change in changes])
        if self.overtake is not None:
            await self.overtake(changes)
        committed = await super().commit(changes)
        if self.unsure > 0:
            self.unsure -= 1
            raise Unavailable("datastore", "did not answer")
        return committed

    async def append_log(self, parts: Sequence[LogPart]) -> None:
        if self.away:
            raise Unavailable("datastore", "is away")
        await super().append_log(parts)

    async def lease(self, name: str, holder: str, seconds: float) -> bool:
        if name != "sweeper":
            self.locks.append(f"take {name}")
        return await super().lease(name, holder, seconds)

    async def release(self, name: str, holder: str) -> None:
        self.locks.append(f"release {name}")
        await super().release(name, holder)


class Stage:
    """The services, and any number of coordinators on them."""

    def __init__(self) -> None:
        clock = asyncio.get_running_loop().time
        self.environment = Environment(clock=lambda: EPOCH + clock(), random=random.Random(1))
        self.queues = MemoryQueues()
        self.store = MemoryStore(self.environment)
        self.tasks: list[asyncio.Task[None]] = []

    def coordinator(
        self,
        given: Rules | None = None,
        settings: CoordinatorSettings | None = None,
        *,
        alone: bool = False,
    ) -> tuple[Coordinator, FailingBroker, FailingDatastore]:
        """A coordinator with connections of its own, not running yet."""
        broker, datastore = FailingBroker(self.queues), FailingDatastore(self.store)
        coordinator = Coordinator(
            broker,
            datastore,
            given or rules(),
            self.environment,
            settings or CoordinatorSettings(),
            alone=alone,
        )
        return coordinator, broker, datastore

    def start(self, coordinator: Coordinator) -> asyncio.Task[None]:
        """Let a coordinator run."""
        task = asyncio.create_task(coordinator.run())
        self.tasks.append(task)
        return task

    def lose_broker(self) -> None:
        """Begin with an empty broker, as the next process does that has it in its memory."""
        self.queues = MemoryQueues()

    async def stop(self, task: asyncio.Task[None]) -> None:
        """Stop a coordinator."""
        task.cancel()
        await asyncio.wait([task])

    # -- looking

    def job(self, job_id: JobId) -> Job:
        view = self.store.view(job_id, ())
        assert view is not None
        return view.job

    def tasks_of(self, job_id: JobId) -> list[Task]:
        record = self.store.record(job_id)
        assert record is not None
        return [item.task for item in record.tasks]

    def task(self, job_id: JobId, task_id: TaskId) -> Task:
        view = self.store.view(job_id, [task_id])
        assert view is not None
        return view.tasks[task_id]

    async def until(self, look: Callable[[], object], *, within: float = WITHIN) -> None:
        """Wait until something is so."""

        async def seen() -> object:
            return look()

        await eventually(seen, bool, within=within)

    def depth(self, queue: str) -> tuple[int, int]:
        """How many messages wait in a queue, and how many are delivered and unacked."""
        found = self.queues.find(queue)
        return (found.depth().ready, found.depth().unacked) if found else (0, 0)

    async def publish(self, queue: str, body: bytes | Message) -> None:
        """Publish as anybody may."""
        data = body if isinstance(body, bytes) else encode(body)
        await MemoryBroker(self.queues).publish([Outgoing(queue, data)])

    async def dead_letters(self, count: int) -> list[DeadLetter]:
        """Wait for so many dead letters, and return them."""
        await self.until(lambda: self.depth(DEAD)[0] >= count)
        broker = MemoryBroker(self.queues)
        async with broker.consume([DEAD], prefetch=100) as consumer:
            found = await consumer.batch(100)
            await consumer.ack(found)
        return [msgspec.json.decode(delivery.body, type=DeadLetter) for delivery in found]


@asynccontextmanager
async def open_stage() -> AsyncGenerator[Stage]:
    """Open the services; whatever runs on them is stopped at the end."""
    stage = Stage()
    try:
        yield stage
    finally:
        for task in stage.tasks:
            await stage.stop(task)


class Hand:
    """A worker, played by the test: it takes tasks, and says what it is told to say."""

    def __init__(self, stage: Stage, node: str, orders: Consumer, tasks: Consumer | None) -> None:
        self.stage = stage
        self.node = node
        self.beats = 0
        self.orders: list[Orders] = []
        self._orders = orders
        self._tasks = tasks
        self._broker = MemoryBroker(stage.queues)
        self._reader = asyncio.create_task(self._read())

    async def _read(self) -> None:
        while True:
            deliveries = await self._orders.batch(100)
            self.orders += [_decode_orders(delivery.body) for delivery in deliveries]
            await self._orders.ack(deliveries)

    def close(self) -> None:
        self._reader.cancel()

    # -- what it was told

    @property
    def granted(self) -> list[int]:
        return [number for orders in self.orders for number in orders.granted]

    @property
    def stopped(self) -> list[int]:
        return [number for orders in self.orders for number in orders.stopped]

    @property
    def settled(self) -> list[int]:
        return [number for orders in self.orders for number in orders.settled]

    @property
    def lost(self) -> bool:
        return any(orders.lost for orders in self.orders)

    async def until(self, look: Callable[[Hand], object], *, within: float = WITHIN) -> None:
        """Wait until something is so."""
        await self.stage.until(lambda: look(self), within=within)

    # -- what it does

    async def take(self, count: int = 1) -> list[TaskMessage]:
        """Wait for so many tasks, and take them off their queue."""
        found: list[TaskMessage] = []
        assert self._tasks is not None
        while len(found) < count:
            async with asyncio.timeout(WITHIN):
                deliveries: list[Delivery] = await self._tasks.batch(count - len(found))
            found += [_decode_task(delivery.body) for delivery in deliveries]
            await self._tasks.ack(deliveries)
        return found

    async def claim(self, *items: ClaimItem) -> None:
        """Ask for attempts."""
        await self._send(STARTED, Claims(node=self.node, claims=list(items)))

    async def report(self, *items: ReportItem) -> None:
        """Report ends, all of them in one message."""
        failed = any(item.error is not None for item in items)
        message = Reports(node=self.node, reports=list(items))
        await self._send(ERROR if failed else COMPLETED, message)

    async def beat(self, *items: ClaimItem) -> None:
        """Say that it lives, and what it holds."""
        self.beats += 1
        row = Node(id=self.node, name=self.node, kind=NodeKind.WORKER, beat=self.beats)
        await self._send(HEARTBEAT, Heartbeat(node=row, claims=list(items)))

    async def print(self, *parts: LogPart) -> None:
        """Send log parts."""
        await self._send(LOGS, LogParts(parts=list(parts)))

    async def run(self, message: TaskMessage, number: int, output: str | None = None) -> None:
        """Claim a task, wait for the grant, complete it."""
        await self.claim(claim_of(message, number))
        await self.until(lambda hand: number in hand.granted)
        await self.report(report_of(message, number, output=output))

    async def _send(self, queue: str, message: Message) -> None:
        await self._broker.publish([Outgoing(queue, encode(message))])


@asynccontextmanager
async def open_hand(
    stage: Stage, node: str = "hand", queue: str | None = "default"
) -> AsyncGenerator[Hand]:
    """Let the test be a worker of this name, of this queue."""
    broker = MemoryBroker(stage.queues)
    async with broker.consume([node_queue(node)], prefetch=1000, exclusive=True) as orders:
        if queue is None:
            hand = Hand(stage, node, orders, None)
            try:
                yield hand
            finally:
                hand.close()
            return
        async with broker.consume([queue], prefetch=1000) as tasks:
            hand = Hand(stage, node, orders, tasks)
            try:
                yield hand
            finally:
                hand.close()


def claim_of(message: TaskMessage, number: int, beat: int = 0) -> ClaimItem:
    """A claim of a task that was taken."""
    return ClaimItem(
        job_id=message.job_id,
        task_id=message.task_id,
        attempt=message.attempt,
        number=number,
        beat=beat,
    )


def report_of(
    message: TaskMessage,
    number: int,
    *,
    output: str | None = None,
    error: str | None = None,
    log_parts: int | None = None,
) -> ReportItem:
    """A report of a task that was taken."""
    return ReportItem(
        job_id=message.job_id,
        task_id=message.task_id,
        attempt=message.attempt,
        number=number,
        output=output,
        error=error,
        log_parts=log_parts,
    )
