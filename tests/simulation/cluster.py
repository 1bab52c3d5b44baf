"""The cluster that is simulated: machines that crash, pause and are cut off, and their world."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from contextvars import Context

from tork_memory.queues import MemoryQueues

from tests.simulation.faults import Faults
from tests.simulation.history import CheckedStore, History
from tests.simulation.virtual_loop import NODE, VirtualLoop
from tests.simulation.wires import EPOCH, SimBroker, SimDatastore
from tork_core.coordinator.coordinator import Coordinator
from tork_core.coordinator.decisions.rules import Rules
from tork_core.errors import TaskFailed
from tork_core.expressions import BUILTINS
from tork_core.interfaces.broker import Outgoing
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.runtime import Execution, Start
from tork_core.settings.core import CoordinatorSettings, WorkerSettings
from tork_core.worker.attempts import Offer
from tork_core.worker.worker import Worker

QUEUES = ("default", "other")

NODE_FREE = Context()
"""A context that belongs to no node: what is in it goes on when nodes crash or pause."""


class World:
    """What all machines share."""

    def __init__(self, loop: VirtualLoop, seed: int, faults: Faults) -> None:
        self.loop = loop
        self.faults = faults
        self.plan = random.Random(f"plan {seed}")
        self.network = random.Random(f"network {seed}")
        self.history = History(loop.time, honest=faults.honest, doubtful=faults.doubtful)
        self.environment = Environment(
            clock=lambda: EPOCH + loop.time(), random=random.Random(f"world {seed}")
        )
        self.arrived: dict[bytes, float] = {}
        """When each message last came to its queue."""
        self.queues = DatedQueues(self)
        self.store = CheckedStore(self.environment, self.history, stepwise=self.plan.random() < 0.5)
        self.away: dict[str, float] = {}
        """Until when each service is away."""

    def is_away(self, service: str) -> bool:
        """Whether nobody can reach a service."""
        return self.away.get(service, 0.0) > self.loop.time()

    def deliver_later(self, message: Outgoing, delay: float) -> None:
        """Let a message arrive late, unless its lifetime is over by then."""
        if message.lifetime is not None and delay > message.lifetime:
            return

        def arrive() -> None:
            self.queues.publish([message])

        NODE_FREE.run(self.loop.call_later, delay, arrive)


class DatedQueues(MemoryQueues):
    """Queues that know when a message came."""

    def __init__(self, world: World) -> None:
        super().__init__()
        self._world = world

    def publish(self, messages: Sequence[Outgoing]) -> list[Outgoing]:
        """Publish, and note the time."""
        for message in messages:
            self._world.arrived[message.body] = self._world.loop.time()
        return super().publish(messages)


class Machine:
    """One computer: it runs a coordinator or a worker, and starts it again after a crash."""

    def __init__(self, world: World, name: str) -> None:
        self.world = world
        self.name = name
        self.paused_until = 0.0
        self.deaf_until = 0.0
        self.cut_until: dict[str, float] = {}
        self.skew = 0.0
        self.dead = False
        self.random = random.Random(f"{name} {world.plan.random()}")
        self.broker: SimBroker | None = None
        self.datastore: SimDatastore | None = None
        self.task: asyncio.Task[None] | None = None
        self.processes: dict[int, None] = {}

    # -- being in trouble

    def perils(self) -> tuple[float, float]:
        """The chances of a crash and of a pause at an await point."""
        raise NotImplementedError

    def check_alive(self) -> None:
        """A dead machine's code goes nowhere: its task is being cancelled."""
        if self.dead:
            raise asyncio.CancelledError

    def is_cut_off(self, service: str) -> bool:
        """Whether this machine alone cannot send to a service."""
        return self.cut_until.get(service, 0.0) > self.world.loop.time()

    def is_deaf(self) -> bool:
        """Whether this machine alone receives nothing."""
        return self.deaf_until > self.world.loop.time()

    def pause(self, seconds: float) -> None:
        """Stop the machine's processes for a while, as SIGSTOP would."""
        self.world.history.counts["pauses"] += 1
        self.paused_until = self.world.loop.time() + seconds

    def sent_at(self) -> float:
        """The time, as a sender of this moment takes it."""
        return self.world.loop.time()

    async def crash(self) -> None:
        """Die in the midst of a call, which never returns."""
        self.kill()
        await asyncio.Event().wait()

    def kill(self) -> None:
        """Cut the connections first, so that nothing of the clean-up has an effect."""
        if self.dead:
            return
        self.world.history.counts["crashes"] += 1
        self.dead = True
        if self.broker is not None:
            self.broker.die()
        if self.datastore is not None:
            self.datastore.die()
        for number in self.processes:
            self.world.history.ended(number)
        self.processes.clear()
        if self.task is not None:
            self.task.cancel()

    # -- living

    async def live(self, until: asyncio.Event) -> None:
        """Run the node, again after each crash, until the run is over."""
        while not until.is_set():
            self.dead = False
            self.paused_until = 0.0
            environment = Environment(
                clock=lambda: EPOCH + self.world.loop.time() + self.skew, random=self.random
            )
            self.broker = SimBroker(self)
            self.datastore = SimDatastore(self)
            body = self.node(environment)
            context = Context()
            context.run(NODE.set, self)
            self.task = asyncio.get_running_loop().create_task(body(), context=context)
            await asyncio.wait([self.task])
            if not self.task.cancelled() and self.task.exception() is not None:
                raise self.task.exception()  # type: ignore[misc]
            if until.is_set():
                return
            await asyncio.sleep(self.random.uniform(0.5, 8.0))

    def node(self, environment: Environment) -> Callable[[], Awaitable[None]]:
        """Make a new incarnation of what runs here."""
        raise NotImplementedError


class CoordinatorMachine(Machine):
    """Runs a coordinator, through which users may ask for things."""

    coordinator: Coordinator | None = None

    def perils(self) -> tuple[float, float]:
        faults = self.world.faults
        return faults.coordinator_crash, faults.pause

    def node(self, environment: Environment) -> Callable[[], Awaitable[None]]:
        assert self.broker is not None
        assert self.datastore is not None
        faults = self.world.faults
        settings = CoordinatorSettings(sweep_interval=2.0 if faults.sweeper else 1e9)
        rules = Rules(functions=BUILTINS, lost_limit=1000)
        self.coordinator = Coordinator(self.broker, self.datastore, rules, environment, settings)
        return self.coordinator.run


class WorkerMachine(Machine):
    """Runs a worker."""

    worker: Worker | None = None

    def perils(self) -> tuple[float, float]:
        faults = self.world.faults
        return faults.worker_crash, faults.pause

    def node(self, environment: Environment) -> Callable[[], Awaitable[None]]:
        assert self.broker is not None
        queues = {name: self.random.randint(1, 3) for name in QUEUES}
        if self.name != "worker 1" and self.random.random() < 0.3:
            del queues[self.random.choice(QUEUES)]
        runtime = SimRuntime(self)
        self.worker = Worker(
            self.broker,
            Offer("simulated", runtime, frozenset({"run"}), frozenset()),
            environment,
            WorkerSettings(
                name=self.name,
                queues=queues,
                claim="doubtful" if self.world.faults.doubtful else "always",
            ),
            CoordinatorSettings(),
        )
        return self.worker.run

    def drain(self) -> None:
        """Ask the worker to leave."""
        if self.worker is not None and not self.dead:
            incarnation = self.worker._incarnation
            if incarnation is not None:
                self.world.history.handed_over.add(incarnation._row.id)
            self.worker.drain()


class SimRuntime:
    """Tasks that take a while, print a little, and give an output that names their start."""

    def __init__(self, machine: WorkerMachine) -> None:
        self._machine = machine

    @asynccontextmanager
    async def prepare(self, execution: Execution) -> AsyncIterator[Start]:
        machine, world = self._machine, self._machine.world
        await asyncio.sleep(machine.random.uniform(0.0, 0.02))

        async def start() -> str:
            assert machine.worker is not None
            assert machine.worker._incarnation is not None
            node = machine.worker._incarnation._row.id
            number = world.history.started(execution.task_id, execution.attempt, node)
            machine.processes[number] = None
            try:
                await execution.log.write(f"start {number}\n".encode())
                await asyncio.sleep(_duration(machine.random))
                await execution.log.write(b"end\n")
            except asyncio.CancelledError:
                if not machine.dead:
                    await asyncio.sleep(machine.random.uniform(0.0, 4.0))
                raise
            finally:
                machine.processes.pop(number, None)
                world.history.ended(number)
            if machine.random.random() < world.faults.task_failure:
                raise TaskFailed("exit code 1", exit_code=1)
            return f"{execution.task_id}/{number}"

        yield start

    async def health(self) -> str | None:
        return None


def _duration(source: random.Random) -> float:
    """Mostly short; some outlast a lease, and the minute that a message stays unacked."""
    draw = source.random()
    if draw < 0.8:
        return source.uniform(0.01, 3.0)
    return source.uniform(3.0, 40.0) if draw < 0.97 else source.uniform(40.0, 100.0)
