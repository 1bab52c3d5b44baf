"""What passes through an engine's queues, and how many tasks of each run at once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path

import pytest

from tork_core import Engine
from tork_core.errors import UsageError
from tork_core.interfaces.broker import Outgoing
from tork_core.model.messages import Claims, Heartbeat, Hint, Reports, TaskMessage
from tork_core.model.spec import JobSpec, TaskSpec
from tork_core.model.states import JobState
from tork_core.testing.waiting import eventually

MakeEngine = Callable[..., Engine]


async def test_a_program_sees_what_passes_through_queues(make_engine: MakeEngine) -> None:
    names = ["jobs", "pending", "default", "started", "completed"]
    async with make_engine() as engine, engine.observe(names) as passing:
        job_id = await engine.submit("tasks: [{run: echo -n out > $TORK_OUTPUT}]")
        seen = []
        async with asyncio.timeout(20):
            async for passed in passing:
                seen.append((passed.queue, passed.message))
                if seen[-1] == ("jobs", Hint(job_id=job_id, state=JobState.COMPLETED)):
                    break
        [task] = (await engine.job(job_id)).execution
    hints = [message for queue, message in seen if queue == "jobs"]
    assert hints == [
        Hint(job_id=job_id, state=state)
        for state in (JobState.PENDING, JobState.SCHEDULED, JobState.RUNNING, JobState.COMPLETED)
    ]
    by_queue = {queue: message for queue, message in seen if queue != "jobs"}
    assert by_queue["pending"] == Hint(job_id=job_id, task_id=task.id)
    assert isinstance(by_queue["default"], TaskMessage)
    assert isinstance(by_queue["started"], Claims)
    assert isinstance(by_queue["completed"], Reports)
    assert by_queue["completed"].reports[0].output == "out"


@pytest.mark.parametrize("name", ["heartbeat", "hearbeat"])
async def test_heartbeats_pass_under_both_names(make_engine: MakeEngine, name: str) -> None:
    async with make_engine() as engine, engine.observe([name]) as passing:
        [passed, *_] = await asyncio.wait_for(passing.batch(), 20)
    assert passed.queue == name
    assert isinstance(passed.message, Heartbeat)


async def test_a_retry_that_waits_lands_in_pending_when_its_time_has_come(
    make_engine: MakeEngine,
) -> None:
    text = "tasks: [{run: exit 1, retry: {limit: 1, initialDelay: 100ms}}]"
    async with make_engine() as engine, engine.observe(["pending"]) as passing:
        job_id = await engine.submit(text)
        ended = await asyncio.wait_for(engine.wait(job_id), 30)
        async with asyncio.timeout(5):
            found = [passed.message for passed in await passing.batch()]
    assert found == [Hint(job_id=job_id, task_id=task.id) for task in ended.execution]
    assert len(found) == 2


async def test_what_is_no_message_is_seen_as_it_is(make_engine: MakeEngine) -> None:
    async with make_engine() as engine, engine.observe(["started"]) as passing:
        assert engine._broker is not None
        await engine._broker.publish([Outgoing("started", b"nonsense")])
        [passed] = await asyncio.wait_for(passing.batch(), 10)
    assert (passed.message, passed.body) == (None, b"nonsense")


async def test_to_observe_nothing_is_an_error(make_engine: MakeEngine) -> None:
    engine = make_engine()
    with pytest.raises(UsageError, match="not open"):
        async with engine.observe(["jobs"]):
            pass
    async with engine:
        for names in ([], "jobs"):
            with pytest.raises(UsageError, match="name the queues"):
                async with engine.observe(names):
                    pass


async def test_a_worker_runs_as_many_tasks_of_each_queue_as_it_was_told_to(
    make_engine: MakeEngine, tmp_path: Path
) -> None:
    """The seed's ``-queue transcoding:3 -queue default:10``: a full queue holds up no other."""
    gate = tmp_path / "gate"
    waits = f"until [ -e {gate} ]; do sleep 0.05; done"
    heavy = JobSpec(tasks=[TaskSpec(run=waits, queue="transcoding")])
    light = JobSpec(tasks=[TaskSpec(run=waits)])
    async with make_engine(queues={"transcoding": 3, "default": 10}) as engine:
        jobs = [await engine.submit(heavy) for _ in range(5)]
        jobs += [await engine.submit(light) for _ in range(12)]

        async def figures() -> tuple[int, int, int, int]:
            """How many tasks of each queue run, and how many wait."""
            queues = {queue.name: queue for queue in await engine.service.queues()}
            states = [(await engine.job(job)).state for job in jobs]
            transcoding, default = queues["transcoding"], queues["default"]
            assert transcoding.unacked <= 3
            assert default.unacked <= 10
            running = states[:5].count(JobState.RUNNING), states[5:].count(JobState.RUNNING)
            return *running, transcoding.ready, default.ready

        await eventually(figures, lambda seen: seen == (3, 10, 2, 2), within=30)
        gate.touch()
        ended = [await asyncio.wait_for(engine.wait(job), 30) for job in jobs]
    assert {job.state for job in ended} == {JobState.COMPLETED}
