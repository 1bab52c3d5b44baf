"""The tables of allowed transitions."""

from __future__ import annotations

import itertools

import pytest

from tork_core.errors import Conflict
from tork_core.model.states import (
    JOB_TRANSITIONS,
    TASK_TRANSITIONS,
    JobState,
    TaskState,
    move_job,
    move_task,
)

JOBS = {
    "PENDING": {"SCHEDULED", "COMPLETED", "FAILED", "CANCELLED"},
    "SCHEDULED": {"RUNNING", "COMPLETED", "FAILED", "CANCELLED"},
    "RUNNING": {"COMPLETED", "FAILED", "CANCELLED"},
}
TASKS = {
    "CREATED": {"PENDING", "CANCELLED"},
    "PENDING": {"SCHEDULED", "SKIPPED", "FAILED", "CANCELLED"},
    "SCHEDULED": {"SCHEDULED", "RUNNING", "FAILED", "CANCELLED"},
    "RUNNING": {"SCHEDULED", "COMPLETED", "FAILED", "CANCELLED"},
}


@pytest.mark.parametrize(("was", "to"), list(itertools.product(JobState, repeat=2)))
def test_a_job_goes_where_the_table_allows_and_nowhere_else(was: JobState, to: JobState) -> None:
    if to.value in JOBS.get(was.value, ()):
        assert move_job(was, to) is to
    else:
        with pytest.raises(Conflict, match=f"from {was.value} to {to.value}"):
            move_job(was, to)


@pytest.mark.parametrize(("was", "to"), list(itertools.product(TaskState, repeat=2)))
def test_a_task_goes_where_the_table_allows_and_nowhere_else(was: TaskState, to: TaskState) -> None:
    if to.value in TASKS.get(was.value, ()):
        assert move_task(was, to) is to
    else:
        with pytest.raises(Conflict, match=f"from {was.value} to {to.value}"):
            move_task(was, to)


def test_nothing_leads_out_of_an_end() -> None:
    assert all(state.ended == (not JOB_TRANSITIONS[state]) for state in JobState)
    assert all(state.ended == (not TASK_TRANSITIONS[state]) for state in TaskState)


def test_every_state_of_a_job_can_be_reached_from_pending() -> None:
    reached = {JobState.PENDING}
    while more := {to for state in reached for to in JOB_TRANSITIONS[state]} - reached:
        reached |= more
    assert reached == set(JobState)
