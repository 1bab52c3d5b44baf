"""The coordinator: owns the life of jobs and tasks."""

from __future__ import annotations

import asyncio
import platform

import structlog

from tork_core._version import __version__
from tork_core.coordinator.deciding import Decider
from tork_core.coordinator.decisions.rules import Rules
from tork_core.coordinator.heartbeats import Heartbeats
from tork_core.coordinator.intake import Intake
from tork_core.coordinator.log_store import LogStore
from tork_core.coordinator.observing import Observer, Observers
from tork_core.coordinator.publishing import Publisher
from tork_core.coordinator.recovery import Recovery
from tork_core.coordinator.requests import Accepted, Requests
from tork_core.coordinator.sweeper import Sweeper
from tork_core.heartbeats import heartbeat_messages
from tork_core.interfaces.broker import Broker
from tork_core.interfaces.datastore import Datastore
from tork_core.interfaces.environment import Environment
from tork_core.model.job import JobId
from tork_core.model.messages import Heartbeat
from tork_core.model.node import Node, NodeKind
from tork_core.model.spec import JobSpec
from tork_core.settings.core import CoordinatorSettings
from tork_core.supervision import supervise


class Coordinator:
    """One coordinator. Any number of them may share a broker and a datastore.

    ``observer`` is told what was committed, if there is one; see :mod:`.observing`. ``alone``: no
    node and no message of before this start is left, which :mod:`.recovery` goes by.
    """

    def __init__(
        self,
        broker: Broker,
        datastore: Datastore,
        rules: Rules,
        environment: Environment,
        settings: CoordinatorSettings,
        observer: Observer | None = None,
        *,
        alone: bool = False,
    ) -> None:
        self.node = Node(
            id=environment.token(),
            name=platform.node(),
            kind=NodeKind.COORDINATOR,
            hostname=platform.node(),
            version=__version__,
        )
        self._broker = broker
        self._environment = environment
        self._settings = settings
        decider = Decider(datastore, rules, environment, self.node.id)
        publisher = Publisher(broker, datastore, rules)
        self._requests = Requests(
            datastore, decider, publisher, environment, limit=settings.max_waiting_submissions
        )
        self._intake = Intake(
            broker,
            decider,
            publisher,
            environment,
            batch=settings.batch_size,
            failures=settings.dead_letter_limit,
        )
        self._heartbeats = Heartbeats(broker, datastore, decider, publisher, environment)
        self._logs = LogStore(broker, datastore, environment)
        self.sweeper = Sweeper(
            broker,
            datastore,
            decider,
            publisher,
            rules,
            environment,
            self.node,
            interval=settings.sweep_interval,
            lease=settings.lease,
        )
        self._recovery: Recovery | None = None
        if alone:
            self._recovery = Recovery(datastore, decider, publisher, environment, self.node.id)
        self._observers: Observers | None = None
        if observer is not None:
            self._observers = Observers(broker, datastore, observer, environment, self.node.id)

    async def submit(self, spec: JobSpec, key: str | None = None) -> Accepted:
        """Accept a job; see :meth:`Requests.submit`."""
        return await self._requests.submit(spec, key)

    async def cancel(self, job_id: JobId) -> None:
        """Cancel a job; see :meth:`Requests.cancel`."""
        await self._requests.cancel(job_id)

    async def run(self) -> None:
        """Work until cancelled."""
        structlog.contextvars.bind_contextvars(node=self.node.id)
        loops = {
            "requests": self._requests.run,
            "intake": self._intake.run,
            "heartbeats": self._heartbeats.run,
            "logs": self._logs.run,
            "sweeper": self._sweep,
            "beat": self._beat,
        }
        if self._observers is not None:
            loops["observers"] = self._observers.run
        try:
            async with asyncio.TaskGroup() as group:
                for name, loop in loops.items():
                    group.create_task(supervise(name, loop, self._environment), name=name)
        finally:
            self._requests.close()

    async def ready(self) -> None:
        """Wait until workers can be heard, and what a restart interrupted has been set going;
        a worker that is started before waits for the first too."""
        await self._heartbeats.listening.wait()
        if self._recovery is not None:
            await self._recovery.finished.wait()

    async def settle(self, seconds: float) -> None:
        """Wait, at most so long, until observers know what was committed; :meth:`run` runs on."""
        if self._observers is not None:
            await self._observers.settle(seconds)

    async def _sweep(self) -> None:
        """Sweep; after a restart recover first, and look at once at what has become due."""
        if self._recovery is not None and not self._recovery.finished.is_set():
            await self._recovery.run()
            await self.sweeper.sweep()
        await self.sweeper.run()

    async def _beat(self) -> None:
        """Send the coordinator's own heartbeats round through the queue of all nodes."""
        interval = self._settings.heartbeat_interval
        self.node.started_at = self.node.started_at or self._environment.now()
        while True:
            self.node.beat += 1
            await self._publish_beat(interval)
            await asyncio.sleep(interval)

    async def _publish_beat(self, lifetime: float) -> None:
        beat = Heartbeat(node=self.node)
        await self._broker.publish(heartbeat_messages(beat, lifetime=lifetime))
