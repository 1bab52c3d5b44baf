"""The simulator's cluster, with observers: whatever crashes, every event is told, and in order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator

import pytest
import structlog

from tests.simulation import simulate
from tests.simulation.cluster import CoordinatorMachine
from tests.simulation.faults import EVERYTHING, HONEST, UNSWEPT, Faults
from tests.simulation.history import Violation
from tests.simulation.simulate import Run, run_seed, silence
from tork_core.coordinator.observing import Observers
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.middleware import NodeEvent
from tork_core.model.job import Event as JobEvent
from tork_core.model.job import JobId, JobRecord

CATCHING_UP = 120.0
"""Virtual seconds after the last job's end in which everything must have been told."""


@pytest.fixture(autouse=True)
def quiet() -> Iterator[None]:
    silence()
    yield
    structlog.reset_defaults()


class Told:
    """What all observers of a cluster were told, also before they crashed."""

    observes = True

    def __init__(self) -> None:
        self.firsts: dict[JobId, list[int]] = {}
        self.calls = 0
        self.nodes: set[str] = set()

    async def observe(self, record: JobRecord, events: list[JobEvent]) -> None:
        for event in events:
            await asyncio.sleep(0.005)
            self.calls += 1
            firsts = self.firsts.setdefault(event.job_id, [])
            if event.number not in firsts:
                firsts.append(event.number)

    async def observe_node(self, event: NodeEvent) -> None:
        self.nodes.add(event.id)


class ObservedMachine(CoordinatorMachine):
    """A coordinator with an observer."""

    told: Told

    def node(self, environment: Environment) -> Callable[[], Awaitable[None]]:
        run = super().node(environment)
        assert self.broker is not None
        assert self.datastore is not None
        assert self.coordinator is not None
        self.coordinator._observers = Observers(
            self.broker, self.datastore, self.told, environment, self.coordinator.node.id
        )
        return run


class ObservedRun(Run):
    """A run that goes on until everything has been told."""

    async def _all_ended(self) -> None:
        await super()._all_ended()
        store, told = self.world.store, ObservedMachine.told
        deadline = self.world.loop.time() + CATCHING_UP
        for job_id in self.accepted:
            numbers = [event.number for event in store.events(job_id, 0, 10_000)]
            while told.firsts.get(job_id) != numbers:
                if self.world.loop.time() > deadline:
                    raise Violation(f"of {job_id} {told.firsts.get(job_id)} was told: {numbers}")
                await asyncio.sleep(1)
                numbers = [event.number for event in store.events(job_id, 0, 10_000)]


@pytest.mark.parametrize("faults", [EVERYTHING, HONEST, UNSWEPT], ids=["all", "honest", "unswept"])
def test_every_event_is_told_and_first_told_in_order(
    faults: Faults, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(simulate, "CoordinatorMachine", ObservedMachine)
    monkeypatch.setattr(simulate, "Run", ObservedRun)
    calls = firsts = 0
    for seed in range(25):
        ObservedMachine.told = told = Told()
        result = run_seed(seed, faults)
        assert result.error is None, f"seed {seed}: {result.error}"
        calls += told.calls
        firsts += sum(map(len, told.firsts.values()))
    assert firsts > 1000
    assert calls < 2 * firsts
