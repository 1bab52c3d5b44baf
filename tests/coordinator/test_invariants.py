"""Whatever comes in, in whatever order: what must hold after every decision.

:class:`job_story.Story` checks it all: what has ended stays as it is, the claim is fixed within an
attempt, events are numbered without gaps, the version grows by one, an active job has an active
task. Here Hypothesis looks for inputs that break it, or that make a decision raise.
"""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.coordinator.job_story import (
    JOB,
    Story,
    changes_nothing,
    claimed,
    completed,
    failed,
    handed_back,
    lost,
    restarted,
    rules,
    unclaimed,
)
from tork_core.coordinator.decisions.inputs import Cancelled, Input, Nudged, Ripened, Submitted
from tork_core.model.job import Task
from tork_core.model.spec import DefaultsSpec, JobSpec, RetrySpec, TaskSpec

RETRIES = st.one_of(
    st.none(),
    st.builds(
        RetrySpec, limit=st.integers(1, 3), initial_delay=st.sampled_from([None, "3s", "1m"])
    ),
)
TEXTS = st.sampled_from(["{{ tasks.v1 }}", "{{ tasks.v2 }}", "{{ int(tasks.v1) }}", "plain"])
TASKS = st.builds(
    TaskSpec,
    run=st.just("true"),
    var=st.sampled_from([None, "v1", "v2"]),
    env=st.one_of(st.none(), st.dictionaries(st.just("E"), TEXTS)),
    condition=st.sampled_from([None, None, "false", "{{ tasks.v1 != 'no' }}"]),
    retry=RETRIES,
)
JOBS = st.builds(
    JobSpec,
    tasks=st.lists(TASKS, min_size=1, max_size=4),
    output=st.sampled_from([None, "{{ tasks.v1 }}", "{{ int(tasks.v2) }}"]),
    defaults=st.one_of(st.none(), st.builds(DefaultsSpec, retry=RETRIES)),
)
USUAL = ["claim", "claim", "claim", "complete", "complete", "fail", "fail", "lose", "lose"]
KINDS = st.sampled_from([*USUAL, "back", "resend", "ripen", "restart", "nudge", "cancel", "submit"])
STEPS = st.lists(
    st.tuples(
        st.lists(
            st.tuples(
                KINDS,
                st.integers(0, 9),  # which of the tasks, from the newest
                st.integers(-1, 1),  # of which attempt
                st.sampled_from(["w1", "w1", "w2"]),
                st.integers(1, 2),
                st.sampled_from([None, "1", "no"]),
            ),
            min_size=1,
            max_size=4,
        ),
        st.sampled_from([0.0, 0.5, 6.0, 700.0]),
    ),
    max_size=25,
)


def make(story: Story, step: tuple[str, int, int, str, int, str | None]) -> Input:
    """An input that somebody may send: of any task, attempt and claim."""
    kind, which, attempt, node, number, output = step
    tasks = story.tasks
    task = tasks[max(0, len(tasks) - 1 - which)] if tasks else None
    if kind == "cancel":
        return Cancelled(JOB)
    if kind == "submit":
        return Submitted(JOB, story.spec)
    if kind == "nudge" or task is None:
        return Nudged(JOB)
    task = _of_attempt(task, attempt)
    match kind:
        case "claim":
            return claimed(task, node, number)
        case "complete":
            return completed(task, output, node, number)
        case "fail":
            return failed(task, "exit code 1", node, number)
        case "back":
            return handed_back(task, node, number)
        case "lose":
            return lost(task, node, number)
        case "restart":
            return restarted(task, story.now)
        case "resend":
            return unclaimed(task, story.now)
        case _:
            return Ripened(JOB, task.id)


def _of_attempt(task: Task, offset: int) -> Task:
    task.attempt = max(1, task.attempt + offset)
    return task


@settings(max_examples=250, deadline=None)
@given(JOBS, STEPS)
def test_no_sequence_of_inputs_breaks_what_must_hold(
    spec: JobSpec,
    steps: list[tuple[list[tuple[str, int, int, str, int, str | None]], float]],
) -> None:
    story = Story(spec, rules(lost_limit=3))
    story.submit()
    for items, seconds in steps:
        story.pass_time(seconds)
        inputs = [make(story, item) for item in items]
        story.decide(*inputs)
        if story.job.state.ended:
            assert changes_nothing(story.decide(*inputs))


@settings(max_examples=100, deadline=None)
@given(JOBS, STEPS)
def test_every_input_twice_is_as_good_as_once(
    spec: JobSpec,
    steps: list[tuple[list[tuple[str, int, int, str, int, str | None]], float]],
) -> None:
    story = Story(spec, rules(lost_limit=3))
    story.submit()
    for items, seconds in steps:
        story.pass_time(seconds)
        for item in items:
            found = make(story, item)
            story.decide(found)
            again = story.decide(found)
            assert again.dispatches == [], found
            assert again.change is None or isinstance(found, Nudged), found


@settings(max_examples=100, deadline=None)
@given(JOBS, STEPS)
def test_a_decision_is_the_same_whenever_it_is_made_again(
    spec: JobSpec,
    steps: list[tuple[list[tuple[str, int, int, str, int, str | None]], float]],
) -> None:
    story = Story(spec, rules(lost_limit=3))
    story.submit()
    for items, seconds in steps:
        story.pass_time(seconds)
        inputs = [make(story, item) for item in items]
        assert story.fold(*inputs) == story.fold(*inputs)
        story.decide(*inputs)
