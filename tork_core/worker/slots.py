"""Slots: each takes one message at a time, and holds it until its task's end is reported."""

from __future__ import annotations

import asyncio
from math import inf

import structlog
from structlog.contextvars import bind_contextvars, unbind_contextvars

from tork_core.dead_letters import dead_letter
from tork_core.errors import Unavailable
from tork_core.interfaces.broker import Broker, Consumer, Delivery
from tork_core.interfaces.environment import Environment
from tork_core.model.messages import TaskMessage, Undecodable, decoder
from tork_core.worker.attempts import Attempts, handed_back
from tork_core.worker.ledger import Holding, Ledger, Phase
from tork_core.worker.outbox import Outbox
from tork_core.worker.shipping import Shipper

_log = structlog.get_logger()
_decode = decoder(TaskMessage)

HOLD = 60.0
"""Seconds that a message may stay unacked: less than any broker's consumer timeout."""

FRESH = 2.0
"""A delivery that was sent longer ago (seconds) is not surely the first one."""

QUICK = 0.01
"""Seconds a doubtful worker waits with the claim of a task that it has started: the report of a
quick one claims it as well."""


class Node:
    """What all slots of one incarnation share."""

    def __init__(
        self,
        broker: Broker,
        environment: Environment,
        ledger: Ledger,
        outbox: Outbox,
        shipper: Shipper,
        attempts: Attempts,
        *,
        ask_always: bool,
        lapse: float,
    ) -> None:
        self.broker = broker
        self.environment = environment
        self.ledger = ledger
        self.outbox = outbox
        self.shipper = shipper
        self.attempts = attempts
        self.ask_always = ask_always
        self.early_acks = EarlyAcks()
        self.beat = 0
        """The number of the last heartbeat sent."""
        self.draining = False
        self._lapse = lapse
        self._clock = asyncio.get_running_loop().time
        self.renewed_at: float | None = None
        """When the last heartbeat that the broker took was sent (loop time); None before one."""

    @property
    def lapses_at(self) -> float:
        """When the lease is as good as lost, and tasks have to stop (loop time)."""
        return inf if self.renewed_at is None else self.renewed_at + self._lapse

    def may_claim(self) -> bool:
        """Whether new tasks may be taken: not without a lease, and not while leaving."""
        leased = self.renewed_at is not None and self._clock() < self.lapses_at
        return leased and not self.draining


class Slot:
    """One slot of a queue. ``idle`` while it waits for a message: then it may be cancelled."""

    def __init__(self, node: Node, queue: str) -> None:
        self._node = node
        self._queue = queue
        self.idle = True

    async def run(self) -> None:
        """Take and run tasks until the worker drains."""
        node = self._node
        while not node.draining:
            async with node.broker.consume([self._queue], prefetch=1) as consumer:
                await self._serve(consumer)

    async def _serve(self, consumer: Consumer) -> None:
        """Take tasks until the worker drains, or one has outlasted its message."""
        node = self._node
        while not node.draining:
            [delivery] = await consumer.batch(1)
            if not node.may_claim():
                await consumer.nack([delivery])
                return
            self.idle = False
            try:
                if await self._handle(consumer, delivery):
                    return
            finally:
                self.idle = True

    async def _handle(self, consumer: Consumer, delivery: Delivery) -> bool:
        """Handle one message; True if a new consumer is needed."""
        node = self._node
        try:
            message = _decode(delivery.body)
        except Undecodable as error:
            _log.error("message.undecodable", queue=self._queue, error=str(error))
            await node.broker.publish([dead_letter(delivery, str(error))])
            await consumer.ack([delivery])
            return False
        bind_contextvars(job=message.job_id, task=message.task_id, attempt=message.attempt)
        holding = self._claim(message, delivery)
        try:
            return await self._run(message, holding, delivery, consumer)
        finally:
            if holding.report is None:
                node.ledger.close(holding.number)
            unbind_contextvars("job", "task", "attempt")

    def _claim(self, message: TaskMessage, delivery: Delivery) -> Holding:
        node = self._node
        holding = node.ledger.open(message.job_id, message.task_id, message.attempt, node.beat)
        if self._surely_first(message, delivery):
            holding.start_unasked()
            asyncio.get_running_loop().call_later(QUICK, self._ask_late, holding)
        else:
            node.outbox.send(holding)
        return holding

    def _ask_late(self, holding: Holding) -> None:
        if holding.phase is not Phase.REPORTED:
            self._node.outbox.send(holding)

    def _surely_first(self, message: TaskMessage, delivery: Delivery) -> bool:
        if self._node.ask_always or message.ask or delivery.redelivered:
            return False
        age = self._node.environment.clock() - message.sent_at.timestamp()
        return abs(age) < FRESH

    async def _run(
        self, message: TaskMessage, holding: Holding, delivery: Delivery, consumer: Consumer
    ) -> bool:
        """Run one attempt and ack its message; True if the message was acked before the end."""
        node = self._node
        early = node.early_acks.expect(consumer, delivery)
        try:
            await self._attempt(message, holding)
            if holding.give_back is not None:
                holding.end(handed_back(holding, str(holding.give_back)))
            if holding.report is not None:
                node.outbox.send(holding)
                await holding.delivered()
        finally:
            node.early_acks.forget(early)
        if early.done:
            return True
        await consumer.ack([delivery])
        return False

    async def _attempt(self, message: TaskMessage, holding: Holding) -> None:
        """Run the attempt in this task; a stop cancels it, and is over when it has ended."""
        task = asyncio.current_task()
        assert task is not None
        try:
            holding.enter()
            await self._node.attempts.run(message, holding, self._node.shipper)
        except asyncio.CancelledError:
            if not holding.stopping or task.uncancel():
                raise
        finally:
            holding.leave()


class EarlyAck:
    """A message that is held while its task runs; ``done`` once it was acked early."""

    def __init__(self, consumer: Consumer, delivery: Delivery, due: float) -> None:
        self.consumer = consumer
        self.delivery = delivery
        self.due = due
        self.done = False


class EarlyAcks:
    """Takes long tasks' messages off the queue while the tasks run on.

    The consumer is cancelled first: a slot must not be given a message that it cannot start.
    """

    def __init__(self) -> None:
        self._clock = asyncio.get_running_loop().time
        self._held: dict[EarlyAck, None] = {}

    def expect(self, consumer: Consumer, delivery: Delivery) -> EarlyAck:
        """Ack the message when it has been held for too long."""
        early = EarlyAck(consumer, delivery, self._clock() + HOLD)
        self._held[early] = None
        return early

    def forget(self, early: EarlyAck) -> None:
        """The task has ended."""
        self._held.pop(early, None)

    async def run(self) -> None:
        """Ack what is due, until cancelled."""
        while True:
            await asyncio.sleep(1.0)
            now = self._clock()
            for early in [early for early in self._held if early.due <= now]:
                self.forget(early)
                early.done = True
                try:
                    await early.consumer.cancel()
                    await early.consumer.ack([early.delivery])
                except Unavailable as error:
                    # It comes again elsewhere, and is refused: no reason to end its task.
                    _log.info("ack.failed", error=str(error))
