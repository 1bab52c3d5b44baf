"""The engine as programs embed it, with real processes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from tests.engine.no_op import no_op_engine
from tork_core import Engine
from tork_core.errors import Conflict, InvalidJob, NotFound, Unavailable, UsageError
from tork_core.model.answers import JobAnswer
from tork_core.model.job import Event, LogPart
from tork_core.model.spec import JobSpec, RetrySpec, TaskSpec
from tork_core.model.states import JobState, TaskState
from tork_core.settings.core import RuntimeChoice
from tork_core.testing._runtime_base import processes_with
from tork_core.testing.waiting import eventually

MakeEngine = Callable[..., Engine]


@pytest.fixture
async def engine(make_engine: MakeEngine) -> AsyncIterator[Engine]:
    async with make_engine() as engine:
        yield engine


async def finish(engine: Engine, job: JobSpec | str, **options: object) -> JobAnswer:
    """Run a job to its end."""
    job_id = await engine.submit(job, **options)  # type: ignore[arg-type]
    async with asyncio.timeout(30):
        return await engine.wait(job_id)


def job(*scripts: str, **fields: object) -> JobSpec:
    """A job that runs these scripts."""
    return JobSpec(tasks=[TaskSpec(run=script) for script in scripts], **fields)  # type: ignore[arg-type]


async def until_there_are(token: str, count: int, within: float = 20) -> None:
    """Wait until so many processes of a test are there."""

    async def look() -> list[str]:
        return await asyncio.to_thread(processes_with, token)

    await eventually(look, lambda seen: len(seen) == count, within=within)


# -- one job


async def test_a_job_from_yaml_to_its_result(engine: Engine) -> None:
    found = await finish(
        engine,
        """
        name: a job
        inputs: {who: world}
        tasks:
          - name: first
            var: greeting
            env: {WHO: "{{ inputs.who }}"}
            run: echo -n "hello $WHO" > $TORK_OUTPUT
          - name: skipped
            if: "{{ tasks.greeting == '' }}"
            run: exit 1
          - name: second
            env: {TEXT: "{{ tasks.greeting }}"}
            run: test "$TEXT" = "hello world"
        output: "{{ tasks.greeting }}!"
        """,
    )
    assert (found.state, found.result) == (JobState.COMPLETED, "hello world!")
    assert [task.state for task in found.execution] == [
        TaskState.COMPLETED,
        TaskState.SKIPPED,
        TaskState.COMPLETED,
    ]
    assert (found.position, found.progress, found.name) == (4, 100.0, "a job")
    first = found.execution[0]
    assert first.result == "hello world"
    assert first.started_at is not None
    assert first.completed_at is not None
    assert found.created_at <= first.started_at <= first.completed_at
    assert found.completed_at is not None
    assert first.node_id


async def test_a_failing_job_says_why(engine: Engine) -> None:
    found = await finish(engine, job("echo before; exit 7", "true"))
    assert found.state is JobState.FAILED
    assert found.error is not None
    assert "exit code 7" in found.error
    assert "before" in found.error
    assert [task.state for task in found.execution] == [TaskState.FAILED]


async def test_retries_are_instances_of_their_own(engine: Engine, tmp_path: Path) -> None:
    count = tmp_path / "count"
    script = f'echo x >> {count}; test "$(wc -l < {count})" = 3'
    spec = JobSpec(tasks=[TaskSpec(run=script, retry=RetrySpec(limit=4))])
    found = await finish(engine, spec)
    assert found.state is JobState.COMPLETED
    states = [task.state.value for task in found.execution]
    assert states == ["FAILED", "FAILED", "COMPLETED"]
    assert [task.retry.attempts for task in found.execution if task.retry] == [0, 1, 2]
    assert len({task.id for task in found.execution}) == 3


async def test_inputs_go_over_those_of_the_job(engine: Engine) -> None:
    text = "inputs: {a: '1', b: '2'}\ntasks: [{run: 'true'}]\noutput: '{{inputs.a}}{{inputs.b}}'"
    found = await finish(engine, text, inputs={"b": "3"})
    assert found.result == "13"


async def test_json_is_read_too(engine: Engine) -> None:
    assert (await finish(engine, '{"tasks":[{"run":"true"}]}', format="json")).state == "COMPLETED"


async def test_a_job_that_may_not_be_accepted_is_refused_with_its_place(engine: Engine) -> None:
    with pytest.raises(InvalidJob) as refused:
        await engine.submit("tasks:\n- run: 'true'\n  env: {A: '{{ nosuch() }}'}\n")
    assert (refused.value.line, refused.value.path) == (3, "$.tasks[0].env.A")
    with pytest.raises(InvalidJob) as refused:
        await engine.submit(JobSpec(tasks=[TaskSpec(run="x", condition="{{ 1 + }}")]))
    assert refused.value.path == "$.tasks[0].if"
    with pytest.raises(InvalidJob):
        await engine.submit(JobSpec(tasks=[]))


async def test_one_key_is_one_job(engine: Engine) -> None:
    spec = job("true")
    first, second = await asyncio.gather(*(engine.submit(spec, key="k") for _ in range(2)))
    assert first == second
    with pytest.raises(Conflict):
        await engine.submit(job("false"), key="k")


async def test_unknown_jobs_are_errors(engine: Engine) -> None:
    for ask in (engine.job, engine.wait, engine.cancel):
        with pytest.raises(NotFound):
            await ask("0" * 32)
    with pytest.raises(NotFound):
        await asyncio.wait_for(anext(engine.follow("0" * 32)), 5)


async def test_an_unknown_runtime_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="shelf"):
        async with Engine(RuntimeChoice(type="shelf")):
            pass


async def test_an_engine_that_is_closed_answers_and_does_not_hang(make_engine: MakeEngine) -> None:
    async with make_engine() as engine:
        job_id = await engine.submit(job("true"))
        await engine.wait(job_id)
    async with asyncio.timeout(5):
        for ask in (engine.submit(job("true")), engine.job(job_id), engine.wait(job_id)):
            with pytest.raises(Unavailable):
                await ask


# -- following


async def test_a_follower_gets_every_line_before_the_end_of_its_task(engine: Engine) -> None:
    job_id = await engine.submit(job("for i in $(seq 2000); do echo line $i; done", "echo last"))
    items = [item async for item in engine.follow(job_id)]
    text: dict[str, str] = {}
    for item in items:
        if isinstance(item, LogPart):
            text[item.task_id] = text.get(item.task_id, "") + item.contents
        elif isinstance(item, Event) and item.state == TaskState.COMPLETED and item.task_id:
            text[item.task_id] += "end"
    logs = list(text.values())
    assert logs == ["".join(f"line {i}\n" for i in range(1, 2001)) + "end", "last\nend"]
    last = items[-1]
    assert isinstance(last, Event)
    assert (last.state, last.task_id) == ("COMPLETED", None)


async def test_what_a_task_prints_is_seen_while_it_runs(engine: Engine, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    job_id = await engine.submit(job(f"echo ready; until test -e {gate}; do sleep 0.02; done"))
    seen = ""
    async with asyncio.timeout(20):
        async for item in engine.follow(job_id):
            if isinstance(item, LogPart):
                seen += item.contents
                assert not gate.exists(), "the log came only at the end"
                gate.touch()
    assert seen == "ready\n"


async def test_the_log_of_a_killed_task_comes_up_to_its_end(engine: Engine) -> None:
    job_id = await engine.submit(job("echo before; kill -9 $$"))
    items = [item async for item in engine.follow(job_id)]
    assert "before\n" in [item.contents for item in items if isinstance(item, LogPart)]
    found = await engine.job(job_id)
    assert "SIGKILL" in (found.error or "")


async def test_followers_and_readers_see_no_secret(engine: Engine) -> None:
    text = """
        inputs: {API_PASSWORD: hunter2-hunter2}
        tasks:
          - name: "uses {{ inputs.API_PASSWORD }}"
            env: {OTHER: "{{ inputs.API_PASSWORD }}", A_SECRET: "open-sesame"}
            run: |
              echo "$OTHER $A_SECRET"; echo "$OTHER" | base64
              echo "$OTHER" > $TORK_OUTPUT; exit 3
        """
    job_id = await engine.submit(text)
    items = [item async for item in engine.follow(job_id)]
    found = await engine.job(job_id)
    for shown in (repr(items), repr(found)):
        assert "hunter2" not in shown
        assert "sesame" not in shown
        assert "aHVudGVyMi1odW50ZXIy" not in shown
    assert "[REDACTED]" in repr(items)


# -- cancelling and leaving


async def test_a_cancel_stops_the_whole_process_group(engine: Engine, token: str) -> None:
    script = f"exec -a {token} sleep 1000 & exec -a {token} sleep 1000 & wait"
    job_id = await engine.submit(
        JobSpec(tasks=[TaskSpec(run=script, env={"MARK": token}), TaskSpec(run="true")])
    )
    await until_there_are(token, 3)
    await engine.cancel(job_id)
    found = await engine.wait(job_id)
    assert found.state is JobState.CANCELLED
    assert [task.state for task in found.execution] == [TaskState.CANCELLED]
    await until_there_are(token, 0, within=10)
    with pytest.raises(Conflict):
        await engine.cancel(job_id)


async def test_a_cancelled_task_that_ignores_sigterm_is_killed(engine: Engine, token: str) -> None:
    spec = JobSpec(
        tasks=[TaskSpec(run="trap '' TERM; while :; do sleep 0.1; done", env={"MARK": token})]
    )
    job_id = await engine.submit(spec)

    async def log() -> list[str]:
        return await asyncio.to_thread(processes_with, token)

    await eventually(log, bool, within=20)
    await engine.cancel(job_id)
    await until_there_are(token, 0, within=10)


async def test_a_cancel_of_a_job_that_waits_for_a_slot_never_starts_it(
    make_engine: MakeEngine, tmp_path: Path
) -> None:
    async with make_engine(queues={"default": 1}) as engine:
        gate, started = tmp_path / "gate", tmp_path / "started"
        first = await engine.submit(job(f"until test -e {gate}; do sleep 0.02; done"))
        second = await engine.submit(job(f"touch {started}"))
        await engine.cancel(second)
        gate.touch()
        assert (await engine.wait(first)).state is JobState.COMPLETED
        assert (await finish(engine, job("true"))).state is JobState.COMPLETED
        assert not started.exists()


async def test_an_engine_that_closes_finishes_what_runs(
    make_engine: MakeEngine, tmp_path: Path, token: str
) -> None:
    done = tmp_path / "done"
    async with make_engine(grace=20.0) as engine:
        spec = JobSpec(tasks=[TaskSpec(run=f"sleep 0.7; touch {done}", env={"MARK": token})])
        await engine.submit(spec)
        await until_there_are(token, 2)
    assert done.exists()


async def test_an_engine_that_closes_stops_what_takes_longer_than_its_grace(
    make_engine: MakeEngine, token: str
) -> None:
    async with make_engine(grace=0.2) as engine:
        await engine.submit(JobSpec(tasks=[TaskSpec(run="sleep 1000", env={"MARK": token})]))
        await until_there_are(token, 2)
        began = time.monotonic()
    assert time.monotonic() - began < 10
    assert processes_with(token) == []


async def test_an_exception_of_the_caller_stops_the_tasks_and_comes_out_as_it_is(
    make_engine: MakeEngine, token: str
) -> None:
    async def use() -> None:
        async with make_engine(grace=1000.0) as engine:
            await engine.submit(JobSpec(tasks=[TaskSpec(run="sleep 1000", env={"MARK": token})]))
            await until_there_are(token, 2)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await use()
    assert processes_with(token) == []


async def test_a_cancelled_caller_leaves_no_processes(make_engine: MakeEngine, token: str) -> None:
    async def use() -> None:
        async with make_engine(grace=1000.0) as engine:
            spec = JobSpec(tasks=[TaskSpec(run="sleep 1000", env={"MARK": token})])
            await engine.wait(await engine.submit(spec))

    using = asyncio.create_task(use())
    await until_there_are(token, 2)
    using.cancel()
    with pytest.raises(asyncio.CancelledError):
        await using
    assert processes_with(token) == []


async def test_nothing_is_left_in_the_folder_for_scratch(
    make_engine: MakeEngine, tmp_path: Path
) -> None:
    async with make_engine() as engine:
        spec = job("echo x > file; mkdir -p a/b; echo $TORK_OUTPUT", "exit 1")
        await finish(engine, spec)
    assert list((tmp_path / "scratch").iterdir()) == []


async def test_two_engines_in_one_process_do_not_disturb_each_other(
    make_engine: MakeEngine, token: str
) -> None:
    async with make_engine() as first, make_engine() as second:
        spec = JobSpec(tasks=[TaskSpec(run="sleep 1000", env={"MARK": token})])
        running = await first.submit(spec)
        await until_there_are(token, 2)
        assert (await finish(second, job("true"))).state is JobState.COMPLETED
        assert len(processes_with(token)) == 2
        with pytest.raises(NotFound):
            await second.job(running)
        await first.cancel(running)


# -- many jobs


async def test_a_thousand_jobs_that_are_submitted_at_once_all_complete(
    make_engine: MakeEngine,
) -> None:
    async with make_engine(queues={"default": 20}) as engine:
        spec = job("echo hello")
        async with asyncio.timeout(60):
            jobs = await asyncio.gather(*(engine.submit(spec) for _ in range(1000)))
            found = await asyncio.gather(*(engine.wait(job_id) for job_id in jobs))
    assert len(set(jobs)) == 1000
    assert {item.state for item in found} == {JobState.COMPLETED}
    assert {item.execution[0].attempt for item in found} == {1}


async def test_a_thousand_tasks_of_one_job_run_one_after_the_other() -> None:
    async with no_op_engine() as engine:
        spec = JobSpec(tasks=[TaskSpec(run="x")] * 1000)
        async with asyncio.timeout(60):
            found = await engine.wait(await engine.submit(spec))
    assert found.state is JobState.COMPLETED
    assert len(found.execution) == 1000
