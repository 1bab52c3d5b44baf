"""Submission: what is stored, what goes out, and what a job's templates may not be."""

from __future__ import annotations

import pytest

from tests.coordinator.job_story import JOB, Story, changes_nothing, job, refuse_poison, rules, sent
from tork_core.coordinator.decisions.fold import fold
from tork_core.coordinator.decisions.inputs import Cancelled, Claimed, Nudged, Submitted
from tork_core.model.job import Claim
from tork_core.model.spec import AuxiliaryTaskSpec, DefaultsSpec, RetrySpec, TaskSpec
from tork_core.model.states import JobState, TaskState


def test_a_submission_schedules_the_first_task_in_the_same_commit() -> None:
    story = Story(job("true", "true", name="two"))
    outcome = story.submit()
    assert sent(outcome) == [(1, 1, False)]
    assert (story.job.state, story.job.position, story.job.version) == (JobState.SCHEDULED, 1, 1)
    [task] = story.tasks
    assert (task.state, task.queue, task.name) == (TaskState.SCHEDULED, "default", "task 1")
    assert task.created_at == task.scheduled_at == task.published_at == story.now
    assert [(event.state, event.task_id) for event in story.events] == [
        ("PENDING", None),
        ("SCHEDULED", None),
        ("SCHEDULED", task.id),
    ]


def test_a_second_submission_under_the_same_id_changes_nothing() -> None:
    story = Story(job("true"))
    story.submit()
    assert changes_nothing(story.submit())
    story.run_task()
    assert story.job.state is JobState.COMPLETED
    assert changes_nothing(story.submit())


def test_two_submissions_in_one_batch_are_one_job() -> None:
    story = Story(job("true"))
    outcome = story.decide(Submitted(JOB, story.spec), Submitted(JOB, story.spec))
    assert sent(outcome) == [(1, 1, False)]
    assert len(story.tasks) == 1


def test_a_second_submission_of_other_content_leaves_the_first_as_it_is() -> None:
    story = Story(job("true"))
    story.submit()
    outcome = story.decide(Submitted(JOB, job("false")))
    assert changes_nothing(outcome)
    assert outcome.spec == story.spec


@pytest.mark.parametrize("condition", ["false", " false ", "{{ 1 > 2 }}", "{{ inputs.x }}"])
def test_a_task_whose_condition_is_false_is_skipped(condition: str) -> None:
    story = Story(job(TaskSpec(run="true", condition=condition), "true", inputs={"x": " false\n"}))
    outcome = story.submit()
    assert sent(outcome) == [(2, 1, False)]
    assert story.states == ["SKIPPED", "SCHEDULED"]
    skipped = story.tasks[0]
    assert skipped.completed_at == story.now
    [event] = [event for event in story.events if event.state == "SKIPPED"]
    assert event.task_id == skipped.id
    assert condition in (event.detail or "")


@pytest.mark.parametrize("condition", ["true", "", "0", "no", "{{ 1 < 2 }}", "{{ inputs.x }}"])
def test_only_false_skips_a_task(condition: str) -> None:
    story = Story(job(TaskSpec(run="true", condition=condition)))
    story.submit()
    assert story.states == ["SCHEDULED"]


def test_a_job_whose_tasks_are_all_skipped_completes_at_once_with_its_output() -> None:
    never = TaskSpec(run="true", condition="false")
    story = Story(job(never, never, output="{{ inputs.a }}", inputs={"a": "done"}))
    outcome = story.submit()
    assert outcome.dispatches == []
    assert (story.job.state, story.job.output) == (JobState.COMPLETED, "done")
    assert story.job.position == 3
    assert story.job.started_at == story.job.completed_at == story.now


def test_the_end_of_a_job_may_be_skipped() -> None:
    story = Story(job("true", TaskSpec(run="true", condition="false")))
    story.submit()
    story.run_task()
    assert story.states == ["COMPLETED", "SKIPPED"]
    assert story.job.state is JobState.COMPLETED


@pytest.mark.parametrize(
    ("task", "path"),
    [
        (TaskSpec(run="true", env={"A": "ok", "B": "{{ nothing.at.all }}"}), "tasks[0].env.B"),
        (TaskSpec(run="true", name="{{ 1 / }}"), "tasks[0].name"),
        (TaskSpec(run="true", condition="{{ split(1) }}"), "tasks[0].if"),
        (TaskSpec(run="true", queue="{{ nosuch() }}"), "tasks[0].queue"),
        (TaskSpec(run="true", var="{{ 'x' * 3 }}"), "tasks[0].var"),
        (TaskSpec(cmd=["a", "{{ fromJSON('{') }}"]), "tasks[0].cmd[1]"),
        (TaskSpec(run="true", image="{{ 1 + 'a' }}"), "tasks[0].image"),
    ],
)
def test_a_template_that_fails_fails_task_and_job_with_the_path_of_its_field(
    task: TaskSpec, path: str
) -> None:
    story = Story(job(task, "true"))
    outcome = story.submit()
    assert outcome.dispatches == []
    assert story.states == ["FAILED"]
    assert story.job.state is JobState.FAILED
    error = story.tasks[0].error
    assert error is not None
    assert error.startswith(f"{path}: ")
    assert story.job.error == error
    assert story.tasks[0].failed_at == story.job.failed_at == story.now


LONG = "{{ count(1..25000, # < 0) }}"
"""Takes a good part of the steps that one evaluation may take."""


def test_conditions_that_take_too_long_together_fail_the_job() -> None:
    story = Story(
        job(*(TaskSpec(run="true", condition=f"{LONG[:-3]} > 0 }}}}") for _ in range(90)))
    )
    story.submit()
    assert story.job.state is JobState.FAILED
    position = len(story.states)
    assert story.states == ["SKIPPED"] * (position - 1) + ["FAILED"]
    assert 10 < position < 90
    error = story.job.error or ""
    assert error.startswith(f"tasks[{position - 1}].if: this and the expressions before it take")
    assert "3,000,000 steps" in error


def test_templates_of_one_task_that_take_too_long_together_fail_it() -> None:
    env = {f"N{number}": LONG for number in range(90)}
    story = Story(job(TaskSpec(run="true", env=env)))
    story.submit()
    assert story.states == ["FAILED"]
    assert "].env.N" in (story.job.error or "")


def test_many_small_conditions_and_long_ones_one_after_another_are_no_problem() -> None:
    small = TaskSpec(run="true", condition="{{ len(inputs.x) > 3 && inputs.x != 'abc' }}")
    story = Story(job(*[small] * 2000, *[TaskSpec(run="true", env={"N": LONG})] * 60))
    story.submit()
    for _ in range(60):
        story.run_task()
    assert story.job.state is JobState.COMPLETED


def test_a_template_of_a_later_task_that_fails_fails_the_job_when_its_turn_comes() -> None:
    story = Story(job("true", TaskSpec(run="true", env={"N": "{{ int(tasks.x) }}"})))
    story.submit()
    story.run_task()
    assert story.states == ["COMPLETED", "FAILED"]
    assert (story.job.error or "").startswith("tasks[1].env.N: ")


def test_a_task_whose_templates_fail_is_not_tried_again() -> None:
    bad = TaskSpec(run="true", env={"B": "{{ 1 / }}"}, retry=RetrySpec(limit=3))
    story = Story(job(bad))
    story.submit()
    assert story.states == ["FAILED"]


def test_a_task_that_middleware_refuses_fails_its_job() -> None:
    story = Story(job("true", TaskSpec(name="poison", run="true")), rules(admit_task=refuse_poison))
    story.submit()
    story.run_task()
    assert story.states == ["COMPLETED", "FAILED"]
    assert "poison is not allowed here" in (story.job.error or "")


def test_templates_see_inputs_secrets_and_the_job() -> None:
    env = {"A": "{{ inputs.a }}-{{ secrets.s }}-{{ job.name }}", "ID": "{{ job.id }}"}
    spec = job(TaskSpec(run="true", env=env), inputs={"a": "1"}, secrets={"s": "2"}, name="n")
    story = Story(spec)
    story.submit()
    assert story.specs[0].env == {"A": "1-2-n", "ID": JOB}


def test_templates_of_pre_and_post_tasks_see_what_those_of_their_task_see() -> None:
    pre = AuxiliaryTaskSpec(
        name="p {{ tasks.first }}",
        image="i{{ inputs.a }}",
        env={"A": "{{ tasks.first }}"},
        cmd=["{{ inputs.a }}"],
        run="{{ left as it is }}",
    )
    post = AuxiliaryTaskSpec(run="true", env={"B": "{{ inputs.a }}"})
    story = Story(
        job(
            TaskSpec(run="true", var="first"),
            TaskSpec(run="true", pre=[pre], post=[post]),
            inputs={"a": "1"},
        )
    )
    story.submit()
    story.run_task("out")
    [found] = story.specs[1].pre or []
    assert (found.name, found.image, found.env) == ("p out", "i1", {"A": "out"})
    assert (found.cmd, found.run) == (["1"], "{{ left as it is }}")
    assert (story.specs[1].post or [])[0].env == {"B": "1"}


def test_a_template_of_a_pre_task_that_fails_names_its_field() -> None:
    pre = AuxiliaryTaskSpec(run="true", env={"A": "{{ 1 / 0 }}{{ fromJSON('{') }}"})
    story = Story(job(TaskSpec(run="true", pre=[pre])))
    story.submit()
    assert (story.job.error or "").startswith("tasks[0].pre[0].env.A: ")


def test_the_rendered_name_of_a_post_task_is_held_to_the_rule_of_names() -> None:
    post = AuxiliaryTaskSpec(run="true", name="{{ inputs.n }}")
    story = Story(job(TaskSpec(run="true", post=[post]), inputs={"n": "n" * 257}))
    story.submit()
    assert (story.job.error or "").startswith("tasks[0].post[0].name: ")


def test_a_task_takes_the_time_out_of_its_jobs_defaults_unless_it_has_one() -> None:
    tasks = TaskSpec(run="true"), TaskSpec(run="true", timeout="1s")
    story = Story(job(*tasks, defaults=DefaultsSpec(timeout="1h")))
    story.submit()
    story.run_task()
    assert [spec.timeout for spec in story.specs] == ["1h", "1s"]


def test_a_missing_input_is_empty_text() -> None:
    story = Story(job(TaskSpec(run="true", env={"A": "<{{ inputs.none }}>"})))
    story.submit()
    assert story.specs[0].env == {"A": "<>"}


def test_the_name_the_queue_and_the_variable_of_a_task_may_be_templates() -> None:
    task = TaskSpec(
        run="true", name="n {{ inputs.x }}", queue="q{{ inputs.x }}", var="v{{ inputs.x }}"
    )
    story = Story(job(task, TaskSpec(run="true", env={"A": "{{ tasks.v1 }}"}), inputs={"x": "1"}))
    story.submit()
    [first] = story.tasks
    assert (first.name, first.queue, first.var) == ("n 1", "q1", "v1")
    story.run_task("out")
    assert story.specs[1].env == {"A": "out"}


def test_a_variable_whose_rendered_name_is_too_long_fails_the_task() -> None:
    story = Story(job(TaskSpec(run="true", var="{{ inputs.x }}"), inputs={"x": "v" * 65}))
    story.submit()
    assert story.job.state is JobState.FAILED
    assert (story.job.error or "").startswith("tasks[0].var: ")


@pytest.mark.parametrize(
    "queue", ["jobs", "pending", "started", "heartbeat", "logs", "dead", "x-0123", "q" * 256, " "]
)
def test_a_template_cannot_route_a_task_to_a_queue_of_the_engine(queue: str) -> None:
    story = Story(job(TaskSpec(run="true", queue="{{ inputs.q }}"), inputs={"q": queue}))
    outcome = story.submit()
    assert outcome.dispatches == []
    assert story.job.state is JobState.FAILED
    assert (story.job.error or "").startswith("tasks[0].queue: ")


def test_a_template_that_gives_no_queue_leaves_it_out() -> None:
    story = Story(job(TaskSpec(run="true", queue="{{ inputs.q }}", name="{{ inputs.n }}")))
    story.submit()
    assert (story.newest.queue, story.newest.name) == ("default", "task 1")


def test_a_rendered_name_that_is_too_long_fails_the_task() -> None:
    story = Story(job(TaskSpec(run="true", name="{{ inputs.n }}"), inputs={"n": "n" * 257}))
    story.submit()
    assert (story.job.error or "").startswith("tasks[0].name: ")


@pytest.mark.parametrize("field", ["env", "output"])
def test_what_a_template_gives_holds_no_nul(field: str) -> None:
    nul = '{{ "a\\u0000b" }}'
    task = TaskSpec(run="true", env={"A": nul} if field == "env" else None)
    story = Story(job(task, output=nul if field == "output" else None))
    story.submit()
    if field == "output":
        story.run_task()
    assert story.job.state is JobState.FAILED
    assert "U+0000" in (story.job.error or "")
    assert "\0" not in (story.job.error or "")


def test_what_a_template_gives_is_not_rendered_again() -> None:
    task = TaskSpec(run="true", env={"A": "{{ inputs.x }}"})
    story = Story(job(task, inputs={"x": "{{ secrets.s }}"}, secrets={"s": "hidden"}))
    story.submit()
    assert story.specs[0].env == {"A": "{{ secrets.s }}"}


def test_the_script_itself_is_no_template() -> None:
    story = Story(job("echo {{ inputs.x }}", inputs={"x": "1; rm -rf /"}))
    story.submit()
    assert story.specs[0].run == "echo {{ inputs.x }}"


def test_defaults_go_to_the_tasks_that_do_not_say_otherwise() -> None:
    defaults = DefaultsSpec(queue="slow", priority=7, retry=RetrySpec(limit=1))
    own = TaskSpec(run="true", queue="fast", priority=0, retry=RetrySpec(limit=2))
    story = Story(job("true", own, defaults=defaults))
    story.submit()
    assert (story.newest.queue, story.newest.priority) == ("slow", 7)
    story.run_task()
    assert (story.newest.queue, story.newest.priority) == ("fast", 0)
    for _ in range(2):
        story.claim()
        story.fail()
    assert story.job.state is JobState.RUNNING
    story.claim()
    story.fail()
    assert story.job.state is JobState.FAILED


def test_the_default_number_of_retries_counts_too() -> None:
    story = Story(job("true", defaults=DefaultsSpec(retry=RetrySpec(limit=1))))
    story.submit()
    story.claim()
    story.fail()
    assert story.states == ["FAILED", "SCHEDULED"]


def test_deciding_again_draws_the_same_random_numbers() -> None:
    env = {"A": "{{ randomInt() }}", "B": "{{ randomInt(1000000) }}"}
    story = Story(job(TaskSpec(run="true", env=env)))
    drawn = [story.fold(Submitted(JOB, story.spec)) for _ in range(2)]
    specs = [next(iter(found.change.specs.values())) for found in drawn if found.change]
    assert specs[0] == specs[1]
    story.submit()
    assert story.specs[0] == specs[0]


def test_a_retry_draws_other_random_numbers() -> None:
    env = {"A": "{{ randomInt() }}"}
    story = Story(job(TaskSpec(run="true", env=env, retry=RetrySpec(limit=1))))
    story.submit()
    story.claim()
    story.fail()
    first, second = story.specs
    assert first.env != second.env


def test_what_comes_for_an_unknown_job_is_told_to_stop() -> None:
    claim = Claim(node="w1", number=4)
    outcome = fold(JOB, None, [Claimed(JOB, "t", 1, claim), Nudged(JOB)], Story(job()).now, rules())
    assert changes_nothing(outcome)
    assert [(order.claim, order.verdict.value) for order in outcome.orders] == [(claim, "stopped")]
    assert outcome.spec is None


@pytest.mark.parametrize("cancel_first", [False, True])
def test_a_job_that_is_submitted_and_cancelled_in_one_batch_ends_cancelled(
    cancel_first: bool,
) -> None:
    story = Story(job("true"))
    asked = [Submitted(JOB, story.spec), Cancelled(JOB)]
    outcome = story.decide(*(reversed(asked) if cancel_first else asked))
    assert outcome.dispatches == []
    assert story.job.state is JobState.CANCELLED
    assert story.events[0].state == "PENDING"
