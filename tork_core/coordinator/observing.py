"""Telling observers what was committed: events of jobs and tasks, and the states of nodes.

Events are read from the datastore's feed, so what was committed is told, whoever committed it and
whatever crashed since. The topic ``events`` only says when to look. Every coordinator has one
:class:`Observers` if anything observes, and a lease lets one of them work at a time. It moves its
mark after the calls: events whose calls a crash cut off are told again, under the same ids.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Protocol

import structlog

from tork_core.coordinator.following import FALLBACK, Watch
from tork_core.errors import Unavailable
from tork_core.interfaces.broker import Broker
from tork_core.interfaces.datastore import Datastore, FeedItem
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.middleware import NodeEvent
from tork_core.model.job import Event, JobId, JobRecord
from tork_core.model.messages import EVENTS, Notice, Undecodable, decoder
from tork_core.model.node import Node, NodeState
from tork_core.supervision import supervise

_log = structlog.get_logger()
_decode = decoder(Notice)

NAME = "observers"
"""What the lease and the mark are called."""

LEASE = 12.0
"""Seconds for which the lease is taken; so long after a crash another coordinator goes on."""

RENEWAL = 3.0
"""Seconds after which the lease is renewed, or asked for again."""

PAGE = 1000
"""The most events that are told before the mark is moved, and that a crash has told again."""

JOBS_AT_ONCE = 32
"""How many jobs' events are told side by side. Those of one job are told in order."""

GATHERING = 0.05
"""Seconds between two looks at the least, in which a job's next events come: they are told
together, and a job is loaded once for all of them."""

REST = 3.0
"""How many times as long as the telling took the loop rests, so that large jobs, which are loaded
whole, take no more than a quarter of the engine's time. Who is behind rests as long as it took."""

LONGEST_REST = 2.0
"""Seconds of rest at the most."""

NODE_INTERVAL = 3.0
"""Seconds between two looks at the nodes."""


class Observer(Protocol):
    """Who is told: :class:`tork_core.middleware.chain.Chain`, for all middleware.

    Its calls end in time, and raise nothing that an observer has raised.
    """

    @property
    def observes(self) -> bool:
        """Whether anything watches jobs or tasks."""
        ...

    async def observe(self, record: JobRecord, events: Sequence[Event]) -> None:
        """Take events of a job; the record is as new as they are, or newer."""
        ...

    async def observe_node(self, event: NodeEvent) -> None:
        """Take the state of a node."""
        ...


class Observers:
    """Tells an observer of every event at least once, while it holds the lease as ``holder``."""

    def __init__(
        self,
        broker: Broker,
        datastore: Datastore,
        observer: Observer,
        environment: Environment,
        holder: str,
    ) -> None:
        self._broker = broker
        self._datastore = datastore
        self._observer = observer
        self._environment = environment
        self._holder = holder
        self._news = Watch()
        self._on_duty = False

    async def run(self) -> None:
        """Tell until a service is away (Unavailable) or the loop is cancelled."""
        while True:
            if await self._lease():
                self._on_duty = True
                try:
                    await self._serve()
                finally:
                    self._on_duty = False
            await asyncio.sleep(RENEWAL)

    async def settle(self, seconds: float) -> None:
        """Wait, at most so long, until what was committed has been told, if that is done here.

        For the end of a process: a datastore in its memory takes what is untold with it.
        """
        try:
            async with asyncio.timeout(seconds):
                while self._on_duty and self._observer.observes and await self._untold():
                    self._news.ring(ended=False)
                    await asyncio.sleep(GATHERING)
        except TimeoutError:
            _log.warning("observers.behind", seconds=seconds)
        except Unavailable as error:
            _log.warning("observers.interrupted", error=str(error))

    async def _untold(self) -> bool:
        return bool(await self._datastore.feed(await self._datastore.mark(NAME), 1))

    async def _lease(self) -> bool:
        return await self._datastore.lease(NAME, self._holder, LEASE)

    async def _serve(self) -> None:
        """Tell for as long as the lease can be renewed."""
        async with asyncio.TaskGroup() as group:
            loops = [group.create_task(self._tell_nodes())]
            if self._observer.observes:
                # A broker that is away must not end this: the look that nothing wakes comes late.
                news = supervise("observers' news", self._listen, self._environment)
                loops += [group.create_task(news), group.create_task(self._tell_jobs())]
            await asyncio.sleep(RENEWAL)
            while await self._lease():  # noqa: ASYNC110 -- who takes it is another process
                await asyncio.sleep(RENEWAL)
            _log.warning("observers.superseded")
            for loop in loops:
                loop.cancel()

    # -- jobs and tasks

    async def _listen(self) -> None:
        """Wake up :meth:`_tell_jobs` when there is news."""
        async with self._broker.observe([EVENTS]) as copies:
            while True:
                for delivery in await copies.batch(200):
                    try:
                        if _decode(delivery.body).jobs:
                            self._news.ring(ended=False)
                    except Undecodable as error:
                        _log.error("message.undecodable", queue=EVENTS, error=str(error))

    async def _tell_jobs(self) -> None:
        """Read on from the mark, for ever."""
        clock = asyncio.get_running_loop().time
        mark = await self._datastore.mark(NAME)
        while True:
            began = clock()
            items = await self._datastore.feed(mark, PAGE)
            if items:
                await self._tell(items)
                mark = items[-1].position
                await self._datastore.move_mark(NAME, mark)
                rest = (REST if len(items) < PAGE else 1.0) * (clock() - began)
            else:
                await self._news.wait(FALLBACK)
                rest = 0.0
            await asyncio.sleep(min(max(rest, GATHERING), LONGEST_REST))

    async def _tell(self, items: Sequence[FeedItem]) -> None:
        """Tell of a page of events: those of a job in order, several jobs at once."""
        by_job: dict[JobId, list[Event]] = {}
        for item in items:
            by_job.setdefault(item.event.job_id, []).append(item.event)
        room = asyncio.Semaphore(JOBS_AT_ONCE)
        async with asyncio.TaskGroup() as group:
            for job_id, events in by_job.items():
                await room.acquire()
                group.create_task(self._tell_job(job_id, events, room))

    async def _tell_job(self, job_id: JobId, events: list[Event], room: asyncio.Semaphore) -> None:
        try:
            record = await self._datastore.job(job_id)
            if record is not None:
                await self._observe(record, events)
        finally:
            room.release()

    async def _observe(self, record: JobRecord, events: list[Event]) -> None:
        try:
            await self._observer.observe(record, events)
        except Exception:  # noqa: BLE001 -- what one job's events meet must not hold up all others
            _log.exception(
                "observing.failed",
                job=record.job.id,
                events=[events[0].number, events[-1].number],
            )

    # -- nodes

    async def _tell_nodes(self) -> None:
        """Look at the nodes again and again, and tell of what is not as it was told last.

        Whoever begins here tells of every node: the one before may not have come to it.
        """
        told: dict[str, NodeState] = {}
        while True:
            _, nodes = await self._datastore.nodes()
            for node in nodes:
                was = told.get(node.id)
                if was is not node.state:
                    event = NodeEvent(id=await self._node_event_id(node), node=node, was=was)
                    await self._observer.observe_node(event)
            told = {node.id: node.state for node in nodes}
            await asyncio.sleep(NODE_INTERVAL)

    async def _node_event_id(self, node: Node) -> str:
        """The id of the event that a node is in its state, the same whoever tells it.

        LOST and OFFLINE are for ever. Changes between UP and DOWN are counted, by a mark of the
        node that is odd while it is DOWN; it moves before the call, so that of two changes in one
        look the second is never taken for one that was told.
        """
        if node.state in (NodeState.LOST, NodeState.OFFLINE):
            return f"{node.id}:{node.state.value}"
        name = f"{NAME}:{node.id}"
        changes = await self._datastore.mark(name)
        if (changes % 2 == 1) is not (node.state is NodeState.DOWN):
            changes += 1
            await self._datastore.move_mark(name, changes)
        return f"{node.id}:{node.state.value}" + (f":{changes}" if changes else "")
