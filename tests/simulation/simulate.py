"""One run of the simulator: a cluster, users, and everything that goes wrong, from one seed.

``python -m tests.simulation --seeds 0:1000`` runs seeds; a failing one is replayed by
the command that it prints.
"""

from __future__ import annotations

import argparse
import asyncio
import logging
import multiprocessing
import random
import traceback
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import TypeVar

import structlog

from tests.simulation.cluster import QUEUES, CoordinatorMachine, Machine, WorkerMachine, World
from tests.simulation.faults import Faults, faults_of
from tests.simulation.history import Violation, check_end
from tests.simulation.virtual_loop import Stalled, VirtualLoop
from tests.simulation.wires import POINTS
from tork_core.coordinator.coordinator import Coordinator
from tork_core.errors import Conflict, TorkError, Unavailable
from tork_core.model.job import JobId
from tork_core.model.messages import DEAD
from tork_core.model.spec import JobSpec, RetrySpec, TaskSpec

T = TypeVar("T")

TROUBLE = 120.0
"""Seconds of virtual time in which things go wrong."""

PATIENCE = 30 * 60.0
"""Seconds of virtual time after the last fault in which every job has to end."""

COMMAND = "python -m tests.simulation --seeds"


@dataclass
class Result:
    """What came out of a seed."""

    seed: int
    digest: str = ""
    error: str | None = None
    counts: Counter[str] = field(default_factory=Counter[str])


class Run:
    """The cluster and its users."""

    def __init__(self, loop: VirtualLoop, seed: int, faults: Faults) -> None:
        self.world = World(loop, seed, faults)
        plan = self.world.plan
        self.coordinators = [
            CoordinatorMachine(self.world, f"coordinator {n + 1}")
            for n in range(plan.choice((1, 2, 2, 3)))
        ]
        self.workers = [
            WorkerMachine(self.world, f"worker {n + 1}")
            for n in range(plan.choice((1, 2, 3, 3, 4)))
        ]
        self.accepted: dict[JobId, bool | None] = {}
        self.over = asyncio.Event()

    async def play(self) -> None:
        """Play the run from the first submission to the end of the last job."""
        plan = self.world.plan
        machines: list[Machine] = [*self.coordinators, *self.workers]
        lives = [asyncio.ensure_future(machine.live(self.over)) for machine in machines]
        users = [
            asyncio.ensure_future(self._user(number, plan.uniform(0.0, 60.0)))
            for number in range(8)
        ]
        troubles = asyncio.ensure_future(self._troubles(machines))
        try:
            await self._watch([*users, troubles], lives, TROUBLE + PATIENCE)
            self.check()
            self._heal(machines)
            await self._watch([asyncio.ensure_future(self._all_ended())], lives, PATIENCE)
        finally:
            self.over.set()
            for machine in machines:
                if machine.task is not None:
                    machine.kill()
            await asyncio.wait(lives)

    def check(self) -> None:
        """Raise what a node may have swallowed."""
        if self.world.history.violations:
            raise self.world.history.violations[0]

    async def _watch(
        self, wanted: list[asyncio.Future[None]], lives: list[asyncio.Future[None]], seconds: float
    ) -> None:
        """Wait for what is wanted; a machine's end, or the time running out, is a failure."""
        rest = set(wanted)
        deadline = self.world.loop.time() + seconds
        while rest:
            left = deadline - self.world.loop.time()
            done, _ = await asyncio.wait(
                [*wanted, *lives], timeout=left, return_when=asyncio.FIRST_COMPLETED
            )
            for future in [*wanted, *lives]:
                if future in done and future.exception() is not None:
                    raise future.exception()  # type: ignore[misc]
            wanted = [future for future in wanted if future not in done]
            rest = set(wanted)
            if not done:
                return

    # -- users

    async def _user(self, number: int, delay: float) -> None:
        """Submit a job, until it is accepted; some cancel it later."""
        plan = random.Random(f"user {number} {delay}")
        await asyncio.sleep(delay)
        spec = _job(plan, number, delays=self.world.faults.sweeper)
        answer, _ = await self._ask(plan, lambda c: c.submit(spec, key=f"{number} {delay}"))
        assert answer is not None
        job_id = answer.job_id
        self.accepted[job_id] = False
        if plan.random() < 0.25:
            await asyncio.sleep(plan.expovariate(1 / 10))
            try:
                await self._ask(plan, lambda c: c.cancel(job_id))
                self.accepted[job_id] = True
            except Conflict:
                pass
            except Unsure:
                self.accepted[job_id] = None

    async def _ask(
        self, plan: random.Random, request: Callable[[Coordinator], Awaitable[T]]
    ) -> tuple[T, bool]:
        """Ask any coordinator, again until one answers; raises Unsure for a refusal of something
        that may have been done before."""
        unsure = False
        while True:
            coordinator = plan.choice(self.coordinators).coordinator
            if coordinator is not None:
                call = asyncio.ensure_future(request(coordinator))
                await asyncio.wait([call], timeout=20)
                if call.done():
                    error = call.exception()
                    if error is None:
                        return call.result(), unsure
                    if isinstance(error, Conflict):
                        raise (Unsure() if unsure else error) from error
                    assert isinstance(error, Unavailable), error
                call.cancel()
                unsure = True
            await asyncio.sleep(plan.uniform(0.1, 2.0))

    async def _all_ended(self) -> None:
        """Wait for the end of every job, and of every process."""
        store, history = self.world.store, self.world.history
        while True:
            views = [store.view(job_id, ()) for job_id in self.accepted]
            ended = all(view is not None and view.job.state.ended for view in views)
            if history.violations or (ended and not history.running):
                return
            await asyncio.sleep(5.0)

    # -- troubles

    async def _troubles(self, machines: list[Machine]) -> None:
        """Let everything go wrong that the seed has planned, and wait until it is over."""
        world, plan, faults = self.world, self.world.plan, self.world.faults
        events: list[tuple[float, Callable[[], None]]] = []
        for _ in range(faults.outages):
            what, length = plan.choice(("broker", "datastore", "coordinators")), plan.uniform(2, 50)
            events.append((plan.uniform(0, TROUBLE - 60), self._outage(what, length)))
        for _ in range(faults.partitions):
            events.append((plan.uniform(0, TROUBLE - 60), self._partition(plan.choice(machines))))
        for _ in range(faults.drains):
            events.append((plan.uniform(5, TROUBLE - 60), plan.choice(self.workers).drain))
        if faults.clock_jumps:
            for machine in machines:
                skew = plan.choice((0.0, -3600.0, 3600.0, 3.0))
                events.append(
                    (plan.uniform(0, 60), lambda m=machine, s=skew: setattr(m, "skew", s))
                )
        events.sort(key=lambda event: event[0])
        for at, event in events:
            await asyncio.sleep(max(0.0, at - world.loop.time()))
            event()
        await asyncio.sleep(max(0.0, TROUBLE - world.loop.time()))

    def _outage(self, what: str, length: float) -> Callable[[], None]:
        world = self.world

        def begin() -> None:
            until = world.loop.time() + length
            if what == "coordinators":
                for machine in self.coordinators:
                    machine.cut_until = {"broker": until, "datastore": until}
                    if machine.broker is not None:
                        machine.broker.close()
                return
            world.away[what] = until
            if what == "broker":
                for machine in [*self.coordinators, *self.workers]:
                    if machine.broker is not None and not machine.dead:
                        machine.broker.close()

        return begin

    def _partition(self, machine: Machine) -> Callable[[], None]:
        """Cut one machine off in one direction."""
        world, plan = self.world, self.world.plan
        way = plan.choice(("broker", "datastore", "deaf"))
        length = plan.uniform(2, 50)

        def begin() -> None:
            until = world.loop.time() + length
            if way == "deaf":
                machine.deaf_until = until
            else:
                machine.cut_until[way] = until

        return begin

    def _heal(self, machines: list[Machine]) -> None:
        """From here on nothing goes wrong any more."""
        world = self.world
        world.faults = replace(
            world.faults,
            lost=0.0,
            doubled=0.0,
            delayed=0.0,
            publish_unknown=0.0,
            ack_lost=0.0,
            commit_unknown=0.0,
            read_failed=0.0,
            coordinator_crash=0.0,
            worker_crash=0.0,
            pause=0.0,
        )
        world.away.clear()
        for machine in machines:
            machine.cut_until.clear()
            machine.deaf_until = 0.0


class Unsure(TorkError):
    """A request was refused that may have been carried out before."""


def _job(plan: random.Random, number: int, *, delays: bool) -> JobSpec:
    """A job of a few tasks; ``delays``: some of their retries wait, which needs a sweeper."""
    count = plan.randint(1, 5)
    tasks = [_task(plan, n, delays) for n in range(1, count + 1)]
    output = ",".join(f"{{{{ tasks.v{n} }}}}" for n in range(1, count + 1))
    return JobSpec(name=f"job {number}", tasks=tasks, output=output)


def _task(plan: random.Random, number: int, delays: bool) -> TaskSpec:
    earlier = f"{{{{ tasks.v{plan.randint(1, number)} }}}}"
    later = RetrySpec(limit=1, initial_delay="3s" if delays else None)
    retry = plan.choice((None, None, RetrySpec(limit=2), later))
    return TaskSpec(
        run="simulated",
        var=f"v{number}",
        env={"EARLIER": earlier} if plan.random() < 0.5 else None,
        condition="{{ 1 > 2 }}" if plan.random() < 0.1 else None,
        queue=plan.choice((None, *QUEUES)),
        priority=plan.choice((None, 0, 5)),
        retry=retry,
    )


def run_seed(seed: int, faults: Faults | None = None) -> Result:
    """Run one seed to its end."""
    source = random.Random(f"faults {seed}")
    loop = VirtualLoop()
    result = Result(seed)
    run = None
    try:
        run = Run(loop, seed, faults or faults_of(seed, source))
        loop.run(_play(run))
        if loop.faults:
            raise Violation(f"an exception was lost: {loop.faults[0]}")
    except (Violation, Stalled, AssertionError) as error:
        result.error = f"{type(error).__name__}: {error}"
    except Exception:  # noqa: BLE001 -- whatever a node raised is the seed's finding
        result.error = traceback.format_exc()
    if run is not None:
        result.counts = run.world.history.counts
        result.digest = run.world.history.digest
    return result


async def _play(run: Run) -> None:
    await run.play()
    world = run.world
    run.check()
    check_end(world.store, world.history, run.accepted)
    dead = world.queues.find(DEAD)
    if dead is not None and dead.depth().ready:
        raise Violation(f"{dead.depth().ready} messages are among the dead letters")


def silence() -> None:
    """Keep the nodes' own logs out of the way."""
    structlog.configure(
        wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL),
        cache_logger_on_first_use=False,
    )


def main() -> int:
    """Run seeds from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0:500", help="one seed, or FIRST:END (END excluded)")
    parser.add_argument("--jobs", type=int, default=1, help="processes to run seeds in")
    parser.add_argument("--digest", action="store_true", help="print each seed's trace digest")
    parser.add_argument("--logs", action="store_true", help="show the nodes' own logs")
    args = parser.parse_args()
    first, _, end = args.seeds.partition(":")
    seeds = range(int(first), int(end) if end else int(first) + 1)
    if not args.logs:
        silence()
    total: Counter[str] = Counter()
    failed = 0
    with multiprocessing.Pool(args.jobs, initializer=silence) as pool:
        results = pool.imap(run_seed, seeds, chunksize=4) if args.jobs > 1 else map(run_seed, seeds)
        for result in results:
            total += result.counts
            if args.digest:
                print(result.seed, result.digest)
            if result.error:
                failed += 1
                print(
                    f"seed {result.seed}: {result.error}\n  replay: {COMMAND} {result.seed} --logs"
                )
    print(f"{len(seeds)} seeds, {failed} failed; {dict(sorted(total.items()))}")
    if args.jobs == 1:
        crashed, seen = len(POINTS.crashed), len(POINTS.seen)
        print(f"crashes at {crashed} of {seen} await points ({POINTS.share:.0%})")
    return 1 if failed else 0
