"""What a heartbeat is answered, and what it shows to be lost: by the stored state alone."""

from __future__ import annotations

import pytest

from tests.coordinator.job_story import JOB, Story, handed_back, job, lost, rules
from tork_core.coordinator.decisions.heartbeats import answer, forgotten
from tork_core.interfaces.datastore import HeldTask
from tork_core.model.job import Claim, Task
from tork_core.model.messages import ClaimItem, Heartbeat
from tork_core.model.node import Node, NodeKind
from tork_core.model.spec import RetrySpec, TaskSpec


@pytest.fixture
def story() -> Story:
    """A job of two tasks, the first of them claimed by w1 as its number 1."""
    story = Story(job("true", "true"))
    story.submit()
    story.claim()
    return story


def beat(*claims: ClaimItem, node: str = "w1", number: int = 9) -> Heartbeat:
    row = Node(id=node, name=node, kind=NodeKind.WORKER, beat=number)
    return Heartbeat(node=row, claims=list(claims))


def listed(task: Task, number: int = 1, attempt: int | None = None) -> ClaimItem:
    return ClaimItem(job_id=JOB, task_id=task.id, attempt=attempt or task.attempt, number=number)


def told(story: Story, *claims: ClaimItem, node: str = "w1") -> list[tuple[int, str]]:
    """The orders that follow from a heartbeat that lists these claims."""
    view = story.store.view(JOB, [item.task_id for item in claims])
    orders = answer(beat(*claims, node=node), {JOB: view} if view else {})
    assert all(order.claim.node == node for order in orders)
    return [(order.claim.number, order.verdict.value) for order in orders]


def test_a_recorded_claim_that_runs_is_left_alone(story: Story) -> None:
    assert told(story, listed(story.newest)) == []


def test_a_claim_that_is_not_answered_yet_is_left_alone() -> None:
    story = Story(job("true"))
    story.submit()
    assert told(story, listed(story.newest)) == []


@pytest.mark.parametrize(("node", "number"), [("w2", 1), ("w1", 2)])
def test_a_claim_that_is_not_the_recorded_one_is_stopped(
    story: Story, node: str, number: int
) -> None:
    assert told(story, listed(story.newest, number), node=node) == [(number, "stopped")]


def test_a_claim_of_an_earlier_attempt_is_stopped(story: Story) -> None:
    old = story.newest
    story.decide(lost(old))
    assert told(story, listed(old)) == [(1, "stopped")]


def test_a_claim_whose_end_is_recorded_is_settled(story: Story) -> None:
    first = story.newest
    story.complete()
    assert told(story, listed(first)) == [(1, "settled")]


def test_a_claim_whose_failure_is_recorded_is_settled() -> None:
    story = Story(job(TaskSpec(run="x", retry=RetrySpec(limit=1))))
    story.submit()
    first = story.newest
    story.claim()
    story.fail()
    assert told(story, listed(first)) == [(1, "settled")]


def test_a_claim_that_was_handed_back_is_stopped(story: Story) -> None:
    old = story.newest
    story.decide(handed_back(old))
    assert told(story, listed(old)) == [(1, "stopped")]


def test_a_claim_of_a_cancelled_job_is_stopped(story: Story) -> None:
    task = story.newest
    story.cancel()
    assert told(story, listed(task)) == [(1, "stopped")]


def test_a_claim_of_a_task_that_failed_with_its_worker_is_settled() -> None:
    story = Story(job("x"), rules(lost_limit=1))
    story.submit()
    story.claim()
    task = story.newest
    story.decide(lost(task))
    assert told(story, listed(task)) == [(1, "settled")]


def test_claims_of_unknown_jobs_and_tasks_are_stopped(story: Story) -> None:
    task = story.newest
    assert told(story, ClaimItem(job_id=JOB, task_id="0" * 32, attempt=1, number=4)) == [
        (4, "stopped")
    ]
    assert [order.verdict.value for order in answer(beat(listed(task)), {})] == ["stopped"]


def test_a_heartbeat_without_claims_is_answered_nothing(story: Story) -> None:
    assert told(story) == []


# -- forgotten tasks


def held(number: int = 1, claimed_at_beat: int = 3, node: str = "w1") -> HeldTask:
    """A task that is RUNNING by the record."""
    return HeldTask(JOB, "t1", 2, Claim(node=node, number=number, beat=claimed_at_beat))


def item(number: int) -> ClaimItem:
    return ClaimItem(job_id=JOB, task_id="t1", attempt=2, number=number)


def test_a_running_task_that_its_living_node_does_not_list_is_lost() -> None:
    [found] = forgotten(beat(number=5), [held()])
    assert (found.job_id, found.task_id, found.attempt) == (JOB, "t1", 2)
    assert found.claim == held().claim


@pytest.mark.parametrize("number", [2, 3, 4])
def test_a_heartbeat_that_may_be_older_than_the_claim_shows_nothing(number: int) -> None:
    assert forgotten(beat(number=number), [held()]) == []


def test_what_a_heartbeat_lists_is_not_forgotten() -> None:
    assert forgotten(beat(item(1), number=9), [held()]) == []


def test_another_claim_of_the_task_is_no_listing() -> None:
    assert len(forgotten(beat(item(2), number=9), [held()])) == 1


def test_a_heartbeat_speaks_for_its_own_node_alone() -> None:
    assert forgotten(beat(number=9), [held(node="w2")]) == []
