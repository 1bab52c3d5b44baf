"""The log loop: stores the parts of tasks' logs as they come."""

from __future__ import annotations

from functools import partial

import structlog

from tork_core.coordinator.publishing import notice
from tork_core.dead_letters import dead_letter
from tork_core.interfaces.broker import Broker, Delivery, Outgoing
from tork_core.interfaces.datastore import Datastore
from tork_core.interfaces.environment import Environment
from tork_core.model.job import LogPart
from tork_core.model.messages import LOGS, LogParts, Notice, Undecodable, decoder
from tork_core.supervision import retrying

_log = structlog.get_logger()
_decode = decoder(LogParts)

BATCH = 100


class LogStore:
    """Consumes the queue ``logs``."""

    def __init__(self, broker: Broker, datastore: Datastore, environment: Environment) -> None:
        self._broker = broker
        self._datastore = datastore
        self._environment = environment

    async def run(self) -> None:
        """Store log parts until the consumer is gone (Unavailable) or the loop is cancelled."""
        async with self._broker.consume([LOGS], prefetch=2 * BATCH) as consumer:
            while True:
                deliveries = await consumer.batch(BATCH)
                await retrying("logs", partial(self._store, deliveries), self._environment)
                await consumer.ack(deliveries)

    async def _store(self, deliveries: list[Delivery]) -> None:
        parts: list[LogPart] = []
        news: list[Outgoing] = []
        for delivery in deliveries:
            try:
                parts += _decode(delivery.body).parts
            except Undecodable as error:
                _log.error("message.undecodable", queue=delivery.queue, error=str(error))
                news.append(dead_letter(delivery, str(error)))
        await self._datastore.append_log(parts)
        if parts:
            jobs = list(dict.fromkeys(part.job_id for part in parts))
            news.append(notice(Notice(logs=jobs)))
        await self._broker.publish(news)
