"""One incarnation of a worker: a node with a lease, from its first heartbeat to its last."""

from __future__ import annotations

import asyncio
import copy
from collections.abc import Awaitable, Callable, Sequence
from enum import Enum

import msgspec
import structlog

from tork_core.errors import Unavailable
from tork_core.heartbeats import heartbeat_messages
from tork_core.interfaces.broker import Broker
from tork_core.interfaces.environment import Environment
from tork_core.model.messages import (
    Heartbeat,
    Orders,
    ReportItem,
    Undecodable,
    decoder,
    node_queue,
)
from tork_core.model.node import Node as NodeRow
from tork_core.model.node import NodeState
from tork_core.settings.core import CoordinatorSettings, WorkerSettings
from tork_core.supervision import Backoff, retrying, supervise
from tork_core.worker.attempts import Attempts, handed_back
from tork_core.worker.ledger import HandedBack, Ledger, Phase
from tork_core.worker.outbox import Outbox, report_messages
from tork_core.worker.shipping import Shipper
from tork_core.worker.slots import Node, Slot

_log = structlog.get_logger()
_decode = decoder(Orders)

HEALTH_PATIENCE = 2.0
"""Seconds that a runtime may take to say whether it can run tasks."""

SETTLING = 5.0
"""Seconds that a leaving worker waits for its last reports to be settled."""


class End(Enum):
    """Why an incarnation ended."""

    DRAINED = "drained"
    LAPSED = "no heartbeat reached the broker for too long"
    LOST = "the coordinators hold this node for lost"


class Estate(msgspec.Struct, frozen=True):
    """Reports that an incarnation leaves behind unsettled, for the next one to send."""

    node_id: str
    reports: Sequence[ReportItem]


class Incarnation:
    """Runs tasks until it is drained, or has lost its lease."""

    def __init__(
        self,
        row: NodeRow,
        broker: Broker,
        environment: Environment,
        attempts: Attempts,
        settings: WorkerSettings,
        cluster: CoordinatorSettings,
        inheritance: Sequence[Estate],
    ) -> None:
        self._row = row
        self._broker = broker
        self._environment = environment
        self._settings = settings
        self._cluster = cluster
        self._attempts = attempts
        self.inheritance = list(inheritance)
        """What earlier incarnations left to be reported, and is not sent yet."""
        self._ledger = Ledger()
        self._outbox = Outbox(row.id, self._ledger, broker, environment)
        self._shipper = Shipper(broker, environment, settings.log_interval)
        self._node = Node(
            broker,
            environment,
            self._ledger,
            self._outbox,
            self._shipper,
            attempts,
            ask_always=settings.claim == "always",
            lapse=cluster.lease - max(5.0, settings.stop_grace),
        )
        self._leased = asyncio.Event()
        self._listening = asyncio.Event()
        self._ending: asyncio.Future[End] = asyncio.get_running_loop().create_future()
        self._slots: list[tuple[Slot, asyncio.Task[None]]] = []

    def drain(self) -> None:
        """Take no more tasks, finish or hand back those that run, and end."""
        self._end(End.DRAINED)

    async def run(self) -> tuple[End, Estate]:
        """Work; returns why it ended, and what is left to be reported."""
        async with asyncio.TaskGroup() as group:

            def supervised(name: str, loop: Callable[[], Awaitable[None]]) -> asyncio.Task[None]:
                return group.create_task(supervise(name, loop, self._environment), name=name)

            loops = [
                supervised("orders", self._listen),
                supervised("outbox", self._outbox.flush),
                supervised("repeat", self._outbox.repeat),
                supervised("logs", self._shipper.run),
                supervised("early acks", self._node.early_acks.run),
                group.create_task(self._inherit(), name="inheritance"),
                group.create_task(self._watch_lease(), name="lease"),
                group.create_task(self._open_slots(group), name="slots"),
            ]
            beat = supervised("beat", self._beat)
            end = await self._ending
            _log.info("worker.ending", reason=end.value)
            if end is End.DRAINED:
                await self._leave()
            # A node that has lost its lease must not renew it while it stops.
            beat.cancel()
            if end is not End.DRAINED:
                await self._stop(end.value)
            for task in [*loops, *(task for _, task in self._slots)]:
                task.cancel()
        left = [held.report for held in self._ledger.all() if held.report is not None]
        return end, Estate(self._row.id, left)

    async def _open_slots(self, group: asyncio.TaskGroup) -> None:
        """Take tasks, once the lease is sure and the coordinators' orders are heard."""
        await self._leased.wait()
        await self._listening.wait()
        for queue, concurrency in self._settings.queues.items():
            for number in range(concurrency):
                slot = Slot(self._node, queue)
                loop = supervise(
                    f"slot {queue}/{number + 1}",
                    slot.run,
                    self._environment,
                    over=lambda: self._node.draining,
                )
                self._slots.append((slot, group.create_task(loop)))

    def _end(self, end: End) -> None:
        if not self._ending.done():
            self._ending.set_result(end)

    # -- the loops

    async def _listen(self) -> None:
        """Follow the coordinators' orders."""
        queue = node_queue(self._row.id)
        async with self._broker.consume([queue], prefetch=1000, exclusive=True) as consumer:
            self._listening.set()
            self._outbox.repeat_all()
            while True:
                deliveries = await consumer.batch(200)
                for delivery in deliveries:
                    try:
                        self._follow(_decode(delivery.body))
                    except Undecodable as error:
                        _log.error("message.undecodable", queue=queue, error=str(error))
                await consumer.ack(deliveries)

    def _follow(self, orders: Orders) -> None:
        for number in orders.stopped:
            self._ledger.close(number)
        for number in orders.granted:
            holding = self._ledger.get(number)
            if holding is not None:
                holding.grant()
        for number in orders.settled:
            self._ledger.close(number)
        if orders.lost:
            self._end(End.LOST)

    async def _beat(self) -> None:
        """Renew the lease, and list the claims that are held."""
        backoff = Backoff(self._environment, self._cluster.heartbeat_interval)
        while True:
            if await self._send_beat():
                self._leased.set()
                await asyncio.sleep(self._cluster.heartbeat_interval)
            else:
                _log.debug("worker.waiting", reason="no coordinator has been here yet")
                await backoff.wait()

    async def _send_beat(self, state: NodeState = NodeState.UP) -> bool:
        """Send a heartbeat; True if a queue took it, which renews the lease from its sending."""
        node = self._node
        health = await self._health() if state is NodeState.UP else state
        sent_at = asyncio.get_running_loop().time()
        held = self._ledger.all()
        node.beat += 1
        row = copy.copy(self._row)
        row.beat = node.beat
        row.state = health
        row.task_count = sum(holding.phase is Phase.GRANTED for holding in held)
        beat = Heartbeat(node=row, claims=[holding.item for holding in held])
        lifetime = self._cluster.heartbeat_interval
        messages = heartbeat_messages(beat, lifetime=lifetime, mandatory=True)
        if await self._broker.publish(messages):
            return False
        if sent_at < node.lapses_at:
            node.renewed_at = sent_at
        return True

    async def _health(self) -> NodeState:
        """UP, or DOWN if the runtime cannot run tasks now."""
        try:
            async with asyncio.timeout(HEALTH_PATIENCE):
                problem = await self._attempts.health()
        except TimeoutError:
            problem = f"no answer within {HEALTH_PATIENCE:g} s"
        if problem is None:
            return NodeState.UP
        _log.warning("runtime.down", problem=problem)
        return NodeState.DOWN

    async def _watch_lease(self) -> None:
        """End when no heartbeat has reached the broker for so long that the lease may run out."""
        clock = asyncio.get_running_loop().time
        while (left := self._node.lapses_at - clock()) > 0:  # noqa: ASYNC110 -- it moves on
            await asyncio.sleep(min(left, self._cluster.heartbeat_interval))
        self._end(End.LAPSED)
        # A worker that is leaving already may take its time over its tasks, but not beyond that.
        for holding in self._ledger.all():
            holding.hand_back(HandedBack(End.LAPSED.value))

    async def _inherit(self) -> None:
        """Send what earlier incarnations had left to report."""
        while self.inheritance:
            estate = self.inheritance[0]
            messages = report_messages(estate.node_id, estate.reports)
            await retrying(
                "inheritance",
                lambda messages=messages: self._broker.publish(messages),
                self._environment,
            )
            self.inheritance.remove(estate)

    # -- the ends

    async def _leave(self) -> None:
        """Finish what runs within the grace period, hand back the rest, and say good-bye."""
        self._stop_taking()
        for holding in self._ledger.all():
            if holding.phase is Phase.ASKING:
                holding.hand_back(HandedBack("its worker is leaving"))
        tasks = [task for _, task in self._slots]
        if tasks:
            await asyncio.wait(tasks, timeout=self._settings.grace)
        for holding in self._ledger.all():
            holding.hand_back(HandedBack("its worker is leaving"))
        if tasks:
            await asyncio.wait(tasks, timeout=self._settings.stop_grace + SETTLING)
        try:
            async with asyncio.timeout(SETTLING):
                await self._ledger.emptied()
                await self._send_beat(NodeState.OFFLINE)
        except (TimeoutError, Unavailable) as error:
            _log.warning("worker.left_unsettled", error=str(error))

    async def _stop(self, reason: str) -> None:
        """Stop everything at once: others may start it soon. The reports are left behind."""
        self._stop_taking()
        held = self._ledger.all()
        for holding in held:
            holding.hand_back(HandedBack(reason))
        for holding in held:
            await holding.left()
            if holding.give_back is not None and holding.report is None:
                holding.end(handed_back(holding, reason))

    def _stop_taking(self) -> None:
        self._node.draining = True
        for slot, task in self._slots:
            if slot.idle:
                task.cancel()
