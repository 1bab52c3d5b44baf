"""The heartbeat loop: writes that nodes live, answers their claims, finds what they forgot."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from functools import partial

import structlog

from tork_core.coordinator.deciding import Decider
from tork_core.coordinator.decisions.draft import Order
from tork_core.coordinator.decisions.heartbeats import answer, forgotten
from tork_core.coordinator.decisions.inputs import Input
from tork_core.coordinator.publishing import Publisher, order_messages
from tork_core.dead_letters import dead_letter
from tork_core.interfaces.broker import Broker, Delivery, Outgoing
from tork_core.interfaces.datastore import Beat, Datastore
from tork_core.interfaces.environment import Environment
from tork_core.model.job import JobId, TaskId
from tork_core.model.messages import (
    HEARTBEAT,
    Heartbeat,
    Orders,
    Undecodable,
    decoder,
    encode,
    node_queue,
)
from tork_core.model.node import Node, NodeKind, NodeState
from tork_core.supervision import retrying

_log = structlog.get_logger()
_decode = decoder(Heartbeat)

GAP = 10.0
"""Seconds between two heartbeats of a coordinator after which it no longer trusts silence."""

BATCH = 100


class Heartbeats:
    """Consumes the queue ``heartbeat``."""

    def __init__(
        self,
        broker: Broker,
        datastore: Datastore,
        decider: Decider,
        publisher: Publisher,
        environment: Environment,
    ) -> None:
        self._broker = broker
        self._datastore = datastore
        self._decider = decider
        self._publisher = publisher
        self._environment = environment
        self.listening = asyncio.Event()
        """Set once workers can be heard: their heartbeats find a queue."""

    async def run(self) -> None:
        """Handle heartbeats until the consumer is gone (Unavailable) or the loop is cancelled."""
        async with self._broker.consume([HEARTBEAT], prefetch=2 * BATCH) as consumer:
            self.listening.set()
            while True:
                deliveries = await consumer.batch(BATCH)
                await retrying("heartbeats", partial(self._handle, deliveries), self._environment)
                await consumer.ack(deliveries)

    async def _handle(self, deliveries: list[Delivery]) -> None:
        beats: list[Heartbeat] = []
        replies: list[Outgoing] = []
        for delivery in deliveries:
            try:
                beats.append(_decode(delivery.body))
            except Undecodable as error:
                _log.error("message.undecodable", queue=delivery.queue, error=str(error))
                replies.append(dead_letter(delivery, str(error)))
        nodes = await self._datastore.beat([Beat(beat.node) for beat in beats], gap=GAP)
        living: list[Heartbeat] = []
        for beat, node in zip(beats, nodes, strict=True):
            if node.kind is not NodeKind.WORKER:
                continue
            if node.state is NodeState.LOST:
                replies.append(_lost(node))
            else:
                living.append(beat)
        replies += order_messages(await self._answers(living))
        if replies:
            await self._broker.publish(replies)
        await self._recover(living)

    async def _answers(self, beats: list[Heartbeat]) -> list[Order]:
        keys: dict[JobId, dict[TaskId, None]] = {}
        for beat in beats:
            for item in beat.claims:
                keys.setdefault(item.job_id, {})[item.task_id] = None
        if not keys:
            return []
        loaded = await self._datastore.load(keys)
        return [order for beat in beats for order in answer(beat, loaded.views)]

    async def _recover(self, beats: list[Heartbeat]) -> None:
        """Begin new attempts of what is RUNNING on a living node that no longer lists it."""
        running = await self._datastore.running([beat.node.id for beat in beats])
        lost = [item for beat in beats for item in forgotten(beat, running)]
        if not lost:
            return
        inputs: dict[JobId, list[Input]] = {}
        for item in lost:
            _log.warning("task.forgotten", job=item.job_id, task=item.task_id, node=item.claim.node)
            inputs.setdefault(item.job_id, []).append(item)
        await decide_and_publish(self._decider, self._publisher, self._environment, inputs)


async def decide_and_publish(
    decider: Decider,
    publisher: Publisher,
    environment: Environment,
    inputs: Mapping[JobId, list[Input]],
) -> int:
    """Decide, commit and publish; returns how many task messages went out.

    A decision that raises is left to be found again: by the next heartbeat, or the next sweep.
    """
    decided = await decider.decide(inputs)
    return await retrying("publish", lambda: publisher.publish(decided), environment)


def _lost(node: Node) -> Outgoing:
    return Outgoing(node_queue(node.id), encode(Orders(lost=True)))
