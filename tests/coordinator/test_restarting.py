"""What follows from a restart of the one process: decided without any service."""

from __future__ import annotations

import pytest

from tests.coordinator.job_story import (
    SECOND,
    Story,
    changes_nothing,
    completed,
    job,
    lost,
    restarted,
    rules,
    sent,
    verdicts,
)
from tork_core.coordinator.decisions.inputs import Cancelled
from tork_core.model.spec import RetrySpec, TaskSpec
from tork_core.model.states import JobState, TaskState


def submitted(*tasks: TaskSpec | str, restart_limit: int = 100) -> Story:
    story = Story(job(*tasks), rules(restart_limit=restart_limit))
    story.submit()
    return story


def test_a_task_that_ran_gets_a_new_attempt_at_once() -> None:
    story = submitted("true")
    story.claim()
    story.pass_time(1)
    outcome = story.decide(restarted(story.newest, story.now))
    assert sent(outcome) == [(1, 2, False)]
    task = story.newest
    assert (task.state, task.attempt, task.claim) == (TaskState.SCHEDULED, 2, None)
    assert (task.restarts, task.lost, task.retry) == (1, 0, 0)
    assert story.events[-1].detail == "the process was restarted"


def test_a_task_that_waited_gets_a_new_message_at_the_same_attempt() -> None:
    story = submitted("true")
    story.pass_time(1)
    outcome = story.decide(restarted(story.newest, story.now))
    assert sent(outcome) == [(1, 1, True)]
    task = story.newest
    assert (task.state, task.attempt, task.restarts, task.sent) == (TaskState.SCHEDULED, 1, 0, 0)
    assert (task.published_at, task.due) == (story.now, story.now + 5 * SECOND)
    assert story.events[-1].detail == "the process was restarted"


def test_a_retry_waits_for_its_time_all_the_same() -> None:
    story = submitted(TaskSpec(run="false", retry=RetrySpec(limit=1, initial_delay="1m")))
    story.claim()
    story.fail()
    assert story.newest.state is TaskState.PENDING
    assert changes_nothing(story.decide(restarted(story.newest, story.now)))


def test_what_began_since_the_start_is_left_alone() -> None:
    story = submitted("true")
    story.pass_time(1)
    since = story.now
    story.decide(restarted(story.newest, since))
    story.pass_time(1)
    assert changes_nothing(story.decide(restarted(story.newest, since)))
    story.claim(node="w2")
    assert changes_nothing(story.decide(restarted(story.newest, since)))


def test_a_clock_that_was_set_back_hides_nothing() -> None:
    story = submitted("true")
    story.claim()
    story.pass_time(-3600)
    assert sent(story.decide(restarted(story.newest, story.now))) == [(1, 2, False)]


@pytest.mark.parametrize("end", ["completed", "cancelled"])
def test_what_has_ended_stays_as_it_is(end: str) -> None:
    story = submitted("true")
    story.claim()
    if end == "completed":
        story.complete("42")
    else:
        story.decide(Cancelled(story.job.id))
    story.pass_time(1)
    assert changes_nothing(story.decide(restarted(story.tasks[0], story.now)))


def test_a_restart_does_not_double_a_recorded_result() -> None:
    """Whatever comes late from before the restart: the result is of the one attempt recorded."""
    story = submitted("true")
    story.claim(node="w1")
    before = story.newest
    story.pass_time(1)
    story.decide(restarted(before, story.now))
    late = story.decide(completed(before, "of the first"))
    assert late.change is None
    assert verdicts(late) == [("w1", 1, "settled")]
    story.claim(node="w2")
    story.decide(completed(story.newest, "of the second", "w2"))
    assert (story.tasks[0].output, story.tasks[0].attempt) == ("of the second", 2)
    assert story.job.state is JobState.COMPLETED
    assert changes_nothing(story.decide(restarted(story.tasks[0], story.now)))


def test_restarts_do_not_count_as_lost_workers() -> None:
    story = submitted("true")
    for _ in range(20):
        story.claim()
        story.pass_time(1)
        story.decide(restarted(story.newest, story.now))
    assert (story.newest.restarts, story.newest.lost) == (20, 0)
    story.claim()
    story.decide(lost(story.newest))
    assert (story.newest.restarts, story.newest.lost) == (20, 1)
    assert story.newest.state is TaskState.SCHEDULED


def test_a_task_whose_process_ends_every_time_is_failed_in_the_end() -> None:
    story = submitted("true", "true", restart_limit=3)
    for _ in range(3):
        assert story.job.state is not JobState.FAILED
        story.claim()
        story.pass_time(1)
        outcome = story.decide(restarted(story.newest, story.now))
    assert sent(outcome) == []
    assert story.job.state is JobState.FAILED
    task = story.tasks[0]
    assert (task.state, task.restarts) == (TaskState.FAILED, 3)
    assert task.error == story.job.error
    assert "the process was restarted 3 times while this task ran" in (task.error or "")
