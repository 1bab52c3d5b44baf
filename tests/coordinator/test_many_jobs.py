"""Coordinators with real workers: many jobs, nothing done twice, nothing for the sweeper."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager

from tork_memory.broker import MemoryBroker

from tests.coordinator.coordinator_stage import Stage, open_stage
from tests.coordinator.job_story import job
from tests.coordinator.virtual_time import virtual
from tork_core.coordinator.coordinator import Coordinator
from tork_core.errors import TaskFailed
from tork_core.interfaces.runtime import Execution, Start
from tork_core.model.job import TaskId
from tork_core.model.spec import JobSpec, RetrySpec, TaskSpec
from tork_core.model.states import JobState
from tork_core.settings.core import CoordinatorSettings, WorkerSettings
from tork_core.worker.attempts import Offer
from tork_core.worker.worker import Worker


class Counting:
    """A runtime that counts the starts of every task; ``run`` is how long it takes, in seconds,
    and ``fail`` fails."""

    def __init__(self) -> None:
        self.starts: Counter[TaskId] = Counter()

    @asynccontextmanager
    async def prepare(self, execution: Execution) -> AsyncGenerator[Start]:
        async def start() -> str:
            self.starts[execution.task_id] += 1
            script = execution.task.run or "0"
            if script == "fail":
                raise TaskFailed("exit code 1", exit_code=1)
            await execution.log.write(b"a line\n")
            await asyncio.sleep(float(script))
            return execution.task_id

        yield start

    async def health(self) -> str | None:
        return None


def work(stage: Stage, runtime: Counting, name: str = "w", slots: int = 20) -> None:
    """Let a worker run until the stage closes."""
    worker = Worker(
        MemoryBroker(stage.queues),
        Offer("counting", runtime, frozenset({"run"}), frozenset()),
        stage.environment,
        WorkerSettings(name=name, queues={"default": slots}),
        CoordinatorSettings(),
    )
    stage.tasks.append(asyncio.create_task(worker.run()))


async def complete(stage: Stage, coordinators: list[Coordinator], specs: list[JobSpec]) -> None:
    """Submit jobs, in turn to the coordinators, and wait until all have completed."""
    answers = await asyncio.gather(
        *(coordinators[n % len(coordinators)].submit(spec) for n, spec in enumerate(specs))
    )
    jobs = [answer.job_id for answer in answers]
    await stage.until(lambda: all(stage.job(job_id).state.ended for job_id in jobs), within=600)
    assert {stage.job(job_id).state for job_id in jobs} == {JobState.COMPLETED}


def sample(number: int) -> JobSpec:
    """Jobs of several kinds: of quick tasks and slow ones, with outputs, skipped, retried."""
    tasks = [
        TaskSpec(run="0", var="a"),
        TaskSpec(run=str(number % 7 / 2), env={"A": "{{ tasks.a }}"}),
        TaskSpec(run="0", condition="{{ tasks.a == '' }}"),
        TaskSpec(run="0.5", retry=RetrySpec(limit=2)),
    ]
    return job(*tasks[: number % 4 + 1], output="{{ tasks.a }}")


@virtual
async def test_without_faults_the_sweeper_publishes_nothing() -> None:
    async with open_stage() as stage:
        coordinator, _, _ = stage.coordinator()
        stage.start(coordinator)
        runtime = Counting()
        work(stage, runtime)
        await complete(stage, [coordinator], [sample(n) for n in range(400)])
        await asyncio.sleep(60)
        assert coordinator.sweeper.published == 0
        assert set(runtime.starts.values()) == {1}
        depths = await MemoryBroker(stage.queues).queues()
        assert all(depth.ready == depth.unacked == 0 for depth in depths), depths


@virtual
async def test_tasks_longer_than_a_minute_are_nothing_for_the_sweeper_either() -> None:
    async with open_stage() as stage:
        coordinator, _, _ = stage.coordinator()
        stage.start(coordinator)
        runtime = Counting()
        work(stage, runtime, slots=2)
        await complete(stage, [coordinator], [job("100") for _ in range(6)])
        assert coordinator.sweeper.published == 0
        assert set(runtime.starts.values()) == {1}


@virtual
async def test_two_coordinators_and_two_workers_share_the_work_and_do_nothing_twice() -> None:
    async with open_stage() as stage:
        coordinators = [stage.coordinator()[0] for _ in range(2)]
        runtime = Counting()
        for number, coordinator in enumerate(coordinators):
            stage.start(coordinator)
            work(stage, runtime, f"w{number}")
        await complete(stage, coordinators, [sample(n) for n in range(300)])
        assert set(runtime.starts.values()) == {1}
        assert [coordinator.sweeper.published for coordinator in coordinators] == [0, 0]


@virtual
async def test_the_other_coordinator_goes_on_when_one_is_killed() -> None:
    async with open_stage() as stage:
        first, broker, datastore = stage.coordinator()
        second, _, _ = stage.coordinator()
        running = stage.start(first)
        stage.start(second)
        runtime = Counting()
        work(stage, runtime)
        answers = [await first.submit(sample(n)) for n in range(100)]
        # Its connections go first, so that nothing of its clean-up has an effect.
        broker.close()
        datastore.close()
        await stage.stop(running)
        jobs = [answer.job_id for answer in answers]
        await stage.until(lambda: all(stage.job(job_id).state.ended for job_id in jobs), within=600)
        assert {stage.job(job_id).state for job_id in jobs} == {JobState.COMPLETED}
        assert set(runtime.starts.values()) == {1}


@virtual
async def test_a_job_whose_tasks_fail_is_not_retried_for_ever() -> None:
    async with open_stage() as stage:
        coordinator, _, _ = stage.coordinator()
        stage.start(coordinator)
        runtime = Counting()
        work(stage, runtime)
        spec = job(TaskSpec(run="fail", retry=RetrySpec(limit=3, initial_delay="5s")))
        accepted = await coordinator.submit(spec)
        began = asyncio.get_running_loop().time()
        await stage.until(lambda: stage.job(accepted.job_id).state is JobState.FAILED)
        assert len(runtime.starts) == 4
        assert 15 <= asyncio.get_running_loop().time() - began <= 22


@virtual
async def test_many_jobs_of_one_batch_are_committed_together() -> None:
    async with open_stage() as stage:
        coordinator, _, datastore = stage.coordinator()
        stage.start(coordinator)
        runtime = Counting()
        work(stage, runtime, slots=100)
        await complete(stage, [coordinator], [job("0") for _ in range(1000)])
        assert len(datastore.commits) < 600, "one commit for every message is too many"
