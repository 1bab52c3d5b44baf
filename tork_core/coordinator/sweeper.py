"""The sweeper: finds what no message will move any more.

Every coordinator has one, and a lease lets one of them work at a time. Without faults it publishes
nothing, which ``published`` counts.
"""

from __future__ import annotations

import asyncio
from collections import deque
from datetime import datetime, timedelta

import structlog

from tork_core.coordinator.deciding import Decider
from tork_core.coordinator.decisions.expiring import expired, suspects
from tork_core.coordinator.decisions.inputs import Input, Lost, Nudged, Ripened, Unclaimed
from tork_core.coordinator.decisions.rules import Rules
from tork_core.coordinator.heartbeats import GAP, decide_and_publish
from tork_core.coordinator.publishing import Publisher
from tork_core.interfaces.broker import Broker
from tork_core.interfaces.datastore import Beat, Datastore
from tork_core.interfaces.environment import Environment
from tork_core.model.job import JobId
from tork_core.model.node import Node, NodeKind, NodeState

_log = structlog.get_logger()

LIMIT = 500
"""The most that one sweep takes of each kind; the rest comes with the next one."""

REMEMBERED = 60
"""Sweeps for which it is remembered whether a queue was empty."""


class Sweeper:
    """Sweeps every ``interval`` seconds while it holds the lease.

    ``node`` is the coordinator's own node: the silence of others counts only as far as its own
    heartbeats are seen. ``lease`` is the nodes' lease in seconds.
    """

    def __init__(
        self,
        broker: Broker,
        datastore: Datastore,
        decider: Decider,
        publisher: Publisher,
        rules: Rules,
        environment: Environment,
        node: Node,
        *,
        interval: float = 2.0,
        lease: float = 30.0,
    ) -> None:
        self._broker = broker
        self._datastore = datastore
        self._decider = decider
        self._publisher = publisher
        self._rules = rules
        self._environment = environment
        self._node = node
        self._interval = interval
        self._lease = timedelta(seconds=lease)
        self._empty_at: dict[str, deque[datetime]] = {}
        self.published = 0

    async def run(self) -> None:
        """Sweep until a service is away (Unavailable) or the loop is cancelled."""
        while True:
            await asyncio.sleep(self._interval)
            if await self._datastore.lease("sweeper", self._node.id, 3 * self._interval):
                await self.sweep()

    async def sweep(self) -> None:
        """Look once at everything that is due."""
        await self._move_jobs()
        await self._find_messages()
        await self._expire_nodes()

    async def _move_jobs(self) -> None:
        """Jobs that lie still, and retries whose time has come."""
        due = await self._datastore.due(LIMIT)
        inputs: dict[JobId, list[Input]] = {}
        for job_id in due.jobs:
            inputs.setdefault(job_id, []).append(Nudged(job_id))
        for job_id, task_id in due.tasks:
            inputs.setdefault(job_id, []).append(Ripened(job_id, task_id))
        await self._decide(inputs)

    async def _find_messages(self) -> None:
        """Tasks whose message is lost, told from those that merely wait for a worker."""
        waiting = await self._datastore.waiting()
        now = (await self._datastore.load({})).now
        queues = list(dict.fromkeys(item.queue for item in waiting))
        for name in [name for name in self._empty_at if name not in queues]:
            del self._empty_at[name]
        for name in queues:
            if (await self._broker.depth(name)).ready == 0:
                self._empty_at.setdefault(name, deque(maxlen=REMEMBERED)).append(now)
        for found in suspects(waiting, self._empty_at, now, self._rules.patience):
            tasks = await self._datastore.overdue(
                found.queue,
                found.priority,
                published_before=found.published_before,
                limit=LIMIT,
            )
            inputs: dict[JobId, list[Input]] = {}
            for job_id, task_id in tasks:
                item = Unclaimed(job_id, task_id, found.published_before)
                inputs.setdefault(job_id, []).append(item)
            if inputs:
                _log.warning("messages.lost", queue=found.queue, tasks=len(tasks))
            await self._decide(inputs)

    async def _expire_nodes(self) -> None:
        """Nodes that are silent, and the tasks of those that are gone."""
        now, nodes = await self._datastore.nodes()
        expiry = expired(nodes, self._node.id, now, lease=self._lease, gap=timedelta(seconds=GAP))
        if expiry.held_back:
            _log.warning("nodes.silent", nodes=expiry.held_back, waiting="three leases")
        lost = await self._datastore.expire(expiry.nodes) if expiry.nodes else []
        for node_id in lost:
            _log.warning("node.lost", node=node_id)
        claimants = await self._datastore.claimants()
        known = {node.id for node in nodes}
        await self._meet([found for found in claimants if found not in known])
        gone = [
            node.id
            for node in nodes
            if node.id in claimants
            and (node.id in lost or node.state in (NodeState.LOST, NodeState.OFFLINE))
        ]
        inputs: dict[JobId, list[Input]] = {}
        for held in await self._datastore.running(gone):
            item = Lost(
                held.job_id,
                held.task_id,
                held.attempt,
                held.claim,
                f"node {held.claim.node} is gone",
            )
            inputs.setdefault(held.job_id, []).append(item)
        await self._decide(inputs)

    async def _meet(self, unknown: list[str]) -> None:
        """Give nodes a lease that have claimed tasks, and of which no heartbeat was ever seen."""
        if unknown:
            _log.warning("nodes.unknown", nodes=unknown)
            rows = [Node(id=found, name=found, kind=NodeKind.WORKER) for found in unknown]
            await self._datastore.beat([Beat(row) for row in rows], gap=GAP)

    async def _decide(self, inputs: dict[JobId, list[Input]]) -> None:
        if inputs:
            self.published += await decide_and_publish(
                self._decider, self._publisher, self._environment, inputs
            )
