"""The message loop: takes what is there, decides it as one batch, publishes, acks."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import msgspec
import structlog

from tork_core.coordinator.deciding import Decided, Decider
from tork_core.coordinator.decisions.draft import Order, Verdict
from tork_core.coordinator.decisions.inputs import Claimed, Input, Nudged, Reported, Ripened
from tork_core.coordinator.publishing import Publisher, order_messages
from tork_core.dead_letters import dead_letter
from tork_core.errors import Unavailable
from tork_core.interfaces.broker import Broker, Consumer, Delivery, Outgoing
from tork_core.interfaces.environment import Environment
from tork_core.model.job import Claim, JobId
from tork_core.model.messages import (
    COMPLETED,
    ERROR,
    JOBS,
    PENDING,
    STARTED,
    Claims,
    Hint,
    Message,
    Reports,
    Undecodable,
    decoder,
    encode,
)
from tork_core.supervision import retrying

_log = structlog.get_logger()

OVERLAP = 4
"""How many batches may be publishing while the next one is decided."""


class Part(msgspec.Struct):
    """One input of a message, and the message that would carry it alone."""

    job_id: JobId
    input: Input
    queue: str
    alone: Message


class Intake:
    """Consumes the coordinator's queues."""

    def __init__(
        self,
        broker: Broker,
        decider: Decider,
        publisher: Publisher,
        environment: Environment,
        *,
        batch: int = 200,
        failures: int = 3,
    ) -> None:
        self._broker = broker
        self._decider = decider
        self._publisher = publisher
        self._environment = environment
        self._batch = batch
        self._failures = failures

    async def run(self) -> None:
        """Handle messages until the consumer is gone (Unavailable) or the loop is cancelled."""
        async with self._broker.consume(list(_READERS), prefetch=2 * self._batch) as consumer:
            async with asyncio.TaskGroup() as sends:
                gone = await self._take(consumer, sends)
            raise gone

    async def _take(self, consumer: Consumer, sends: asyncio.TaskGroup) -> Unavailable:
        """Take batches until the consumer is gone. What was decided by then is still published:
        only a crash leaves that to the sweeper."""
        room = asyncio.Semaphore(OVERLAP)
        while True:
            try:
                deliveries = await consumer.batch(self._batch)
            except Unavailable as gone:
                return gone
            decided, refused = await self._handle(deliveries)
            await room.acquire()
            sends.create_task(self._send(consumer, deliveries, decided, refused, room))

    async def _handle(self, deliveries: list[Delivery]) -> tuple[Decided, list[Outgoing]]:
        """Decide a batch; returns what follows, and what goes round again or is dead."""
        refused: list[Outgoing] = []
        by_job: dict[JobId, list[Part]] = {}
        for delivery in deliveries:
            try:
                parts = _READERS[delivery.queue](delivery)
            except Undecodable as error:
                _log.error("message.undecodable", queue=delivery.queue, error=str(error))
                refused.append(dead_letter(delivery, str(error)))
                continue
            for part in parts:
                by_job.setdefault(part.job_id, []).append(part)
        inputs = {job_id: [part.input for part in parts] for job_id, parts in by_job.items()}
        decided = await retrying("decide", lambda: self._decider.decide(inputs), self._environment)
        for job_id, failures in decided.failures.items():
            for place, error in failures.items():
                refused += self._again(by_job[job_id][place], error)
        return decided, refused

    async def _send(
        self,
        consumer: Consumer,
        deliveries: list[Delivery],
        decided: Decided,
        refused: list[Outgoing],
        room: asyncio.Semaphore,
    ) -> None:
        """Publish what follows, then ack; what cannot be acked comes again, and changes nothing."""
        try:
            await retrying("publish", lambda: self._publisher.publish(decided), self._environment)
            if refused:
                await retrying("publish", lambda: self._broker.publish(refused), self._environment)
            await consumer.ack(deliveries)
        except Unavailable as error:
            _log.info("ack.failed", error=str(error), messages=len(deliveries))
        finally:
            room.release()

    def _again(self, part: Part, error: Exception) -> list[Outgoing]:
        """A message whose decision raised is tried again, alone, up to a limit.

        Then its worker is told to forget the claim: what it does not list any more is lost, and
        the limit of lost attempts ends what would go round for ever.
        """
        message = part.alone
        message.failures += 1
        message.reason = f"{type(error).__name__}: {error}"
        body = encode(message)
        if message.failures < self._failures:
            return [Outgoing(part.queue, body)]
        _log.error("message.dead", queue=part.queue, job=part.job_id, error=message.reason)
        claims = [part.input.claim] if isinstance(part.input, Claimed | Reported) else []
        stops = order_messages(Order(claim, Verdict.STOPPED) for claim in claims)
        return [dead_letter(Delivery(part.queue, body), message.reason), *stops]


def _read_hint(delivery: Delivery) -> list[Part]:
    hint = _decode_hint(delivery.body)
    found: Input = (
        Nudged(hint.job_id) if hint.task_id is None else Ripened(hint.job_id, hint.task_id)
    )
    return [Part(hint.job_id, found, delivery.queue, hint)]


def _read_claims(delivery: Delivery) -> list[Part]:
    message = _decode_claims(delivery.body)
    return [
        Part(
            item.job_id,
            Claimed(
                item.job_id,
                item.task_id,
                item.attempt,
                Claim(node=message.node, number=item.number, beat=item.beat),
            ),
            delivery.queue,
            Claims(node=message.node, claims=[item], failures=message.failures),
        )
        for item in message.claims
    ]


def _read_reports(delivery: Delivery) -> list[Part]:
    message = _decode_reports(delivery.body)
    return [
        Part(
            item.job_id,
            Reported(
                item.job_id,
                item.task_id,
                Claim(node=message.node, number=item.number, beat=item.beat),
                item,
            ),
            delivery.queue,
            Reports(node=message.node, reports=[item], failures=message.failures),
        )
        for item in message.reports
    ]


_decode_hint = decoder(Hint)
_decode_claims = decoder(Claims)
_decode_reports = decoder(Reports)

_READERS: dict[str, Callable[[Delivery], list[Part]]] = {
    JOBS: _read_hint,
    PENDING: _read_hint,
    STARTED: _read_claims,
    COMPLETED: _read_reports,
    ERROR: _read_reports,
}
