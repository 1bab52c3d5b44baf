"""A worker on an in-memory broker, and the coordinators played by the test.

Everything runs on a virtual clock. Tasks do what their ``run`` says: ``3`` takes three seconds,
``fail`` fails, ``print a b`` prints the lines ``a`` and ``b``, ``bytes 616200`` prints bytes,
``output x`` gives an output, ``stubborn 3`` takes three seconds to stop.
"""

from __future__ import annotations

import asyncio
import itertools
import random
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TypeVar

import msgspec
from tork_memory.broker import MemoryBroker
from tork_memory.queues import MemoryQueues

from tork_core.dead_letters import DeadLetter
from tork_core.errors import TaskFailed, Unavailable
from tork_core.interfaces.broker import Consumer, Depth, Outgoing
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.log_tail import LogTail
from tork_core.interfaces.middleware import LogFilter, TaskLogContext
from tork_core.interfaces.runtime import Execution, Start
from tork_core.model.job import LogPart, TaskId
from tork_core.model.messages import (
    COMPLETED,
    DEAD,
    ERROR,
    HEARTBEAT,
    LOGS,
    STARTED,
    ClaimItem,
    Claims,
    Heartbeat,
    LogParts,
    Message,
    Orders,
    ReportItem,
    Reports,
    TaskMessage,
    decoder,
    encode,
    node_queue,
)
from tork_core.model.node import NodeState
from tork_core.model.spec import TaskSpec
from tork_core.settings.core import CoordinatorSettings, WorkerSettings
from tork_core.testing.waiting import eventually
from tork_core.worker.attempts import Offer
from tork_core.worker.worker import Worker

EPOCH = 1_800_000_000.0
WITHIN = 60.0

M = TypeVar("M", bound=Message)

_decode_claims = decoder(Claims)
_decode_reports = decoder(Reports)
_decode_beat = decoder(Heartbeat)
_decode_logs = decoder(LogParts)


class Link:
    """The worker's connection to the broker, which can be cut and come back.

    ``silent``: the broker takes what is published, and confirms nothing (to a black hole).
    """

    def __init__(self, queues: MemoryQueues) -> None:
        self._queues = queues
        self._inner = MemoryBroker(queues)
        self.away = False
        self.silent = False
        self.refuse: Callable[[Outgoing], bool] = lambda _: False

    def cut(self) -> None:
        """Lose the connection; every call fails until it is restored."""
        self.away = True
        self._inner.close()
        self._inner = MemoryBroker(self._queues)

    def restore(self) -> None:
        """Have a connection again."""
        self.away = False

    def _check(self) -> None:
        if self.away:
            raise Unavailable("broker", "is away")

    async def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        await asyncio.sleep(0)
        self._check()
        if self.silent:
            await asyncio.Event().wait()
        if any(self.refuse(message) for message in messages):
            raise Unavailable("broker", "did not take it")
        return await self._inner.publish(messages)

    @asynccontextmanager
    async def consume(
        self, queues: Sequence[str], *, prefetch: int, exclusive: bool = False
    ) -> AsyncGenerator[Consumer]:
        self._check()
        async with self._inner.consume(queues, prefetch=prefetch, exclusive=exclusive) as consumer:
            yield consumer

    @asynccontextmanager
    async def observe(self, topics: Sequence[str]) -> AsyncGenerator[Consumer]:
        self._check()
        async with self._inner.observe(topics) as consumer:
            yield consumer

    async def depth(self, queue: str) -> Depth:
        self._check()
        return await self._inner.depth(queue)

    async def queues(self) -> list[Depth]:
        self._check()
        return await self._inner.queues()

    async def delete(self, queue: str) -> None:
        self._check()
        await self._inner.delete(queue)


class ScriptedRuntime:
    """Runs tasks as the module's text says; ``seen`` holds what happened to them."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, TaskId]] = []
        self.executions: list[Execution] = []
        self.running = 0
        self.most_running = 0
        self.preparing = 0.0
        """How long it takes to prepare a task, in seconds."""

    def happened(self, what: str) -> list[TaskId]:
        """The tasks that this has happened to: prepared, started, cancelled, ended, left."""
        return [task_id for seen, task_id in self.seen if seen == what]

    @asynccontextmanager
    async def prepare(self, execution: Execution) -> AsyncGenerator[Start]:
        self.executions.append(execution)
        if self.preparing:
            await asyncio.sleep(self.preparing)
        self.seen.append(("prepared", execution.task_id))

        async def start() -> str:
            self.seen.append(("started", execution.task_id))
            self.running += 1
            self.most_running = max(self.most_running, self.running)
            try:
                output = await self._run(execution)
                self.seen.append(("ended", execution.task_id))
                return output
            except asyncio.CancelledError:
                self.seen.append(("cancelled", execution.task_id))
                raise
            finally:
                self.running -= 1

        try:
            yield start
        finally:
            self.seen.append(("left", execution.task_id))

    async def _run(self, execution: Execution) -> str:
        verb, _, rest = (execution.task.run or "").partition(" ")
        match verb:
            case "fail":
                raise TaskFailed(rest or "exit code 1", exit_code=1)
            case "die":
                tail = LogTail()
                for piece in rest.split():
                    tail.feed(piece.encode())
                    await execution.log.write(piece.encode())
                raise TaskFailed("exit code 1", exit_code=1, log_tail=tail.text())
            case "crash":
                raise RuntimeError(rest)
            case "print":
                for line in rest.split():
                    await execution.log.write(f"{line}\n".encode())
            case "bytes":
                for piece in rest.split():
                    await execution.log.write(bytes.fromhex(piece))
            case "slowly":
                for piece in rest.split():
                    await execution.log.write(piece.encode())
                    await asyncio.sleep(1)
            case "flood":
                for _ in range(int(rest)):
                    await execution.log.write(b"x" * 1024)
            case "output":
                return rest
            case "stubborn":
                try:
                    await asyncio.sleep(1e6)
                except asyncio.CancelledError:
                    await asyncio.sleep(float(rest))
                    raise
            case _:
                await asyncio.sleep(float(verb or 0))
        return ""

    async def health(self) -> str | None:
        return None


@dataclass
class Heard:
    """One message that a worker has sent, and when."""

    at: float
    queue: str
    message: Claims | Reports | Heartbeat | LogParts | DeadLetter


@dataclass
class Desk:
    """The coordinators, as the test plays them. With ``grants`` every claim is granted at once,
    with ``settles`` every report is settled."""

    queues: MemoryQueues
    environment: Environment
    grants: bool = True
    settles: bool = True
    heard: list[Heard] = field(default_factory=list[Heard])

    def __post_init__(self) -> None:
        self._broker = MemoryBroker(self.queues)
        self._numbers = itertools.count(1)

    async def run(self, opened: asyncio.Event) -> None:
        """Hear all that is said, and answer it."""
        names = [STARTED, COMPLETED, ERROR, HEARTBEAT, LOGS, DEAD]
        async with self._broker.consume(names, prefetch=1000) as consumer:
            opened.set()
            while True:
                for delivery in await consumer.batch(100):
                    await consumer.ack([delivery])
                    await self._hear(delivery.queue, delivery.body)

    async def _hear(self, queue: str, body: bytes) -> None:
        at = asyncio.get_running_loop().time()
        match queue:
            case "started":
                message = _decode_claims(body)
                if self.grants:
                    await self.order(message.node, granted=[i.number for i in message.claims])
            case "completed" | "error":
                message = _decode_reports(body)
                if self.settles:
                    await self.order(message.node, settled=[i.number for i in message.reports])
            case "heartbeat":
                message = _decode_beat(body)
            case "logs":
                message = _decode_logs(body)
            case _:
                message = msgspec.json.decode(body, type=DeadLetter)
        self.heard.append(Heard(at, queue, message))

    # -- speaking

    async def order(
        self,
        node: str | None = None,
        *,
        granted: Sequence[int] = (),
        stopped: Sequence[int] = (),
        settled: Sequence[int] = (),
        lost: bool = False,
    ) -> None:
        """Give a worker orders; the one that was heard of last if none is named."""
        orders = Orders(
            granted=list(granted), stopped=list(stopped), settled=list(settled), lost=lost
        )
        await self.publish(node_queue(node or self.node), orders)

    async def publish(self, queue: str, body: bytes | Message) -> None:
        data = body if isinstance(body, bytes) else encode(body)
        await self._broker.publish([Outgoing(queue, data)])

    async def send(
        self, task: TaskSpec | str, queue: str = "default", **fields: object
    ) -> TaskMessage:
        """Send a task to its queue."""
        number = next(self._numbers)
        given: dict[str, object] = {
            "job_id": f"job {number}",
            "task_id": f"task {number}",
            "attempt": 1,
            "sent_at": self.environment.now(),
            "spec": TaskSpec(run=task) if isinstance(task, str) else task,
        }
        message = TaskMessage(**(given | fields))  # type: ignore[arg-type]
        await self.publish(queue, message)
        return message

    # -- what was heard

    def _of(self, kind: type[M], *queues: str) -> list[tuple[float, M]]:
        return [
            (heard.at, heard.message)
            for heard in self.heard
            if heard.queue in queues and isinstance(heard.message, kind)
        ]

    @property
    def beats(self) -> list[Heartbeat]:
        return [message for _, message in self._of(Heartbeat, HEARTBEAT)]

    @property
    def nodes(self) -> list[str]:
        """The nodes that have sent heartbeats, in the order of their first."""
        return list(dict.fromkeys(beat.node.id for beat in self.beats))

    @property
    def node(self) -> str:
        """The newest node."""
        return self.nodes[-1]

    @property
    def claims(self) -> list[tuple[float, str, ClaimItem]]:
        """When, from which node, and what was claimed."""
        return [
            (at, message.node, item)
            for at, message in self._of(Claims, STARTED)
            for item in message.claims
        ]

    @property
    def reports(self) -> list[tuple[float, str, ReportItem]]:
        """When, from which node, and what was reported."""
        return [
            (at, message.node, item)
            for at, message in self._of(Reports, COMPLETED, ERROR)
            for item in message.reports
        ]

    @property
    def parts(self) -> list[LogPart]:
        return [part for _, message in self._of(LogParts, LOGS) for part in message.parts]

    def log(self, task_id: TaskId | None = None) -> str:
        """All that was logged, in the order of the parts' numbers."""
        parts = [part for part in self.parts if task_id in (None, part.task_id)]
        return "".join(part.contents for part in sorted(parts, key=lambda part: part.number))

    @property
    def dead(self) -> list[DeadLetter]:
        return [item.message for item in self.heard if isinstance(item.message, DeadLetter)]


@dataclass
class Scene:
    """All that a test of a worker needs."""

    desk: Desk
    link: Link
    runtime: ScriptedRuntime
    worker: Worker
    running: asyncio.Task[None]

    @property
    def now(self) -> float:
        return asyncio.get_running_loop().time()

    def depth(self, queue: str = "default") -> tuple[int, int]:
        """How many messages wait in a queue, and how many are delivered and unacked."""
        found = self.desk.queues.find(queue)
        return (found.depth().ready, found.depth().unacked) if found else (0, 0)

    def consumers(self, queue: str = "default") -> int:
        found = self.desk.queues.find(queue)
        return found.depth().consumers if found else 0

    async def until(self, look: Callable[[], object], *, within: float = WITHIN) -> None:
        """Wait until something is so."""

        async def seen() -> object:
            return look()

        await eventually(seen, bool, within=within)

    async def ready(self) -> None:
        """Wait until the worker takes tasks."""
        await self.until(lambda: self.consumers() > 0)

    async def reported(self, count: int = 1, *, within: float = WITHIN) -> list[ReportItem]:
        """Wait for so many reports."""
        await self.until(lambda: len(self.desk.reports) >= count, within=within)
        return [item for _, _, item in self.desk.reports]

    async def ended(self, within: float = WITHIN) -> None:
        """Wait until the worker has ended."""
        async with asyncio.timeout(within):
            await asyncio.shield(self.running)


HONOURS = frozenset({"run", "image"})
IGNORES = frozenset({"registry"})


@asynccontextmanager
async def open_scene(
    *,
    queues: Mapping[str, int] | None = None,
    admit: Callable[[TaskSpec], TaskSpec] = lambda spec: spec,
    open_filter: Callable[[TaskLogContext], LogFilter | None] = lambda _: None,
    **settings: object,
) -> AsyncGenerator[Scene]:
    """Open a running worker of two slots, with coordinators that grant and settle all."""
    loop = asyncio.get_running_loop()
    shared = MemoryQueues()
    environment = Environment(clock=lambda: EPOCH + loop.time(), random=random.Random(1))
    desk = Desk(shared, environment)
    link = Link(shared)
    runtime = ScriptedRuntime()
    worker = Worker(
        link,
        Offer("scripted", runtime, HONOURS, IGNORES),
        environment,
        WorkerSettings(
            name="sam",
            queues=queues or {"default": 2},
            **settings,  # type: ignore[arg-type]
        ),
        CoordinatorSettings(),
        admit=admit,
        open_filter=open_filter,
    )
    opened = asyncio.Event()
    hearing = asyncio.create_task(desk.run(opened))
    await opened.wait()
    running = asyncio.create_task(worker.run())
    scene = Scene(desk, link, runtime, worker, running)
    try:
        await scene.ready()
        yield scene
    finally:
        for task in (running, hearing):
            task.cancel()
        await asyncio.wait([running, hearing])


def states(beats: Sequence[Heartbeat]) -> list[NodeState]:
    """The states that heartbeats tell."""
    return [beat.node.state for beat in beats]
