"""Going on at once after a restart, where everything ran in one process and the datastore kept it.

Who has opened a datastore that is durable, and that no other process can have open, knows that all
nodes of before are dead; if the broker was in that process too, its messages are gone. So nothing
has to be waited for: no lease, and no sign that a message was lost.
"""

from __future__ import annotations

import asyncio
from datetime import datetime

import structlog

from tork_core.coordinator.deciding import Decider
from tork_core.coordinator.decisions.inputs import Input, Restarted
from tork_core.coordinator.heartbeats import decide_and_publish
from tork_core.coordinator.publishing import Publisher
from tork_core.interfaces.datastore import Datastore
from tork_core.interfaces.environment import Environment
from tork_core.model.job import JobId, TaskId
from tork_core.model.node import NodeState

_log = structlog.get_logger()

CHUNK = 500
"""The most tasks that are loaded, decided and published at a time."""


class Recovery:
    """Sets all going again that was active, once; ``own`` is the node of this process."""

    def __init__(
        self,
        datastore: Datastore,
        decider: Decider,
        publisher: Publisher,
        environment: Environment,
        own: str,
    ) -> None:
        self._datastore = datastore
        self._decider = decider
        self._publisher = publisher
        self._environment = environment
        self._own = own
        self._since: datetime | None = None
        self._after: tuple[JobId, TaskId] | None = None
        self._sent = 0
        self.finished = asyncio.Event()

    async def run(self) -> None:
        """Recover; returns when all is done. Raises Unavailable if the datastore is away, and
        goes on where it was when it is called again."""
        if self.finished.is_set():
            return
        since = self._since = self._since or await self._lose_nodes()
        while page := await self._datastore.active(self._after, CHUNK):
            inputs: dict[JobId, list[Input]] = {}
            for job_id, task_id in page:
                inputs.setdefault(job_id, []).append(Restarted(job_id, task_id, since))
            self._sent += await decide_and_publish(
                self._decider, self._publisher, self._environment, inputs
            )
            self._after = page[-1]
        if self._sent:
            _log.warning("tasks.recovered", tasks=self._sent, reason="the process was restarted")
        self.finished.set()

    async def _lose_nodes(self) -> datetime:
        """First of all, as with every node that is gone; returns the time from which on there are
        new ones."""
        now, nodes = await self._datastore.nodes()
        dead = {
            node.id: node.last_heartbeat_at
            for node in nodes
            if node.state in (NodeState.UP, NodeState.DOWN)
            and node.id != self._own
            and node.last_heartbeat_at is not None
        }
        for node_id in await self._datastore.expire(dead) if dead else []:
            _log.info("node.lost", node=node_id, reason="its process has ended")
        return now
