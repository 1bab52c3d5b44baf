"""What a task may ask for, what becomes of it, and its log on the way."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest
import structlog

from tests.coordinator.virtual_time import virtual
from tests.worker.worker_stage import Scene, open_scene
from tork_core import logs
from tork_core.errors import InvalidJob
from tork_core.interfaces.middleware import LogFilter, TaskLogContext
from tork_core.middleware.secrets import SecretFilter, Secrets
from tork_core.model.messages import ReportItem
from tork_core.model.spec import LimitsSpec, RegistrySpec, TaskSpec
from tork_core.settings.core import LoggingSettings

ERASER = "[REDACTED]"
OpenFilter = Callable[[TaskLogContext], LogFilter | None]


async def run(scene: Scene, task: TaskSpec | str, **fields: object) -> ReportItem:
    """Run a task to its report."""
    count = len(scene.desk.reports)
    await scene.desk.send(task, "default", **fields)
    return (await scene.reported(count + 1))[-1]


# -- ends


@virtual
async def test_a_tasks_output_is_reported() -> None:
    async with open_scene() as scene:
        report = await run(scene, "output the result")
        assert (report.output, report.error, report.handed_back) == ("the result", None, False)


@virtual
async def test_a_tasks_failure_is_reported_to_the_queue_of_errors() -> None:
    async with open_scene() as scene:
        report = await run(scene, "fail exit code 3")
        assert report.error == "exit code 3"
        assert scene.desk.heard[-1].queue == "error"


@virtual
async def test_a_fault_of_the_runtime_fails_its_task_and_not_the_slot() -> None:
    async with open_scene(queues={"default": 1}) as scene:
        report = await run(scene, "crash oh no")
        assert report.error == "runtime scripted: RuntimeError: oh no"
        assert (await run(scene, "0")).error is None


@virtual
async def test_a_task_is_told_which_attempt_it_is() -> None:
    async with open_scene() as scene:
        task = TaskSpec(run="0", env={"A": "1"})
        await run(scene, task, job_id="j1", task_id="t1", attempt=4)
        [execution] = scene.runtime.executions
        assert execution.env == {
            "A": "1",
            "TORK_JOB_ID": "j1",
            "TORK_TASK_ID": "t1",
            "TORK_ATTEMPT": "4",
        }


@virtual
async def test_the_tasks_own_variables_cannot_pass_for_its_identity() -> None:
    async with open_scene() as scene:
        await run(scene, TaskSpec(run="0", env={"TORK_ATTEMPT": "9"}), attempt=2)
        assert scene.runtime.executions[0].env["TORK_ATTEMPT"] == "2"


@virtual
async def test_a_field_that_the_runtime_cannot_carry_out_fails_the_task_by_name() -> None:
    async with open_scene() as scene:
        report = await run(scene, TaskSpec(run="0", limits=LimitsSpec(cpus="1")))
        assert report.error is not None
        assert "scripted cannot carry out limits" in report.error
        assert "another runtime" in report.error
        assert scene.runtime.happened("started") == []


@virtual
async def test_a_field_that_the_runtime_ignores_is_warned_of_in_the_log() -> None:
    async with open_scene() as scene:
        task = TaskSpec(run="print hello", registry=RegistrySpec(username="u", password="p"))
        report = await run(scene, task)
        assert report.error is None
        assert scene.desk.log() == "[tork: registry is ignored by the runtime scripted]\nhello\n"


@virtual
async def test_fields_of_the_engine_are_no_business_of_the_runtime() -> None:
    async with open_scene() as scene:
        task = TaskSpec(
            run="0",
            name="n",
            description="d",
            tags=["t"],
            queue="default",
            var="v",
            condition="true",
            priority=3,
        )
        assert (await run(scene, task)).error is None
        assert scene.desk.log() == ""


@virtual
async def test_middleware_may_change_a_task_before_it_is_run() -> None:
    def admit(spec: TaskSpec) -> TaskSpec:
        return TaskSpec(run="output changed")

    async with open_scene(admit=admit) as scene:
        assert (await run(scene, "0")).output == "changed"


@virtual
async def test_middleware_may_refuse_a_task_before_it_is_run() -> None:
    def admit(spec: TaskSpec) -> TaskSpec:
        raise InvalidJob("not on this worker", path="$.run")

    async with open_scene(admit=admit) as scene:
        report = await run(scene, "0")
        assert report.error is not None
        assert "not on this worker" in report.error


# -- logs


@virtual
async def test_log_parts_are_numbered_and_their_number_is_in_the_report() -> None:
    async with open_scene() as scene:
        report = await run(scene, "slowly a b c")
        parts = scene.desk.parts
        assert [part.number for part in parts] == list(range(1, len(parts) + 1))
        assert len(parts) >= 3
        assert report.log_parts == len(parts)
        assert scene.desk.log() == "abc"


@virtual
async def test_log_lines_are_on_their_way_within_the_interval() -> None:
    async with open_scene(log_interval=0.25) as scene:
        await scene.desk.send("slowly a b c d e")
        await scene.until(lambda: scene.desk.log() == "a", within=1.0)
        assert scene.desk.reports == []
        await scene.until(lambda: scene.desk.log() == "ab", within=1.3)


@virtual
async def test_the_whole_log_is_confirmed_before_the_end_is_reported() -> None:
    async with open_scene() as scene:
        scene.link.refuse = lambda message: message.queue == "logs"
        await scene.desk.send("print hello")
        await scene.until(lambda: scene.runtime.happened("ended"))
        await asyncio.sleep(15)
        assert scene.desk.reports == []
        scene.link.refuse = lambda _: False
        [report] = await scene.reported()
        kinds = [heard.queue for heard in scene.desk.heard]
        assert kinds.index("logs") < kinds.index("completed")
        assert report.log_parts == 1


@virtual
async def test_a_task_that_prints_nothing_has_no_log() -> None:
    async with open_scene() as scene:
        report = await run(scene, "0")
        assert report.log_parts == 0
        assert scene.desk.parts == []


@virtual
async def test_a_failed_task_has_its_log_too() -> None:
    async with open_scene() as scene:
        await run(scene, TaskSpec(run="fail", registry=RegistrySpec(username="u", password="p")))
        assert "registry is ignored" in scene.desk.log()


@pytest.mark.parametrize(
    ("pieces", "text"),
    [
        ("e2 82 ac", "€"),
        ("f09f 98 80", "😀"),
        ("61e2 82ac62", "a€b"),
        ("ff61", "\ufffda"),
        ("61e282", "a\ufffd"),
        ("610062", "ab"),
        ("00 00", ""),
        ("efbfbd", "\ufffd"),
        ("eda080", "\ufffd\ufffd\ufffd"),
    ],
)
def test_bytes_are_decoded_over_any_cut(pieces: str, text: str) -> None:
    @virtual
    async def test() -> None:
        async with open_scene() as scene:
            report = await run(scene, f"bytes {pieces}")
            assert scene.desk.log() == text
            assert report.log_parts == len(scene.desk.parts)

    test()


@virtual
async def test_a_long_log_is_cut_into_parts_and_nothing_of_it_is_lost() -> None:
    async with open_scene() as scene:
        report = await run(scene, "flood 300")
        assert len(scene.desk.log()) == 300 * 1024
        assert all(len(part.contents) <= 32 * 1024 for part in scene.desk.parts)
        assert report.log_parts == len(scene.desk.parts)


@virtual
async def test_a_flood_is_held_back_while_the_log_cannot_be_shipped() -> None:
    async with open_scene() as scene:
        scene.link.refuse = lambda message: message.queue == "logs"
        await scene.desk.send("flood 500")
        await asyncio.sleep(10)
        assert scene.runtime.running == 1
        scene.link.refuse = lambda _: False
        await scene.reported()
        assert len(scene.desk.log()) == 500 * 1024


@virtual
async def test_a_log_over_the_limit_is_cut_off_and_says_so() -> None:
    async with open_scene(log_limit=2500) as scene:
        report = await run(scene, "flood 500")
        log = scene.desk.log()
        assert log == "x" * 2500 + "\n[tork: the log is cut off here, after 2500 bytes]\n"
        assert report.error is None


@virtual
async def test_a_log_of_exactly_the_limit_is_not_cut_off() -> None:
    async with open_scene(log_limit=2048) as scene:
        await run(scene, "flood 2")
        assert scene.desk.log() == "x" * 2048


@virtual
async def test_one_byte_more_than_the_limit_is_cut_off() -> None:
    async with open_scene(log_limit=3) as scene:
        await run(scene, "bytes 616263 64")
        assert scene.desk.log() == "abc\n[tork: the log is cut off here, after 3 bytes]\n"


@virtual
async def test_a_log_that_is_cut_within_a_character_ends_with_the_mark() -> None:
    async with open_scene(log_limit=3) as scene:
        await run(scene, "bytes 6162e282ac")
        assert scene.desk.log().endswith("after 3 bytes]\n")


@virtual
async def test_the_log_of_a_stopped_task_goes_no_further() -> None:
    async with open_scene() as scene:
        await scene.desk.send("slowly a b c d e f")
        await scene.until(lambda: scene.desk.log())
        await scene.desk.order(stopped=[1])
        await scene.until(lambda: scene.runtime.happened("left"))
        assert scene.desk.reports == []


# -- what must not be seen


def hide(*values: str) -> OpenFilter:
    def open_filter(context: TaskLogContext) -> LogFilter | None:
        return SecretFilter(Secrets([*values, *context.secrets]))

    return open_filter


@virtual
async def test_a_secret_is_hidden_when_it_is_cut_over_parts_of_the_log() -> None:
    async with open_scene(open_filter=hide("hunter2secret")) as scene:
        await run(scene, "slowly <hun ter2 sec ret>")
        assert scene.desk.log() == f"<{ERASER}>"
        assert all("hun" not in part.contents for part in scene.desk.parts)


@virtual
async def test_a_secret_that_begins_and_does_not_end_is_shown_at_the_end() -> None:
    async with open_scene(open_filter=hide("hunter2secret")) as scene:
        report = await run(scene, "slowly hunter2")
        assert scene.desk.log() == "hunter2"
        assert report.log_parts == len(scene.desk.parts)


@virtual
async def test_what_was_held_back_of_a_log_is_shown_when_its_task_is_stopped() -> None:
    async with open_scene(open_filter=hide("hunter2secret")) as scene:
        await scene.desk.send("slowly so-hunter2 never")
        await scene.until(lambda: scene.desk.log() == "so-")
        await scene.desk.order(stopped=[1])
        await scene.until(lambda: scene.desk.log() == "so-hunter2")
        assert scene.desk.reports == []


@virtual
async def test_the_secrets_that_come_with_a_task_reach_the_filter() -> None:
    async with open_scene(open_filter=hide()) as scene:
        await run(scene, "print topsecret", secrets=["topsecret"])
        assert scene.desk.log() == f"{ERASER}\n"


@virtual
async def test_an_error_carries_no_secret() -> None:
    async with open_scene(open_filter=hide("hunter2secret")) as scene:
        report = await run(scene, "fail it said hunter2secret")
        assert report.error == f"it said {ERASER}"
        report = await run(scene, "crash it said hunter2secret")
        assert "hunter2secret" not in (report.error or "")


@virtual
async def test_the_end_of_the_log_in_an_error_does_not_begin_with_half_a_secret() -> None:
    async with open_scene(open_filter=hide("hunter2secret")) as scene:
        for behind in range(4080, 4100):
            report = await run(scene, f"die <hunter2secret{'x' * behind}")
            text = (report.error or "").removeprefix("exit code 1\n").removesuffix("x" * 4080)
            assert text.strip("x") in ("", ERASER, f"<{ERASER}"), behind
        report = await run(scene, f"die {'hunter2secret' * 5000}")
        assert set((report.error or "").split("\n", 1)[1].split(ERASER)) == {""}


@virtual
async def test_an_error_of_a_task_out_of_time_does_not_begin_with_half_a_secret() -> None:
    async with open_scene(open_filter=hide("hunter2secret")) as scene:
        task = TaskSpec(run=f"slowly hunter2secret{'x' * 4090} more", timeout="500ms")
        report = await run(scene, task)
        assert (report.error or "").split("\n") == ["timed out after 500ms", ERASER + "x" * 4090]


@virtual
async def test_a_log_that_is_cut_off_within_a_secret_does_not_show_its_beginning() -> None:
    for limit in range(8, 26):
        async with open_scene(open_filter=hide("hunter2secret"), log_limit=limit) as scene:
            await run(scene, "die <hunter2secret><hunter2secret>")
            log = scene.desk.log()
            assert f"the log is cut off here, after {limit} bytes" in log
            assert "hunt" not in log


class Broken:
    """A plugin's filter with a fault."""

    def feed(self, text: str) -> str:
        raise RuntimeError("the filter fell over")

    def flush(self) -> str:
        raise RuntimeError("the filter fell over")


class BrokenAtTheEnd(Broken):
    """One that takes text, and shows nothing of it."""

    def feed(self, text: str) -> str:
        return ""


@virtual
async def test_a_log_filter_with_a_fault_does_not_hinder_a_stop() -> None:
    async with open_scene(open_filter=lambda _: BrokenAtTheEnd(), queues={"default": 1}) as scene:
        await scene.desk.send("slowly a b c d e f")
        await scene.until(lambda: scene.runtime.happened("started"))
        await scene.desk.order(stopped=[1])
        await scene.until(lambda: scene.depth() == (0, 0))
        assert scene.desk.reports == []
        assert "a log filter failed" in ((await run(scene, "print x")).error or "")


def open_broken(_: TaskLogContext) -> LogFilter | None:
    return Broken()


def fall_over(_: TaskLogContext) -> LogFilter | None:
    raise RuntimeError("the filter fell over")


@pytest.mark.parametrize("configured", [False, True])
@pytest.mark.parametrize("open_filter", [open_broken, fall_over])
def test_a_log_filter_with_a_fault_fails_its_task_and_is_not_tried_for_ever(
    open_filter: OpenFilter, configured: bool
) -> None:
    """Also where the worker's own log is written with the filter."""

    @virtual
    async def test() -> None:
        async with open_scene(open_filter=open_filter) as scene:
            report = await run(scene, "print hello")
            assert "a log filter failed (RuntimeError)" in (report.error or "")
            assert scene.desk.log() == ""
            await scene.until(lambda: scene.depth() == (0, 0), within=1)
            assert len(scene.desk.claims) <= 1
            assert len(scene.desk.reports) == 1

    kept = structlog.get_config() if structlog.is_configured() else None
    try:
        if configured:
            logs.configure(LoggingSettings(), default="warning")
        test()
    finally:
        structlog.reset_defaults()
        if kept is not None:
            structlog.configure(**kept)
