"""A coordinator that is the first of the only process there is goes on at once."""

from __future__ import annotations

import asyncio
from collections.abc import Collection

from tests.coordinator.coordinator_stage import Stage, claim_of, open_hand, open_stage, report_of
from tests.coordinator.job_story import job
from tests.coordinator.virtual_time import virtual
from tork_core.coordinator import recovery
from tork_core.coordinator.coordinator import Coordinator
from tork_core.errors import Unavailable
from tork_core.model.job import JobId, TaskId
from tork_core.model.node import NodeState
from tork_core.model.states import JobState, TaskState

AT_ONCE = 0.5
"""Virtual seconds: less than any sweep, lease or patience."""


async def run_and_die(stage: Stage, waiting: int) -> tuple[JobId, list[JobId]]:
    """Let a process run one task, with others waiting, and end without a word."""
    coordinator, _, _ = stage.coordinator(alone=True)
    working = stage.start(coordinator)
    await coordinator.ready()
    runs = (await coordinator.submit(job("true"))).job_id
    async with open_hand(stage) as hand:
        await hand.beat()
        [message] = await hand.take()
        await hand.claim(claim_of(message, 1))
        await hand.until(lambda hand: 1 in hand.granted)
    waits = [(await coordinator.submit(job("true"))).job_id for _ in range(waiting)]
    await stage.until(lambda: stage.depth("default")[0] == waiting)
    await stage.stop(working)
    stage.lose_broker()
    return runs, waits


async def next_process(stage: Stage) -> Coordinator:
    """Start the next coordinator, and return it when it is ready."""
    coordinator, _, _ = stage.coordinator(alone=True)
    stage.start(coordinator)
    await coordinator.ready()
    return coordinator


def attempts(stage: Stage, jobs: Collection[JobId]) -> list[tuple[str, int, int]]:
    """State, attempt and restarts of the first task of each job."""
    tasks = [stage.tasks_of(job_id)[0] for job_id in jobs]
    return [(task.state.value, task.attempt, task.restarts) for task in tasks]


@virtual
async def test_what_ran_and_what_waited_is_sent_at_once_and_the_nodes_are_lost() -> None:
    async with open_stage() as stage:
        runs, waits = await run_and_die(stage, 3)
        began = stage.store.now()
        coordinator = await next_process(stage)
        assert (stage.store.now() - began).total_seconds() < AT_ONCE
        assert attempts(stage, [runs]) == [("SCHEDULED", 2, 1)]
        assert attempts(stage, waits) == [("SCHEDULED", 1, 0)] * 3
        nodes = {node.id: node.state for node in stage.store.nodes.all()}
        assert nodes.pop(coordinator.node.id, NodeState.UP) is NodeState.UP
        assert set(nodes.values()) == {NodeState.LOST}
        async with open_hand(stage, "next") as hand:
            messages = await hand.take(4)
            assert sorted(message.attempt for message in messages) == [1, 1, 1, 2]
            for number, message in enumerate(messages, 1):
                await hand.run(message, number, output="42")
            for job_id in (runs, *waits):
                await stage.until(lambda i=job_id: stage.job(i).state is JobState.COMPLETED)
        assert coordinator.sweeper.published == 0


@virtual
async def test_a_late_report_of_the_process_before_does_not_count() -> None:
    async with open_stage() as stage:
        coordinator, _, _ = stage.coordinator(alone=True)
        working = stage.start(coordinator)
        job_id = (await coordinator.submit(job("true"))).job_id
        async with open_hand(stage) as hand:
            [message] = await hand.take()
            await hand.claim(claim_of(message, 1))
            await hand.until(lambda hand: 1 in hand.granted)
        await stage.stop(working)
        stage.lose_broker()
        await next_process(stage)
        async with open_hand(stage) as hand:
            await hand.report(report_of(message, 1, output="too late"))
            await hand.until(lambda hand: 1 in hand.settled)
        assert attempts(stage, [job_id]) == [("SCHEDULED", 2, 1)]


@virtual
async def test_a_large_backlog_is_taken_in_chunks() -> None:
    async with open_stage() as stage:
        _, waits = await run_and_die(stage, 1200)
        coordinator, _, datastore = stage.coordinator(alone=True)
        loaded: list[int] = []
        active = datastore.active

        async def counted(
            after: tuple[JobId, TaskId] | None, limit: int
        ) -> list[tuple[JobId, TaskId]]:
            found = await active(after, limit)
            loaded.append(len(found))
            return found

        datastore.active = counted  # type: ignore[method-assign]
        stage.start(coordinator)
        await coordinator.ready()
        assert sum(loaded) == 1201
        assert max(loaded) <= recovery.CHUNK
        assert stage.depth("default")[0] == 1201
        assert attempts(stage, waits[:1]) == [("SCHEDULED", 1, 0)]


@virtual
async def test_a_recovery_that_fails_half_way_goes_on_where_it_was() -> None:
    async with open_stage() as stage:
        await run_and_die(stage, 1200)
        coordinator, broker, datastore = stage.coordinator(alone=True)
        active = datastore.active
        failures = [Unavailable("datastore", "is away")] * 2

        async def failing(
            after: tuple[JobId, TaskId] | None, limit: int
        ) -> list[tuple[JobId, TaskId]]:
            if after is not None and failures:
                raise failures.pop()
            return await active(after, limit)

        datastore.active = failing  # type: ignore[method-assign]
        broker.failures = 1
        stage.start(coordinator)
        await coordinator.ready()
        assert not failures
        assert stage.depth("default")[0] == 1201
        assert coordinator.sweeper.published == 0


@virtual
async def test_nothing_is_swept_before_the_recovery_is_done() -> None:
    """Else the sweeper would give up what ran at the cost of the workers' limit."""
    async with open_stage() as stage:
        runs, _ = await run_and_die(stage, 0)
        coordinator, _, datastore = stage.coordinator(alone=True)
        datastore.away = True
        stage.start(coordinator)
        await asyncio.sleep(120)
        assert stage.tasks_of(runs)[0].state is TaskState.RUNNING
        datastore.away = False
        await coordinator.ready()
        task = stage.tasks_of(runs)[0]
        assert (task.restarts, task.lost) == (1, 0)


@virtual
async def test_a_coordinator_that_is_not_alone_waits_for_leases() -> None:
    async with open_stage() as stage:
        runs, _ = await run_and_die(stage, 0)
        coordinator, _, _ = stage.coordinator()
        stage.start(coordinator)
        await coordinator.ready()
        assert attempts(stage, [runs]) == [("RUNNING", 1, 0)]
