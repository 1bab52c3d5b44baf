"""The worker: takes tasks from queues and runs them through a runtime."""

from __future__ import annotations

import platform
from collections.abc import Callable

import structlog

from tork_core._version import __version__
from tork_core.errors import UsageError
from tork_core.interfaces.broker import Broker
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.middleware import LogFilter, TaskLogContext
from tork_core.model.node import Node, NodeKind
from tork_core.model.spec import TaskSpec
from tork_core.settings.core import CoordinatorSettings, WorkerSettings
from tork_core.worker.attempts import Attempts, Offer
from tork_core.worker.incarnation import End, Estate, Incarnation

_log = structlog.get_logger()


def _admit(spec: TaskSpec) -> TaskSpec:
    return spec


def _no_filter(_: TaskLogContext) -> LogFilter | None:
    return None


class Worker:
    """One worker. It needs the broker alone, never the datastore.

    It lives as one incarnation after another: whoever has lost its lease comes back as a new node.
    Raises UsageError for a ``stop_grace`` that no lease leaves time for, and for a ``temp_dir`` in
    which nothing can be made.
    """

    def __init__(
        self,
        broker: Broker,
        offer: Offer,
        environment: Environment,
        settings: WorkerSettings,
        cluster: CoordinatorSettings,
        *,
        admit: Callable[[TaskSpec], TaskSpec] = _admit,
        open_filter: Callable[[TaskLogContext], LogFilter | None] = _no_filter,
    ) -> None:
        # Tasks have to be dead before their lease is over, and one lost heartbeat is no reason.
        longest = cluster.lease - 2 * cluster.heartbeat_interval
        if settings.stop_grace > longest:
            raise UsageError(
                f"worker.stop_grace of {settings.stop_grace:g} s is too long for a lease of "
                f"{cluster.lease:g} s; at most {longest:g} s, or a longer coordinator.lease"
            )
        self._broker = broker
        self._environment = environment
        self._settings = settings
        self._cluster = cluster
        self._attempts = Attempts(offer, settings, admit, open_filter)
        self._incarnation: Incarnation | None = None
        self._draining = False

    def drain(self) -> None:
        """Take no more tasks; :meth:`run` returns when those that run have ended, or have been
        handed back after the grace period."""
        self._draining = True
        if self._incarnation is not None:
            self._incarnation.drain()

    def hurry(self) -> None:
        """Give tasks that are stopped from now on no time to end by themselves."""
        self._attempts.hurry()

    async def remove_leftovers(self) -> None:
        """Remove the scratch folders of workers of this host that have died."""
        await self._attempts.remove_leftovers()

    async def run(self) -> None:
        """Work until drained. Cancelling it stops the tasks, and hands nothing back."""
        try:
            await self._live()
        finally:
            self._attempts.close()

    async def _live(self) -> None:
        estates: list[Estate] = []
        while not self._draining:
            node = self._new_node()
            structlog.contextvars.bind_contextvars(node=node.id)
            self._incarnation = Incarnation(
                node,
                self._broker,
                self._environment,
                self._attempts,
                self._settings,
                self._cluster,
                estates,
            )
            _log.info("worker.started", queues=node.queues)
            end, estate = await self._incarnation.run()
            if end is End.DRAINED:
                return
            estates = [*self._incarnation.inheritance, estate]
            _log.warning("worker.reborn", was=node.id, reason=end.value)

    def _new_node(self) -> Node:
        return Node(
            id=self._environment.token(),
            name=self._settings.name,
            kind=NodeKind.WORKER,
            hostname=platform.node(),
            version=__version__,
            queues=dict(self._settings.queues),
            started_at=self._environment.now(),
        )
