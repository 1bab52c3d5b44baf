"""What the sweeper's findings lead to: messages sent again, jobs set going again."""

from __future__ import annotations

from datetime import timedelta

from tork_memory.rows import EncodedChange

from tests.coordinator.job_story import (
    JOB,
    SECOND,
    Story,
    changes_nothing,
    job,
    lost,
    sent,
    unclaimed,
)
from tork_core.coordinator.decisions.draft import Outcome
from tork_core.coordinator.decisions.inputs import Submitted, Unclaimed
from tork_core.coordinator.decisions.submitting import new_view
from tork_core.interfaces.datastore import JobChange
from tork_core.model.job import Job, Task, TaskId
from tork_core.model.spec import RetrySpec, TaskSpec
from tork_core.model.states import JobState, TaskState


def submitted(*tasks: TaskSpec | str) -> Story:
    story = Story(job(*tasks))
    story.submit()
    return story


# -- messages that are lost


def test_a_message_that_is_presumed_lost_is_sent_again_and_marked() -> None:
    story = submitted("true")
    story.pass_time(10)
    outcome = story.decide(unclaimed(story.newest))
    assert sent(outcome) == [(1, 1, True)]
    task = story.newest
    assert (task.state, task.attempt, task.sent) == (TaskState.SCHEDULED, 1, 1)
    assert task.published_at == story.now
    assert story.events[-1].detail == "its message was lost; sent again"


def test_a_message_is_not_sent_again_before_it_is_due() -> None:
    story = submitted("true")
    story.pass_time(4.9)
    assert changes_nothing(story.decide(unclaimed(story.newest)))
    story.pass_time(0.1)
    assert sent(story.decide(unclaimed(story.newest))) == [(1, 1, True)]


def test_two_sweepers_cannot_both_send_a_message_again() -> None:
    story = submitted("true")
    story.pass_time(10)
    finding = unclaimed(story.newest)
    assert sent(story.decide(finding)) == [(1, 1, True)]
    assert changes_nothing(story.decide(finding))
    # Nor does a sweeper whose finding is of the same moment.
    assert changes_nothing(story.decide(unclaimed(story.newest, story.now)))


def test_two_findings_in_one_fold_send_one_copy() -> None:
    story = submitted("true")
    story.pass_time(10)
    finding = unclaimed(story.newest)
    assert sent(story.decide(finding, finding)) == [(1, 1, True)]
    assert story.newest.sent == 1


def test_copies_are_sent_at_doubling_intervals_up_to_ten_minutes() -> None:
    story = submitted("true")
    waits: list[float] = []
    for _ in range(10):
        due, published = story.newest.due, story.newest.published_at
        assert due is not None
        assert published is not None
        waits.append((due - published).total_seconds())
        story.pass_time(waits[-1])
        assert sent(story.decide(unclaimed(story.newest, story.now))) == [(1, 1, True)]
    assert waits == [5, 10, 20, 40, 80, 160, 320, 600, 600, 600]


def test_a_task_that_was_claimed_is_not_sent_again() -> None:
    story = submitted("true")
    task = story.newest
    story.claim()
    story.pass_time(60)
    assert changes_nothing(story.decide(unclaimed(task)))


def test_a_message_that_was_published_later_than_the_finding_is_left_alone() -> None:
    story = submitted("true")
    early = story.now - SECOND
    story.pass_time(60)
    assert changes_nothing(story.decide(unclaimed(story.newest, early)))


def test_a_new_attempt_begins_the_intervals_anew() -> None:
    story = submitted("true")
    for _ in range(4):
        story.pass_time(1000)
        story.decide(unclaimed(story.newest, story.now))
    assert story.newest.sent == 4
    story.claim()
    story.decide(lost(story.newest))
    assert story.newest.sent == 0
    assert story.newest.due == story.now + 5 * SECOND


def test_an_unknown_task_is_not_sent() -> None:
    story = submitted("true")
    assert changes_nothing(story.decide(Unclaimed(JOB, "0" * 32, story.now)))


# -- jobs that stand still


def store_pending(*tasks: TaskSpec | str) -> Story:
    """A job that was stored, and nothing more: as a foreign submitter leaves it."""
    story = Story(job(*tasks))
    row = new_view(Submitted(JOB, story.spec), story.now).job
    row.version = 1
    row.due = story.now + 5 * SECOND
    change = JobChange(job=row, base=0, at=story.now, spec=story.spec)
    assert story.store.write(EncodedChange(change)) is not None
    return story


def test_a_pending_job_takes_its_first_step_when_it_is_nudged() -> None:
    story = store_pending("true")
    assert sent(story.nudge()) == [(1, 1, False)]
    assert story.job.state is JobState.SCHEDULED
    assert story.nudge().dispatches == []


def test_a_nudge_of_a_job_that_moves_only_puts_off_the_next_look() -> None:
    story = submitted("true")
    story.pass_time(60)
    assert story.store.due(10).jobs == [JOB]
    outcome = story.nudge()
    assert outcome.dispatches == []
    assert outcome.orders == []
    assert story.store.due(10).jobs == []
    assert story.job.events == 3


def test_the_looks_at_a_long_job_become_ever_more_seldom() -> None:
    story = submitted("true")
    story.claim()
    waits: list[timedelta] = []
    for _ in range(5):
        due = story.job.due
        assert due is not None
        waits.append(due - story.now)
        story.pass_time(waits[-1].total_seconds())
        story.nudge()
    assert waits == [timedelta(minutes=minutes) for minutes in (1, 1, 2, 4, 8)]


def test_a_nudge_of_an_ended_job_changes_nothing() -> None:
    story = submitted("true")
    story.run_task()
    assert changes_nothing(story.nudge())


class Damaged(Story):
    """A story whose rows may be written over, as another version's fault might."""

    def overwrite(self, task_id: TaskId | None = None, **fields: object) -> None:
        """Set fields of the job, or of a task, in a commit of its own."""
        view = self.store.view(JOB, [task_id] if task_id else [])
        assert view is not None
        view.job.version += 1
        row: Job | Task = view.tasks[task_id] if task_id else view.job
        for name, value in fields.items():
            setattr(row, name, value)
        change = JobChange(job=view.job, base=view.job.version - 1, at=self.now, tasks=view.tasks)
        assert self.store.write(EncodedChange(change)) is not None

    def resume(self) -> Outcome:
        """Nudge the job, which has no active task."""
        view = self.store.view(JOB, ())
        assert view is not None
        assert view.counts.active == 0
        return self.nudge()


def damaged(*tasks: TaskSpec | str) -> Damaged:
    story = Damaged(job(*tasks))
    story.submit()
    return story


def test_a_job_that_stands_still_goes_on_after_its_newest_task() -> None:
    story = damaged("true", "true")
    story.claim()
    story.overwrite(story.newest.id, state=TaskState.COMPLETED, completed_at=story.now)
    assert sent(story.resume()) == [(2, 1, False)]


def test_a_job_that_stands_still_after_its_last_task_completes() -> None:
    story = damaged("true")
    story.claim()
    story.overwrite(story.newest.id, state=TaskState.COMPLETED, completed_at=story.now)
    story.resume()
    assert story.job.state is JobState.COMPLETED


def test_a_job_that_stands_still_at_a_failed_task_fails_with_its_error() -> None:
    story = damaged("true")
    story.claim()
    story.overwrite(story.newest.id, state=TaskState.FAILED, error="exit code 1")
    story.resume()
    assert (story.job.state, story.job.error) == (JobState.FAILED, "exit code 1")


def test_a_job_that_stands_still_without_a_task_at_its_position_makes_it() -> None:
    story = damaged("true", TaskSpec(run="true", condition="false"), "true")
    story.claim()
    story.overwrite(story.newest.id, state=TaskState.COMPLETED)
    story.overwrite(position=2)
    assert sent(story.resume()) == [(3, 1, False)]
    assert story.states == ["COMPLETED", "SKIPPED", "SCHEDULED"]


def test_a_job_that_stands_still_looks_at_the_newest_retry() -> None:
    story = damaged(TaskSpec(run="x", retry=RetrySpec(limit=2)), "true")
    story.claim()
    story.fail()
    story.claim()
    story.overwrite(story.newest.id, state=TaskState.COMPLETED)
    assert sent(story.resume()) == [(2, 1, False)]
