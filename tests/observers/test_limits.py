"""The time that one observer may take from the others."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import pytest

from tests.observers.watching import virtual
from tork_core.coordinator.observer_limits import BRIEF, CALL_LIMIT, HANGS, TRIAL, Limited
from tork_core.interfaces.middleware import (
    JobMiddleware,
    LogMiddleware,
    NodeEvent,
    NodeMiddleware,
    TaskMiddleware,
)
from tork_core.middleware.chain import Chain
from tork_core.model.job import Event, Job, JobRecord
from tork_core.model.node import Node, NodeKind
from tork_core.model.spec import JobSpec

NOW = datetime(2024, 1, 1, tzinfo=UTC)
RECORD = JobRecord(spec=JobSpec(tasks=[]), job=Job(id="j", created_at=NOW), tasks=[])
EVENT = Event(job_id="j", number=1, at=NOW, state="RUNNING")
NODE = NodeEvent(id="n:UP", node=Node(id="n", name="n", kind=NodeKind.WORKER))


class Offered:
    """Middleware of a test."""

    def __init__(self, *observers: Callable[[object], Awaitable[None]]) -> None:
        self.job_middleware = [
            JobMiddleware(name=f"job-{number}", observe=observe)
            for number, observe in enumerate(observers)
        ] + [JobMiddleware(name="silent")]
        self.task_middleware = [TaskMiddleware(name="silent")]
        self.node_middleware = [
            NodeMiddleware(name=f"node-{number}", observe=observe)
            for number, observe in enumerate(observers)
        ]
        self.log_middleware = [LogMiddleware(name="log", open=lambda context: None)]


class Moody:
    """An observer that takes as long as it is told to."""

    def __init__(self) -> None:
        self.seconds = 0.0
        self.ended = 0

    async def __call__(self, event: object) -> None:
        await asyncio.sleep(self.seconds)
        self.ended += 1


def clock() -> float:
    return asyncio.get_running_loop().time()


@virtual
async def test_an_observer_that_hangs_is_cut_off_and_the_others_are_told(
    capsys: pytest.CaptureFixture[str],
) -> None:
    hanging, quick = Moody(), Moody()
    hanging.seconds = 1e6
    chain = Chain.of(Limited(Offered(hanging, quick)))
    await chain.observe(RECORD, [EVENT])
    assert clock() == CALL_LIMIT
    await chain.observe_node(NODE)
    assert clock() == 2 * CALL_LIMIT
    assert (hanging.ended, quick.ended) == (0, 2)
    shown = "".join(capsys.readouterr())
    assert "job-0" in shown
    assert "middleware.hangs" in shown


@virtual
async def test_an_observer_that_goes_on_hanging_costs_little() -> None:
    hanging, quick = Moody(), Moody()
    hanging.seconds = 1e6
    chain = Chain.of(Limited(Offered(hanging, quick)))
    for _ in range(1000):
        await chain.observe(RECORD, [EVENT])
    trials = 1000 * BRIEF / TRIAL + 1
    assert clock() < (HANGS + trials) * CALL_LIMIT + 1000 * BRIEF
    assert quick.ended == 1000


@virtual
async def test_an_observer_that_has_recovered_gets_all_of_its_time_again() -> None:
    moody = Moody()
    chain = Chain.of(Limited(Offered(moody)))
    moody.seconds = 1e6
    for _ in range(20):
        await chain.observe(RECORD, [EVENT])
    moody.seconds = CALL_LIMIT / 2
    began = clock()
    while not moody.ended:
        await chain.observe(RECORD, [EVENT])
    assert clock() - began < TRIAL + 2 * CALL_LIMIT
    for _ in range(20):
        await chain.observe(RECORD, [EVENT])
    assert moody.ended == 21


@virtual
async def test_a_slow_observer_is_let_finish() -> None:
    moody = Moody()
    moody.seconds = CALL_LIMIT - 0.1
    chain = Chain.of(Limited(Offered(moody)))
    for _ in range(10):
        await chain.observe(RECORD, [EVENT])
    assert moody.ended == 10


@virtual
async def test_what_an_observer_raises_is_not_taken_for_a_hang(
    capsys: pytest.CaptureFixture[str],
) -> None:
    async def fail(event: object) -> None:
        raise TimeoutError("the observer's own")

    moody = Moody()
    chain = Chain.of(Limited(Offered(fail, moody)))
    for _ in range(2 * HANGS):
        await chain.observe(RECORD, [EVENT])
    assert moody.ended == 2 * HANGS
    shown = "".join(capsys.readouterr())
    assert "the observer's own" in shown
    assert "middleware.hangs" not in shown


def test_what_does_not_observe_stays_as_it_is() -> None:
    offered = Offered()
    limited = Limited(offered)
    assert limited.job_middleware == offered.job_middleware
    assert limited.task_middleware == offered.task_middleware
    assert limited.log_middleware is offered.log_middleware
    assert not Chain.of(limited).observes
