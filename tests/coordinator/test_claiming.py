"""Claims: the first that is recorded wins, its repetition is granted, all others are stopped."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.coordinator.job_story import (
    JOB,
    Story,
    changes_nothing,
    claimed,
    completed,
    handed_back,
    job,
    lost,
    sent,
    verdicts,
)
from tork_core.coordinator.decisions.inputs import Claimed, Reported
from tork_core.model.job import Claim
from tork_core.model.spec import RetrySpec, TaskSpec
from tork_core.model.states import JobState, TaskState


@pytest.fixture
def story() -> Story:
    """A job of two tasks, submitted."""
    story = Story(job("true", "true"))
    story.submit()
    return story


def test_the_first_claim_is_granted_and_makes_task_and_job_running(story: Story) -> None:
    story.pass_time(3)
    outcome = story.decide(claimed(story.newest, "w1", 7, beat=3))
    assert verdicts(outcome) == [("w1", 7, "granted")]
    task = story.newest
    assert (task.state, task.started_at) == (TaskState.RUNNING, story.now)
    assert task.claim == Claim(node="w1", number=7, beat=3)
    assert story.job.state is JobState.RUNNING
    assert [event.state for event in story.events[-2:]] == ["RUNNING", "RUNNING"]
    assert story.events[-2].node == "w1"


def test_a_repeated_claim_is_granted_again_and_changes_nothing(story: Story) -> None:
    story.claim()
    outcome = story.claim()
    assert changes_nothing(outcome)
    assert verdicts(outcome) == [("w1", 1, "granted")]


def test_a_repeated_claim_with_a_later_heartbeat_is_the_same_claim(story: Story) -> None:
    story.decide(claimed(story.newest, beat=1))
    outcome = story.decide(claimed(story.newest, beat=2))
    assert changes_nothing(outcome)
    assert verdicts(outcome) == [("w1", 1, "granted")]


@pytest.mark.parametrize(("node", "number"), [("w2", 1), ("w1", 2)])
def test_another_claim_of_the_same_attempt_is_stopped(story: Story, node: str, number: int) -> None:
    story.claim()
    outcome = story.claim(node=node, number=number)
    assert changes_nothing(outcome)
    assert verdicts(outcome) == [(node, number, "stopped")]


def test_of_two_claims_in_one_batch_the_first_wins(story: Story) -> None:
    outcome = story.decide(claimed(story.newest, "w2", 5), claimed(story.newest, "w1", 1))
    assert verdicts(outcome) == [("w2", 5, "granted"), ("w1", 1, "stopped")]
    assert story.newest.claim == Claim(node="w2", number=5)


@pytest.mark.parametrize("attempt", [0, 2])
def test_a_claim_of_another_attempt_is_stopped(story: Story, attempt: int) -> None:
    claim = Claim(node="w1", number=1)
    outcome = story.decide(Claimed(JOB, story.newest.id, attempt, claim))
    assert changes_nothing(outcome)
    assert verdicts(outcome) == [("w1", 1, "stopped")]


def test_a_claim_of_an_old_attempt_is_stopped_after_a_loss(story: Story) -> None:
    old = story.newest
    story.claim()
    story.decide(lost(old))
    assert verdicts(story.claim(old, "w2")) == [("w2", 1, "stopped")]
    assert verdicts(story.claim(node="w2", number=2)) == [("w2", 2, "granted")]


def test_a_claim_of_a_task_that_has_ended_is_stopped(story: Story) -> None:
    first = story.newest
    story.run_task()
    outcome = story.claim(first)
    assert changes_nothing(outcome)
    assert verdicts(outcome) == [("w1", 1, "stopped")]


def test_a_claim_of_an_ended_job_is_stopped(story: Story) -> None:
    task = story.newest
    story.cancel()
    assert verdicts(story.claim(task)) == [("w1", 1, "stopped")]


def test_a_claim_of_an_unknown_task_is_stopped(story: Story) -> None:
    claim = Claim(node="w1", number=1)
    outcome = story.decide(Claimed(JOB, "0" * 32, 1, claim))
    assert changes_nothing(outcome)
    assert verdicts(outcome) == [("w1", 1, "stopped")]


def test_a_claim_of_a_task_that_waits_for_its_retry_is_stopped() -> None:
    retry = RetrySpec(limit=1, initial_delay="10s")
    story = Story(job(TaskSpec(run="true", retry=retry)))
    story.submit()
    story.claim()
    story.fail()
    assert story.newest.state is TaskState.PENDING
    outcome = story.claim(story.newest, "w2", 9)
    assert verdicts(outcome) == [("w2", 9, "stopped")]
    assert story.newest.state is TaskState.PENDING


@pytest.mark.parametrize("report", [completed, handed_back])
def test_a_report_of_a_task_that_waits_for_its_retry_changes_nothing(
    report: Callable[..., Reported],
) -> None:
    retry = RetrySpec(limit=1, initial_delay="10s")
    story = Story(job(TaskSpec(run="true", retry=retry)))
    story.submit()
    story.claim()
    story.fail()
    outcome = story.decide(report(story.newest, node="w2", number=9))
    assert outcome.dispatches == []
    assert story.newest.state is TaskState.PENDING


def test_claim_and_report_in_one_batch_are_taken_in_their_order(story: Story) -> None:
    task = story.newest
    outcome = story.decide(claimed(task), completed(task, "out"))
    assert verdicts(outcome) == [("w1", 1, "granted"), ("w1", 1, "settled")]
    assert sent(outcome) == [(2, 1, False)]
    assert story.states == ["COMPLETED", "SCHEDULED"]


def test_the_message_of_a_task_that_was_claimed_in_the_same_batch_is_not_sent_again(
    story: Story,
) -> None:
    task = story.newest
    outcome = story.decide(claimed(task), claimed(task, "w2", 3))
    assert outcome.dispatches == []
