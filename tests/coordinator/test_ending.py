"""The ends of attempts: completed, failed and tried again, handed back, lost."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta

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
    rules,
    sent,
    verdicts,
)
from tork_core.coordinator.decisions.draft import MissingTasks
from tork_core.coordinator.decisions.fold import fold
from tork_core.coordinator.decisions.inputs import Reported
from tork_core.model.spec import RetrySpec, TaskSpec
from tork_core.model.states import JobState, TaskState

# -- completion


def test_the_last_completion_completes_the_job() -> None:
    story = Story(job("true", "true"))
    story.submit()
    story.pass_time(1)
    assert sent(story.run_task()) == [(2, 1, False)]
    story.pass_time(1)
    outcome = story.run_task()
    assert outcome.dispatches == []
    assert verdicts(outcome) == [("w1", 1, "settled")]
    assert (story.job.state, story.job.position) == (JobState.COMPLETED, 3)
    assert story.job.completed_at == story.tasks[1].completed_at == story.now
    assert story.tasks[0].log_parts == 2
    assert story.events[-1].state == "COMPLETED"
    assert story.events[-1].task_id is None
    assert story.events[-2].log_parts == 2


def test_an_output_reaches_later_tasks_and_the_result_by_its_variable() -> None:
    story = Story(
        job(
            TaskSpec(run="true", var="a"),
            TaskSpec(run="true", var="b", env={"A": "{{ tasks.a }}"}),
            output="{{ tasks.a }}+{{ tasks.b }}",
        )
    )
    story.submit()
    story.run_task("one")
    assert story.specs[1].env == {"A": "one"}
    story.run_task("two")
    assert story.job.output == "one+two"


def test_an_output_without_a_variable_is_kept_on_its_task_alone() -> None:
    story = Story(job("true", output="{{ toJSON(tasks) }}"))
    story.submit()
    story.run_task("one")
    assert story.tasks[0].output == "one"
    assert story.job.output == "{}"


def test_a_variable_without_an_output_is_empty() -> None:
    story = Story(job(TaskSpec(run="true", var="a"), output="<{{ tasks.a }}>"))
    story.submit()
    story.run_task("")
    assert story.job.output == "<>"


def test_a_later_task_of_the_same_variable_takes_its_place() -> None:
    task = TaskSpec(run="true", var="a")
    story = Story(job(task, task, output="{{ tasks.a }}"))
    story.submit()
    story.run_task("one")
    story.run_task("two")
    assert story.job.output == "two"


def test_only_the_tasks_whose_outputs_a_template_names_are_loaded() -> None:
    tasks = [TaskSpec(run="true", var=f"v{n}") for n in range(5)]
    story = Story(job(*tasks, TaskSpec(run="true", env={"A": "{{ tasks.v1 }}"})))
    story.submit()
    for n in range(4):
        story.run_task(f"out {n}")
        assert story.looked_for == {story.tasks[n].id}
    last = story.newest
    story.run_task("out 4")
    assert story.looked_for == {last.id, story.tasks[1].id}


def test_a_decision_says_which_tasks_it_lacks() -> None:
    variable = TaskSpec(run="true", var="a")
    story = Story(job(variable, "true", TaskSpec(run="true", env={"A": "{{ tasks.a }}"})))
    story.submit()
    story.run_task("one")
    first, second = story.tasks
    story.claim()
    report = completed(second)
    view = story.store.view(JOB, [second.id])
    with pytest.raises(MissingTasks) as missing:
        fold(JOB, view, [report], story.now, story.rules, [second.id])
    assert list(missing.value.task_ids) == [first.id]


def test_an_output_that_is_used_whole_loads_all_variables() -> None:
    tasks = [TaskSpec(run="true", var=f"v{n}") for n in range(3)]
    story = Story(job(*tasks, output="{{ toJSON(tasks) }}"))
    story.submit()
    for n in range(3):
        story.run_task(str(n))
    assert story.looked_for == {task.id for task in story.tasks}
    assert json.loads(story.job.output or "") == {"v0": "0", "v1": "1", "v2": "2"}


def test_an_output_expression_that_fails_fails_the_job_and_not_its_tasks() -> None:
    story = Story(job(TaskSpec(run="true", var="a"), output="{{ int(tasks.a) }}"))
    story.submit()
    story.run_task("not a number")
    assert story.states == ["COMPLETED"]
    assert story.job.state is JobState.FAILED
    assert (story.job.error or "").startswith("output: ")
    assert story.job.output is None


def test_a_task_that_is_done_before_it_was_claimed_is_claimed_by_its_report() -> None:
    story = Story(job("true"))
    story.submit()
    outcome = story.complete("out", "w9", 3)
    assert verdicts(outcome) == [("w9", 3, "settled")]
    [task] = story.tasks
    assert (task.state, task.started_at, task.output) == (TaskState.COMPLETED, story.now, "out")
    assert task.claim is not None
    assert task.claim.node == "w9"
    states = [event.state for event in story.events if event.task_id]
    assert states == ["SCHEDULED", "RUNNING", "COMPLETED"]


# -- reports that count for nothing


def test_a_duplicate_of_a_report_publishes_nothing_but_its_answer() -> None:
    story = Story(job("true", "true"))
    story.submit()
    report = completed(story.newest)
    story.claim()
    story.decide(report)
    outcome = story.decide(report)
    assert changes_nothing(outcome)
    assert verdicts(outcome) == [("w1", 1, "settled")]


@pytest.mark.parametrize("report", [completed, failed])
def test_a_report_of_another_claim_changes_nothing_and_is_settled(
    report: Callable[..., Reported],
) -> None:
    story = Story(job("true"))
    story.submit()
    story.claim()
    outcome = story.decide(report(story.newest, node="w2", number=1))
    assert changes_nothing(outcome)
    assert verdicts(outcome) == [("w2", 1, "settled")]
    assert story.newest.state is TaskState.RUNNING


def test_a_report_of_an_earlier_attempt_changes_nothing() -> None:
    story = Story(job("true"))
    story.submit()
    old = story.newest
    story.claim()
    story.decide(lost(old))
    assert changes_nothing(story.decide(completed(old)))
    story.claim(node="w2")
    assert changes_nothing(story.decide(completed(old)))
    assert story.newest.state is TaskState.RUNNING


def test_a_report_after_the_job_has_ended_changes_nothing() -> None:
    story = Story(job("true"))
    story.submit()
    task = story.newest
    story.claim()
    story.cancel()
    outcome = story.decide(completed(task, "late"))
    assert changes_nothing(outcome)
    assert verdicts(outcome) == [("w1", 1, "settled")]
    assert story.states == ["CANCELLED"]


def test_the_completion_before_the_claim_is_handled_makes_the_claim_void() -> None:
    story = Story(job("true"))
    story.submit()
    task = story.newest
    story.decide(completed(task))
    assert verdicts(story.decide(claimed(task))) == [("w1", 1, "stopped")]


# -- failure and retries


def test_a_failure_without_retries_fails_the_job_with_the_tasks_error() -> None:
    story = Story(job("false", "true"))
    story.submit()
    story.claim()
    outcome = story.fail("exit code 3")
    assert outcome.dispatches == []
    assert story.states == ["FAILED"]
    assert (story.job.state, story.job.error) == (JobState.FAILED, "exit code 3")
    assert story.tasks[0].error == "exit code 3"
    assert story.job.failed_at == story.tasks[0].failed_at == story.now


def test_a_retry_is_a_new_instance_of_the_task() -> None:
    story = Story(job(TaskSpec(run="false", var="v", retry=RetrySpec(limit=2))))
    story.submit()
    first = story.newest
    story.claim()
    assert sent(story.fail()) == [(1, 1, False)]
    failed, second = story.tasks
    assert failed.id == first.id
    assert failed.state is TaskState.FAILED
    assert second.id != first.id
    assert (second.state, second.retry, second.attempt) == (TaskState.SCHEDULED, 1, 1)
    assert story.job.position == 1


def test_a_task_is_tried_again_up_to_its_limit() -> None:
    story = Story(job(TaskSpec(run="false", retry=RetrySpec(limit=2))))
    story.submit()
    for number in range(3):
        assert story.job.state is not JobState.FAILED
        story.claim(number=number)
        story.fail(f"try {number}", number=number)
    assert story.states == ["FAILED"] * 3
    assert (story.job.state, story.job.error) == (JobState.FAILED, "try 2")


def test_a_retry_that_completes_sets_the_variable() -> None:
    story = Story(job(TaskSpec(run="x", var="v", retry=RetrySpec(limit=1)), output="{{ tasks.v }}"))
    story.submit()
    story.claim()
    story.fail()
    story.run_task("second try")
    assert (story.job.state, story.job.output) == (JobState.COMPLETED, "second try")


def test_a_condition_is_not_asked_again_by_a_retry() -> None:
    never = "{{ randomInt() > 0 }}"
    story = Story(job(TaskSpec(run="x", condition=never, retry=RetrySpec(limit=1))))
    story.submit()
    story.claim()
    story.fail()
    assert story.states == ["FAILED", "SCHEDULED"]


def test_a_retry_with_a_delay_waits_pending_until_its_time_has_come() -> None:
    retry = RetrySpec(limit=1, initial_delay="90s")
    story = Story(job(TaskSpec(name="slow", run="false", retry=retry)))
    story.submit()
    story.claim()
    outcome = story.fail()
    assert outcome.dispatches == []
    waiting = story.newest
    assert waiting.state is TaskState.PENDING
    assert waiting.due == story.now + timedelta(seconds=90)
    assert waiting.name == "slow"
    assert story.events[-1].state == "PENDING"
    assert story.events[-1].task_id == waiting.id

    story.pass_time(89)
    assert changes_nothing(story.ripen(waiting))
    assert story.store.due(10).tasks == []
    story.pass_time(1)
    assert story.store.due(10).tasks == [(JOB, waiting.id)]
    assert sent(story.ripen(waiting)) == [(1, 1, False)]
    assert story.newest.state is TaskState.SCHEDULED
    assert story.newest.created_at == waiting.created_at
    assert changes_nothing(story.ripen(waiting))
    story.run_task()
    assert story.job.state is JobState.COMPLETED


def test_a_job_is_not_standing_still_while_a_retry_waits() -> None:
    story = Story(job(TaskSpec(run="x", retry=RetrySpec(limit=1, initial_delay="1h"))))
    story.submit()
    story.claim()
    story.fail()
    story.pass_time(600)
    assert story.nudge().dispatches == []
    assert story.states == ["FAILED", "PENDING"]


def test_the_longest_delay_that_a_user_may_write_is_no_fault() -> None:
    story = Story(job(TaskSpec(run="x", retry=RetrySpec(limit=1, initial_delay="2562047h"))))
    story.submit()
    story.claim()
    story.fail()
    assert story.newest.state is TaskState.PENDING


def test_ripening_what_does_not_wait_changes_nothing() -> None:
    story = Story(job("true"))
    story.submit()
    assert changes_nothing(story.ripen(story.newest))
    story.claim()
    assert changes_nothing(story.ripen(story.newest))
    story.complete()
    assert changes_nothing(story.ripen(story.tasks[0]))


def test_of_a_cancelled_job_nothing_ripens() -> None:
    story = Story(job(TaskSpec(run="x", retry=RetrySpec(limit=1, initial_delay="1s"))))
    story.submit()
    story.claim()
    story.fail()
    waiting = story.newest
    story.cancel()
    story.pass_time(5)
    assert changes_nothing(story.ripen(waiting))
    assert story.states == ["FAILED", "CANCELLED"]


# -- handing back


def test_a_task_that_is_handed_back_gets_a_new_attempt_and_is_not_charged() -> None:
    story = Story(job(TaskSpec(run="true", retry=RetrySpec(limit=1))))
    story.submit()
    story.claim()
    task = story.newest
    outcome = story.decide(handed_back(task))
    assert verdicts(outcome) == [("w1", 1, "settled")]
    assert sent(outcome) == [(1, 2, False)]
    again = story.newest
    assert again.id == task.id
    assert (again.state, again.attempt, again.claim) == (TaskState.SCHEDULED, 2, None)
    assert (again.lost, again.retry) == (0, 0)
    assert story.events[-1].detail == "its worker is leaving"
    assert story.job.state is JobState.RUNNING


def test_a_duplicate_of_a_hand_back_changes_nothing() -> None:
    story = Story(job("true"))
    story.submit()
    story.claim()
    report = handed_back(story.newest)
    story.decide(report)
    assert changes_nothing(story.decide(report))
    assert story.newest.attempt == 2


def test_a_task_may_be_handed_back_before_its_claim_was_recorded() -> None:
    story = Story(job("true"))
    story.submit()
    task = story.newest
    outcome = story.decide(handed_back(task))
    assert sent(outcome) == [(1, 2, False)]
    assert verdicts(story.claim(task)) == [("w1", 1, "stopped")]
    assert story.newest.state is TaskState.SCHEDULED


def test_a_hand_back_of_another_claim_changes_nothing() -> None:
    story = Story(job("true"))
    story.submit()
    story.claim()
    assert changes_nothing(story.decide(handed_back(story.newest, "w2")))


def test_a_hand_back_without_a_reason_is_none_the_less_no_completion() -> None:
    story = Story(job("true"))
    story.submit()
    story.claim()
    story.decide(handed_back(story.newest, reason=None))
    assert (story.newest.state, story.newest.attempt) == (TaskState.SCHEDULED, 2)


def test_a_task_may_be_handed_back_any_number_of_times() -> None:
    story = Story(job("true"))
    story.submit()
    for number in range(20):
        story.claim(number=number)
        story.decide(handed_back(story.newest, number=number))
    assert (story.newest.state, story.newest.attempt) == (TaskState.SCHEDULED, 21)


# -- loss


def test_a_task_whose_worker_is_lost_gets_a_new_attempt_under_its_id() -> None:
    story = Story(job("true"))
    story.submit()
    story.claim()
    task = story.newest
    outcome = story.decide(lost(task, reason="node w1 is gone"))
    assert sent(outcome) == [(1, 2, False)]
    again = story.newest
    assert (again.id, again.attempt, again.lost, again.claim) == (task.id, 2, 1, None)
    assert story.events[-1].detail == "node w1 is gone"
    assert changes_nothing(story.decide(lost(task)))


def test_the_loss_of_another_claim_changes_nothing() -> None:
    story = Story(job("true"))
    story.submit()
    assert changes_nothing(story.decide(lost(story.newest)))
    story.claim()
    assert changes_nothing(story.decide(lost(story.newest, "w2")))
    assert changes_nothing(story.decide(lost(story.newest, number=2)))


def test_a_loss_does_not_charge_the_users_retries() -> None:
    story = Story(job(TaskSpec(run="x", retry=RetrySpec(limit=1))))
    story.submit()
    for number in range(3):
        story.claim(number=number)
        story.decide(lost(story.newest, number=number))
    story.claim()
    story.fail()
    assert story.states == ["FAILED", "SCHEDULED"]
    assert story.newest.lost == 0


def test_a_task_that_loses_its_worker_again_and_again_fails_with_a_reason() -> None:
    story = Story(job(TaskSpec(run="x", retry=RetrySpec(limit=5)), "true"), rules(lost_limit=3))
    story.submit()
    for number in range(3):
        assert story.job.state is not JobState.FAILED
        story.claim(number=number)
        story.decide(lost(story.newest, number=number, reason="node w1 is gone"))
    assert story.states == ["FAILED"]
    assert story.job.state is JobState.FAILED
    error = story.job.error or ""
    assert "lost 3 times" in error
    assert "node w1 is gone" in error


def test_a_resent_copy_of_the_lost_attempt_is_of_no_use_any_more() -> None:
    story = Story(job("true"))
    story.submit()
    old = story.newest
    story.claim()
    story.decide(lost(old))
    assert verdicts(story.claim(old, "w2", 1)) == [("w2", 1, "stopped")]


# -- several inputs in one fold


def test_inputs_of_one_fold_are_taken_in_their_order() -> None:
    story = Story(job("true"))
    story.submit()
    task = story.newest
    story.claim()
    story.decide(failed(task, "first"), completed(task, "second"))
    assert story.states == ["FAILED"]

    story = Story(job("true"))
    story.submit()
    story.claim()
    story.decide(completed(task, "first"), failed(task, "second"))
    assert story.states == ["COMPLETED"]


def test_a_loss_and_a_report_in_one_fold_end_as_the_first_of_them_says() -> None:
    story = Story(job("true"))
    story.submit()
    story.claim()
    task = story.newest
    story.decide(lost(task), completed(task))
    assert (story.newest.state, story.newest.attempt) == (TaskState.SCHEDULED, 2)


def test_all_of_a_fold_is_one_commit() -> None:
    story = Story(job("true"))
    story.submit()
    task = story.newest
    story.decide(claimed(task), claimed(task), completed(task), completed(task), claimed(task))
    assert (story.job.version, story.job.state) == (2, JobState.COMPLETED)
