"""What a worker tells the coordinators: claims and reports, in batches, again until answered."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from tork_core.interfaces.broker import Broker, Outgoing
from tork_core.interfaces.environment import Environment
from tork_core.model.messages import (
    COMPLETED,
    ERROR,
    STARTED,
    Claims,
    ReportItem,
    Reports,
    encode,
)
from tork_core.supervision import retrying
from tork_core.worker.ledger import Holding, Ledger, Phase

CLAIM_REPEAT = 2.0
"""Seconds after which an unanswered claim is asked for again."""

REPORT_REPEAT = 10.0
"""Seconds after which an unsettled report is sent again."""

BATCH = 200


class Outbox:
    """Sends what the ledger's claims have to say. A sending does not wait for its answer."""

    def __init__(
        self, node_id: str, ledger: Ledger, broker: Broker, environment: Environment
    ) -> None:
        self._node_id = node_id
        self._ledger = ledger
        self._broker = broker
        self._environment = environment
        self._pending: dict[int, Holding] = {}
        self._work = asyncio.Event()

    def send(self, holding: Holding) -> None:
        """Send the holding's claim or report with the next batch."""
        self._pending[holding.number] = holding
        self._work.set()

    async def flush(self) -> None:
        """Send what is there, and what came in meanwhile, until cancelled."""
        while True:
            await self._work.wait()
            batch = [self._pending.pop(number) for number in list(self._pending)[:BATCH]]
            if not self._pending:
                self._work.clear()
            await self._publish(batch)

    async def repeat(self) -> None:
        """Send again what was not answered, until cancelled."""
        clock = asyncio.get_running_loop().time
        while True:
            await asyncio.sleep(CLAIM_REPEAT / 2)
            now = clock()
            for holding in self._ledger.all():
                patience = REPORT_REPEAT if holding.phase is Phase.REPORTED else CLAIM_REPEAT
                if holding.waits and now - holding.sent_at >= patience:
                    self.send(holding)

    def repeat_all(self) -> None:
        """Send everything unanswered again at once: the answers may have been lost."""
        for holding in self._ledger.all():
            if holding.waits:
                self.send(holding)

    async def _publish(self, batch: list[Holding]) -> None:
        now = asyncio.get_running_loop().time()
        asking = [held for held in batch if held.waits and held.phase is not Phase.REPORTED]
        ended = [held for held in batch if held.phase is Phase.REPORTED]
        for holding in batch:
            holding.sent_at = now
        messages: list[Outgoing] = []
        if asking:
            claims = Claims(node=self._node_id, claims=[held.item for held in asking])
            messages.append(Outgoing(STARTED, encode(claims)))
        reports = [held.report for held in ended if held.report is not None]
        messages += report_messages(self._node_id, reports)
        if not messages:
            return
        await retrying("report", lambda: self._broker.publish(messages), self._environment)
        for holding in ended:
            holding.confirm()


def report_messages(node_id: str, reports: Sequence[ReportItem]) -> list[Outgoing]:
    """Put end reports of one node into one message for each of their queues."""
    completed = [item for item in reports if item.error is None]
    failed = [item for item in reports if item.error is not None]
    return [
        Outgoing(queue, encode(Reports(node=node_id, reports=items)))
        for queue, items in ((COMPLETED, completed), (ERROR, failed))
        if items
    ]
