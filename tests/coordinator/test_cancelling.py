"""Cancelling: in every state of a job, whatever comes after."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.coordinator.job_story import (
    JOB,
    Story,
    changes_nothing,
    claimed,
    completed,
    failed,
    handed_back,
    job,
    lost,
    unclaimed,
    verdicts,
)
from tork_core.coordinator.decisions.inputs import Cancelled
from tork_core.model.job import Task
from tork_core.model.spec import RetrySpec, TaskSpec
from tork_core.model.states import JobState, TaskState


def retrying() -> Story:
    """A job whose first task may fail once."""
    task = TaskSpec(run="x", retry=RetrySpec(limit=1, initial_delay="5s"))
    story = Story(job(task, "true"))
    story.submit()
    return story


def scheduled() -> Story:
    return retrying()


def running() -> Story:
    story = retrying()
    story.claim()
    return story


def waiting_for_a_retry() -> Story:
    story = running()
    story.fail()
    return story


def between_attempts() -> Story:
    story = running()
    story.decide(lost(story.newest))
    return story


def at_the_second_task() -> Story:
    story = running()
    story.complete()
    return story


STATES = [scheduled, running, waiting_for_a_retry, between_attempts, at_the_second_task]


@pytest.mark.parametrize("state", STATES)
def test_a_cancel_ends_the_job_and_all_of_its_active_tasks(state: Callable[[], Story]) -> None:
    story = state()
    before = {task.id: task.state for task in story.tasks}
    story.pass_time(1)
    outcome = story.cancel()
    assert outcome.dispatches == []
    assert (story.job.state, story.job.cancelled_at) == (JobState.CANCELLED, story.now)
    for task in story.tasks:
        if before[task.id].ended:
            assert task.state is before[task.id]
        else:
            assert (task.state, task.cancelled_at) == (TaskState.CANCELLED, story.now)
            assert task.due is None


@pytest.mark.parametrize("state", STATES)
def test_after_a_cancel_no_input_changes_anything(state: Callable[[], Story]) -> None:
    story = state()
    task: Task = story.newest
    story.cancel()
    story.pass_time(60)
    for item in (
        claimed(task),
        completed(task, "late"),
        failed(task),
        handed_back(task),
        lost(task),
        unclaimed(task, story.now),
        Cancelled(JOB),
    ):
        assert changes_nothing(story.decide(item)), item
    assert changes_nothing(story.ripen(task))
    assert changes_nothing(story.nudge())


def test_the_claims_of_running_tasks_are_told_to_stop_without_loading_them() -> None:
    story = running()
    outcome = story.cancel()
    assert story.looked_for == set()
    assert outcome.orders == []
    [held] = story.ended
    assert (held.task_id, held.claim.node, held.attempt) == (story.tasks[0].id, "w1", 1)


def test_a_claim_and_a_cancel_in_one_fold_tell_the_claim_to_stop() -> None:
    story = scheduled()
    outcome = story.decide(claimed(story.newest), Cancelled(JOB))
    assert verdicts(outcome)[-1] == ("w1", 1, "stopped")
    assert story.job.state is JobState.CANCELLED


def test_a_completion_and_a_cancel_in_one_fold_send_no_next_task() -> None:
    story = running()
    outcome = story.decide(completed(story.newest), Cancelled(JOB))
    assert outcome.dispatches == []
    assert story.states == ["COMPLETED", "CANCELLED"]


def test_a_cancel_beats_the_completion_that_comes_after_it() -> None:
    story = at_the_second_task()
    story.claim(number=2)
    task = story.newest
    story.decide(Cancelled(JOB), completed(task, "late", number=2))
    assert story.job.state is JobState.CANCELLED
    assert story.states == ["COMPLETED", "CANCELLED"]
    assert story.tasks[1].output is None


def test_a_completed_job_is_not_cancelled() -> None:
    story = Story(job("true"))
    story.submit()
    story.run_task()
    assert changes_nothing(story.cancel())
    assert story.job.state is JobState.COMPLETED
