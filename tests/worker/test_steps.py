"""Pre and post tasks, and time-outs: what a worker makes of one attempt."""

from __future__ import annotations

import asyncio

import pytest

from tests.coordinator.virtual_time import virtual
from tests.worker.worker_stage import Scene, open_scene
from tork_core.model.messages import ReportItem
from tork_core.model.spec import AuxiliaryTaskSpec, LimitsSpec, RegistrySpec, TaskSpec


def beside(run: str, name: str | None = None, timeout: str | None = None) -> AuxiliaryTaskSpec:
    return AuxiliaryTaskSpec(run=run, name=name, timeout=timeout)


async def run(scene: Scene, task: TaskSpec, **fields: object) -> ReportItem:
    """Run a task to its report."""
    count = len(scene.desk.reports)
    await scene.desk.send(task, "default", **fields)
    return (await scene.reported(count + 1))[-1]


def scripts(scene: Scene) -> list[str | None]:
    """What was prepared, in order."""
    return [execution.task.run for execution in scene.runtime.executions]


# -- order


@virtual
async def test_pre_the_task_and_post_run_one_after_another_and_the_output_is_the_tasks() -> None:
    async with open_scene() as scene:
        task = TaskSpec(
            name="main",
            pre=[beside("print a", "first"), beside("print b")],
            run="output result",
            post=[beside("print c", "last")],
        )
        report = await run(scene, task)
        assert (report.output, report.error) == ("result", None)
        assert scripts(scene) == ["print a", "print b", "output result", "print c"]
        assert scene.runtime.most_running == 1
        assert scene.desk.log() == (
            '[tork: pre task "first"]\na\n[tork: pre task 2]\nb\n[tork: task "main"]\n'
            '[tork: post task "last"]\nc\n'
        )


@virtual
async def test_all_are_prepared_before_the_first_is_started() -> None:
    async with open_scene() as scene:
        await run(scene, TaskSpec(pre=[beside("1")], run="1", post=[beside("1")]))
        seen = [what for what, _ in scene.runtime.seen]
        assert seen[:3] == ["prepared"] * 3
        assert seen[-3:] == ["left"] * 3
        assert seen[3:-3] == ["started", "ended"] * 3


@virtual
async def test_each_has_its_own_env_and_image_and_all_share_the_scratch_folder_and_limits() -> None:
    async with open_scene() as scene:
        pre = AuxiliaryTaskSpec(run="0", image="a", env={"A": "1"})
        task = TaskSpec(run="0", image="b", env={"B": "2"}, pre=[pre])
        await run(scene, task, job_id="j", task_id="t", attempt=3)
        first, second = scene.runtime.executions
        own = {"TORK_JOB_ID": "j", "TORK_TASK_ID": "t", "TORK_ATTEMPT": "3"}
        assert (first.task.image, first.env) == ("a", {"A": "1", **own})
        assert (second.task.image, second.env) == ("b", {"B": "2", **own})
        assert first.scratch is second.scratch


@virtual
async def test_limits_are_inherited() -> None:
    async with open_scene(default_memory_limit="5m") as scene:
        limits = LimitsSpec(cpus="1")
        report = await run(scene, TaskSpec(run="0", limits=limits, pre=[beside("0", "p")]))
        # The scripted runtime has none: the first step to be prepared says so.
        assert report.error is not None
        assert report.error.startswith('pre task "p": limits: the runtime scripted cannot')


@virtual
async def test_what_is_ignored_is_warned_of_once() -> None:
    async with open_scene() as scene:
        registry = RegistrySpec(username="u", password="p")
        pre = AuxiliaryTaskSpec(run="0", registry=registry)
        await run(scene, TaskSpec(run="0", registry=registry, pre=[pre]))
        assert scene.desk.log().count("[tork: registry is ignored by the runtime scripted]") == 1


# -- failures


@pytest.mark.parametrize(
    ("task", "error", "started"),
    [
        (TaskSpec(pre=[beside("fail x", "p")], run="0"), 'pre task "p": x', 1),
        (TaskSpec(pre=[beside("0"), beside("fail x")], run="0"), "pre task 2: x", 2),
        (TaskSpec(pre=[beside("0")], run="fail x", post=[beside("0")]), "x", 2),
        (TaskSpec(run="output y", post=[beside("fail x", "q")]), 'post task "q": x', 2),
    ],
    ids=["pre", "second pre", "the task", "post"],
)
@virtual
async def test_the_failure_of_any_fails_the_task_and_ends_it_there(
    task: TaskSpec, error: str, started: int
) -> None:
    async with open_scene() as scene:
        report = await run(scene, task)
        assert (report.error, report.output) == (error, None)
        assert len(scene.runtime.happened("started")) == started
        left = scene.runtime.happened("left")
        assert len(left) == len(scene.runtime.happened("prepared"))


@virtual
async def test_volumes_are_refused_by_a_runtime_without_them_and_the_error_says_why() -> None:
    async with open_scene() as scene:
        report = await run(scene, TaskSpec(run="0", volumes=["/data"]))
        assert report.error is not None
        assert "cannot carry out volumes, which need a container" in report.error
        assert scene.runtime.seen == []


@virtual
async def test_a_stop_during_a_pre_task_starts_nothing_more() -> None:
    async with open_scene() as scene:
        await scene.desk.send(TaskSpec(pre=[beside("100")], run="0"))
        await scene.until(lambda: scene.runtime.running == 1)
        await scene.desk.order(stopped=[scene.desk.claims[0][2].number])
        await scene.until(lambda: len(scene.runtime.happened("left")) == 2)
        assert len(scene.runtime.happened("cancelled")) == 1
        assert len(scene.runtime.happened("started")) == 1


# -- time-outs


@virtual
async def test_a_task_is_stopped_at_its_time_out_and_the_error_says_so_as_it_was_written() -> None:
    async with open_scene() as scene:
        begun = scene.now
        report = await run(scene, TaskSpec(run="100", timeout="40s500ms"))
        assert report.error == "timed out after 40s500ms"
        assert scene.runtime.happened("cancelled")
        assert 40 < scene.now - begun < 45


@virtual
async def test_a_task_in_time_is_not_stopped() -> None:
    async with open_scene() as scene:
        assert (await run(scene, TaskSpec(run="output x", timeout="1ms"))).output == "x"


@virtual
async def test_the_error_of_a_time_out_carries_the_end_of_the_log() -> None:
    async with open_scene() as scene:
        report = await run(scene, TaskSpec(run="slowly a b c d", timeout="2500ms"))
        assert report.error == "timed out after 2500ms\nabc"


@virtual
async def test_preparing_is_not_part_of_the_time_out() -> None:
    async with open_scene() as scene:
        scene.runtime.preparing = 50
        assert (await run(scene, TaskSpec(run="1", timeout="2s"))).error is None


@virtual
async def test_the_time_out_covers_pre_and_post() -> None:
    async with open_scene() as scene:
        task = TaskSpec(pre=[beside("4")], run="4", post=[beside("4", "p")], timeout="10s")
        assert (await run(scene, task)).error == 'post task "p": timed out after 10s'
        task = TaskSpec(pre=[beside("4")], run="4", post=[beside("4", "p")], timeout="13s")
        assert (await run(scene, task)).error is None


@virtual
async def test_pre_and_post_have_time_outs_of_their_own() -> None:
    async with open_scene() as scene:
        task = TaskSpec(pre=[beside("4", timeout="3s")], run="0", timeout="10s")
        assert (await run(scene, task)).error == "pre task 1: timed out after 3s"
        task = TaskSpec(run="4", post=[beside("4", timeout="1h")], timeout="7s")
        assert (await run(scene, task)).error == "post task 1: timed out after 7s"
        task = TaskSpec(pre=[beside("4", timeout="5s")], run="9", post=[beside("4", timeout="5s")])
        assert (await run(scene, task)).error is None


@virtual
async def test_a_stubborn_task_is_given_its_grace_and_then_the_report_comes() -> None:
    async with open_scene() as scene:
        report = await run(scene, TaskSpec(run="stubborn 4", timeout="1s"))
        assert report.error == "timed out after 1s"


@virtual
async def test_a_task_has_five_seconds_of_grace_unless_the_worker_says_otherwise() -> None:
    async with open_scene() as scene:
        await run(scene, TaskSpec(pre=[beside("0")], run="0"))
        assert [execution.grace for execution in scene.runtime.executions] == [5.0, 5.0]
    async with open_scene(stop_grace=2.0) as scene:
        await run(scene, TaskSpec(run="0"))
        assert scene.runtime.executions[0].grace == 2.0


@virtual
async def test_a_worker_has_a_time_out_for_tasks_that_set_none() -> None:
    async with open_scene(default_timeout="5s") as scene:
        assert (await run(scene, TaskSpec(run="10"))).error == "timed out after 5s"
        assert (await run(scene, TaskSpec(run="10", timeout="11s"))).error is None


@virtual
async def test_a_stop_before_the_time_out_leaves_no_report() -> None:
    async with open_scene() as scene:
        await scene.desk.send(TaskSpec(run="100", timeout="50s"))
        await scene.until(lambda: scene.runtime.running == 1)
        await scene.desk.order(stopped=[scene.desk.claims[0][2].number])
        await scene.until(lambda: bool(scene.runtime.happened("left")))
        await asyncio.sleep(100)
        assert scene.desk.reports == []
