"""Middleware in order, and what each place makes of it."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest

from tork_core.errors import InvalidJob, PluginError, UsageError
from tork_core.interfaces.middleware import (
    JobEvent,
    JobMiddleware,
    LogMiddleware,
    NodeEvent,
    NodeMiddleware,
    TaskEvent,
    TaskLogContext,
    TaskMiddleware,
)
from tork_core.middleware.chain import Chain, ordered
from tork_core.middleware.redaction import tork_job_middleware
from tork_core.model.job import Event, Job, JobRecord, Task, TaskRecord
from tork_core.model.node import Node, NodeKind, NodeState
from tork_core.model.secret_names import REDACTED
from tork_core.model.spec import JobSpec, TaskSpec
from tork_core.plugins import load

NOW = datetime(2024, 1, 1, tzinfo=UTC)
SPEC = JobSpec(tasks=[TaskSpec(run="x")], inputs={"PASSWORD": "hunter2"})


def names(*middleware: JobMiddleware) -> list[str]:
    return [item.name for item in ordered(middleware)]


def test_ties_are_ordered_by_name() -> None:
    assert names(JobMiddleware(name="b"), JobMiddleware(name="a")) == ["a", "b"]


def test_before_and_after_are_kept_and_unknown_names_ignored() -> None:
    assert names(
        JobMiddleware(name="a", after=("c", "nobody")),
        JobMiddleware(name="b"),
        JobMiddleware(name="c"),
        JobMiddleware(name="d", before=("b",)),
    ) == ["c", "a", "d", "b"]


def test_a_circle_is_an_error_that_names_it() -> None:
    with pytest.raises(PluginError, match="before and after each other: a, b"):
        names(JobMiddleware(name="a", before=("b",)), JobMiddleware(name="b", before=("a",)))


def test_admission_goes_from_one_to_the_next() -> None:
    def add(tag: str):
        def admit(spec: JobSpec) -> JobSpec:
            return msgspec.structs.replace(spec, tags=[*(spec.tags or []), tag])

        return admit

    chain = Chain(
        job=[
            JobMiddleware(name="2", admit=add("second")),
            JobMiddleware(name="1", admit=add("first")),
        ]
    )
    assert chain.admit_job(SPEC).tags == ["first", "second"]
    assert Chain().admit_job(SPEC) is SPEC


def test_a_refusal_reaches_the_user_as_it_is() -> None:
    def admit(spec: JobSpec) -> JobSpec:
        raise InvalidJob("no jobs on Sundays", path="$.name")

    with pytest.raises(InvalidJob, match=r"\$\.name: no jobs on Sundays"):
        Chain(job=[JobMiddleware(name="x", admit=admit)]).admit_job(SPEC)


@pytest.mark.parametrize(
    ("admit", "error"),
    [
        (lambda spec: 1 / 0, "the middleware x failed: ZeroDivisionError"),
        (lambda spec: None, "the middleware x returned NoneType"),
    ],
)
def test_a_plugin_s_mistake_refuses_and_names_the_plugin(admit, error: str) -> None:
    with pytest.raises(InvalidJob, match=error):
        Chain(job=[JobMiddleware(name="x", admit=admit)]).admit_job(SPEC)


def test_tasks_are_admitted_at_their_stage() -> None:
    def admit(stage: str, spec: TaskSpec) -> TaskSpec:
        return msgspec.structs.replace(spec, queue=stage)

    chain = Chain(task=[TaskMiddleware(name="x", admit=admit)])
    assert chain.admit_task("schedule", TaskSpec()).queue == "schedule"
    assert chain.admit_task("run", TaskSpec()).queue == "run"


def record() -> JobRecord:
    task = Task(id="t", job_id="j", path="1", position=1, created_at=NOW, error="bad hunter2")
    return JobRecord(
        spec=SPEC,
        job=Job(id="j", created_at=NOW, task_count=1),
        tasks=[TaskRecord(task=task, spec=TaskSpec(run="x"))],
    )


EVENTS = [
    Event(job_id="j", number=1, at=NOW, state="RUNNING"),
    Event(job_id="j", number=2, at=NOW, state="FAILED", task_id="t", detail="hunter2"),
]


async def test_observers_see_what_readers_see_unless_they_want_it_raw() -> None:
    seen: dict[str, list[JobEvent | TaskEvent]] = {"shown": [], "raw": [], "jobs": []}

    def note(name: str):
        async def observe(event: JobEvent | TaskEvent) -> None:
            seen[name].append(event)

        return observe

    chain = Chain(
        job=[*tork_job_middleware(), JobMiddleware(name="jobs", observe=note("jobs"))],
        task=[
            TaskMiddleware(name="shown", observe=note("shown")),
            TaskMiddleware(name="raw", observe=note("raw"), raw=True),
        ],
    )
    assert chain.observes
    await chain.observe(record(), EVENTS)
    (job_event,), (shown,), (raw,) = seen["jobs"], seen["shown"], seen["raw"]
    assert (job_event.id, job_event.event.state) == ("j:1", "RUNNING")
    assert isinstance(shown, TaskEvent)
    assert isinstance(raw, TaskEvent)
    assert (shown.id, shown.task.error, shown.event.detail) == ("j:2", f"bad {REDACTED}", REDACTED)
    assert (raw.id, raw.task.error, raw.event.detail) == ("j:2", "bad hunter2", "hunter2")
    assert [task.id for task in shown.job.execution] == ["t"]


async def test_an_observer_that_raises_stops_nobody(capsys: pytest.CaptureFixture[str]) -> None:
    seen: list[str] = []

    async def fail(event: JobEvent) -> None:
        raise RuntimeError("no")

    async def note(event: JobEvent) -> None:
        seen.append(event.id)

    chain = Chain(
        job=[JobMiddleware(name="a", observe=fail), JobMiddleware(name="b", observe=note)]
    )
    await chain.observe(record(), EVENTS)
    assert seen == ["j:1"]
    assert "middleware.failed" in "".join(capsys.readouterr())


async def test_observers_of_nodes_hear_of_nodes() -> None:
    seen: list[NodeEvent] = []

    async def note(event: NodeEvent) -> None:
        seen.append(event)

    node = Node(id="n", name="n", kind=NodeKind.WORKER, state=NodeState.LOST)
    event = NodeEvent(id="n:LOST", node=node, was=NodeState.UP)
    await Chain(node=[NodeMiddleware(name="x", observe=note)]).observe_node(event)
    assert seen == [event]


class Upper:
    def feed(self, text: str) -> str:
        return text.upper()

    def flush(self) -> str:
        return ""


class Late:
    def __init__(self) -> None:
        self.held = ""

    def feed(self, text: str) -> str:
        shown, self.held = self.held, text
        return shown

    def flush(self) -> str:
        return self.held


def test_filters_of_logs_come_after_each_other_to_the_last_character() -> None:
    chain = Chain(
        log=[
            LogMiddleware(name="b", open=lambda context: Upper()),
            LogMiddleware(name="a", open=lambda context: Late()),
            LogMiddleware(name="c", open=lambda context: None),
        ]
    )
    log = chain.open_log(TaskLogContext(job_id="j", task_id="t", attempt=1))
    assert log is not None
    assert log.feed("one ") + log.feed("two") + log.flush() == "ONE TWO"
    assert Chain().open_log(TaskLogContext(job_id="j", task_id="t", attempt=1)) is None


def test_redaction_is_on_and_can_be_switched_off() -> None:
    registry = load({})
    context = TaskLogContext(job_id="j", task_id="t", attempt=1, env={"SECRET": "hunter2"})
    assert Chain.of(registry).open_log(context) is not None
    assert Chain.of(registry, disabled=["redaction"]).open_log(context) is None


def test_leaving_out_what_is_not_there_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match=r'no middleware "redactoin" .* "redaction"\?'):
        Chain.of(load({}), disabled=["redactoin"])
