"""What readers of jobs, events and logs see of secrets: nothing."""

from __future__ import annotations

from datetime import UTC, datetime

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tork_core.interfaces.middleware import TaskLogContext
from tork_core.middleware.chain import Chain
from tork_core.middleware.redaction import (
    is_secret_name,
    log_values,
    open_log,
    show_job,
    tork_job_middleware,
    tork_log_middleware,
)
from tork_core.model.answers import ContextAnswer, JobAnswer, TaskAnswer
from tork_core.model.job import Event
from tork_core.model.secret_names import REDACTED
from tork_core.model.spec import (
    AuxiliaryTaskSpec,
    JobSpec,
    MountSpec,
    RegistrySpec,
    SubjobSpec,
    TaskSpec,
    WebhookSpec,
)
from tork_core.model.states import JobState, TaskState

NOW = datetime(2024, 1, 1, tzinfo=UTC)


def job(**fields) -> JobAnswer:
    given = {"id": "1234abcd", "state": JobState.RUNNING, "created_at": NOW, "tasks": []}
    return JobAnswer(**{**given, **fields})


def task(**fields) -> TaskAnswer:
    given = {"id": "1234abcd", "job_id": "1234abcd", "position": 1, "state": TaskState.RUNNING}
    return TaskAnswer(**{**given, **fields})


@pytest.mark.parametrize(
    ("name", "secret"),
    [
        ("SECRET", True),
        ("my_secret_key", True),
        ("DbPassword", True),
        ("AWS_ACCESS_KEY_ID", True),
        ("aws_access_key", True),
        ("TOKEN", False),
        ("PASS", False),
        ("ACCESSKEY", False),
    ],
)
def test_the_names_of_secrets_are_the_seed_s(name: str, secret: bool) -> None:
    assert is_secret_name(name) is secret


def test_a_secret_is_hidden_in_its_own_field_and_in_all_other_texts() -> None:
    shown = show_job(
        job(
            name="deploy hunter2",
            inputs={"dbPassword": "hunter2", "user": "hunter2@host", "n": "1"},
            tasks=[TaskSpec(run="echo hunter2", env={"SECRET": "x"}, name="a")],
            execution=[
                task(
                    env={"API_SECRET": "sesame!", "URL": "http://me:sesame!@host"},
                    run="curl -u hunter2:x",
                    error="exit code 1: no such user hunter2\nsesame!",
                    result="sesame!",
                )
            ],
            context=ContextAnswer(
                job={"id": "1234abcd", "name": "deploy hunter2"},
                inputs={"dbPassword": "hunter2"},
                tasks={"out": "got sesame!"},
            ),
            output="{{ tasks.out }}",
            result="sesame!",
            error="hunter2",
        )
    )
    text = msgspec.json.encode(shown).decode()
    assert "hunter2" not in text
    assert "sesame!" not in text
    assert shown.inputs == {"dbPassword": REDACTED, "user": f"{REDACTED}@host", "n": "1"}
    assert shown.tasks[0].env == {"SECRET": REDACTED}
    assert shown.tasks[0].run == f"echo {REDACTED}"
    assert shown.execution[0].env == {"API_SECRET": REDACTED, "URL": f"http://me:{REDACTED}@host"}
    assert shown.result == REDACTED


def test_what_is_stored_is_not_touched() -> None:
    stored = job(inputs={"PASSWORD": "hunter2"}, error="hunter2")
    show_job(stored)
    assert (stored.inputs, stored.error) == ({"PASSWORD": "hunter2"}, "hunter2")


def test_an_answer_without_secrets_is_the_same_object() -> None:
    stored = job(inputs={"user": "me"}, tasks=[TaskSpec(run="echo", env={"A": "b"})])
    assert show_job(stored) is stored


def test_short_secrets_are_hidden_in_their_own_field_only() -> None:
    shown = show_job(job(inputs={"PASSWORD": "abc", "word": "abcdef"}, error="abc"))
    assert shown.inputs == {"PASSWORD": REDACTED, "word": "abcdef"}
    assert shown.error == "abc"


def test_a_line_of_a_secret_with_quotes_is_hidden_in_a_task() -> None:
    secret = '{"user": "me",\n\t"key": "abc\\def"}'
    shown = show_job(
        job(inputs={"SECRET": secret}, execution=[task(run='echo "key": "abc\\def"}')])
    )
    assert shown.execution[0].run == f"echo {REDACTED}"


def test_what_the_engine_makes_is_never_hidden() -> None:
    stored = job(
        inputs={"PASSWORD": "1234", "SECRET_STATE": "RUNNING"},
        execution=[task(node_id="1234ffff")],
        context=ContextAnswer(job={"id": "1234abcd", "name": "x 1234"}),
    )
    shown = show_job(stored)
    assert (shown.id, shown.state, shown.created_at) == ("1234abcd", JobState.RUNNING, NOW)
    (run,) = shown.execution
    assert (run.id, run.job_id, run.node_id, run.state) == (
        "1234abcd",
        "1234abcd",
        "1234ffff",
        TaskState.RUNNING,
    )
    assert shown.context is not None
    assert shown.context.job == {"id": "1234abcd", "name": f"x {REDACTED}"}


def test_an_output_under_a_secret_name_is_a_secret() -> None:
    shown = show_job(
        job(
            execution=[task(var="apiSecret", result="t0k3n-1")],
            context=ContextAnswer(job={}, tasks={"apiSecret": "t0k3n-1"}),
            result="t0k3n-1",
        )
    )
    assert "t0k3n-1" not in msgspec.json.encode(shown).decode()


def test_secrets_of_every_part_of_a_task_are_hidden() -> None:
    spec = TaskSpec(
        registry=RegistrySpec(username="me", password="reg-pass"),
        mounts=[MountSpec(type="volume", target="/x", opts={"password": "mount-pass"})],
        pre=[AuxiliaryTaskSpec(run="echo pre-pass", env={"PRE_SECRET": "pre-pass"})],
        subjob=SubjobSpec(
            tasks=[TaskSpec(run="x", env={"SUB_PASSWORD": "sub-pass"})],
            secrets={"anything": "job-secret"},
            inputs={"SECRET": "input-secret"},
            webhooks=[WebhookSpec(url="http://x", headers={"X-Secret": "header-secret"})],
        ),
    )
    shown = msgspec.json.encode(show_job(job(tasks=[spec]))).decode()
    for secret in ("reg-pass", "mount-pass", "pre-pass", "sub-pass", "job-secret"):
        assert secret not in shown
    assert "input-secret" not in shown
    assert "header-secret" not in shown
    assert '"username":"me"' in shown


def test_a_template_is_hidden_in_its_field_and_not_looked_for_elsewhere() -> None:
    template = "{{ inputs.dbPassword }}"
    shown = show_job(
        job(tasks=[TaskSpec(run="x", env={"DB_PASSWORD": template, "OTHER": template})])
    )
    assert shown.tasks[0].env == {"DB_PASSWORD": REDACTED, "OTHER": template}


def test_details_of_events_are_hidden_too() -> None:
    chain = Chain(job=tork_job_middleware())
    stored = job(inputs={"PASSWORD": "hunter2"})
    event = Event(job_id="j", number=1, at=NOW, state="FAILED", name="x", detail="bad hunter2")
    (shown,) = chain.show_events(stored, [event])
    assert shown.detail == f"bad {REDACTED}"
    assert shown.number == 1


def test_a_log_is_filtered_by_the_secrets_of_its_task() -> None:
    env = {"DB_PASSWORD": "hunter2", "USER": "me"}
    log = open_log(TaskLogContext(job_id="j", task_id="t", attempt=1, env=env, secrets=("sesame",)))
    assert log is not None
    assert (
        log.feed("a hunter2 b ses") + log.feed("ame") + log.flush() == f"a {REDACTED} b {REDACTED}"
    )


def test_a_secret_of_the_job_goes_with_the_tasks_that_use_it() -> None:
    spec = JobSpec(
        tasks=[],
        inputs={"DB_PASSWORD": 'hunt"er2', "OTHER_SECRET": "unused", "user": "me"},
        secrets={"token": "sesame"},
    )
    chain = Chain(log=tork_log_middleware())
    task = TaskSpec(run="x", env={"WORD": 'a hunt"er2 b'}, cmd=["--token=sesame"])
    assert chain.log_secrets(spec, task) == ['hunt"er2', "sesame"]
    assert chain.log_secrets(spec, TaskSpec(run="x")) == []
    assert chain.log_secrets(JobSpec(tasks=[]), task) == []


def test_an_input_that_a_secret_variable_is_given_is_a_secret_everywhere() -> None:
    inputs = {"token": "hunter2", "other-token": "sesame", "user": "maria", "part": "partial"}
    tasks = [
        TaskSpec(run="x", env={"A_SECRET": "{{ inputs.token }}", "USER": "{{ inputs.user }}"}),
        TaskSpec(
            run="x",
            env={"B_SECRET": "a {{ inputs.part }}", "C_SECRET": "{{ inputs.none }}"},
            pre=[AuxiliaryTaskSpec(run="x", env={"PASSWORD": "{{inputs['other-token']}}"})],
        ),
    ]
    text = "hunter2 sesame maria partial"
    hidden = f"{REDACTED} {REDACTED} maria partial"
    shown = show_job(job(inputs=inputs, tasks=tasks, execution=[task(env={"X": text})]))
    assert shown.execution[0].env == {"X": hidden}
    assert shown.inputs == {**inputs, "token": REDACTED, "other-token": REDACTED}
    values = log_values(JobSpec(tasks=tasks, inputs=inputs), TaskSpec(run="x", env={"X": text}))
    assert values == ["hunter2", "sesame"]


def test_an_output_that_a_secret_variable_is_given_is_a_secret() -> None:
    tasks = [TaskSpec(run="x", env={"A_SECRET": "{{ tasks.v }}", "B": "{{ tasks.w }}"})]
    context = ContextAnswer(job={}, tasks={"v": "hunter2", "w": "shown"})
    shown = show_job(job(tasks=tasks, context=context, error="hunter2 shown"))
    assert shown.error == f"{REDACTED} shown"
    assert shown.context is not None
    assert shown.context.tasks == {"v": REDACTED, "w": "shown"}


def test_a_task_without_secrets_has_no_filter() -> None:
    context = TaskLogContext(job_id="j", task_id="t", attempt=1, env={"A": "b", "PASSWORD": "abc"})
    assert open_log(context) is None


@given(st.text(min_size=4, max_size=40), st.text(max_size=8), st.text(max_size=8))
@settings(max_examples=300, deadline=None)
def test_no_secret_is_in_any_text_of_an_answer(secret: str, before: str, after: str) -> None:
    text = before + secret + after
    shown = show_job(
        job(
            inputs={"A_SECRET": secret},
            execution=[task(run=text, env={"X": text}), task(error=text, cmd=["a", text])],
            error=text,
            tags=[text],
        )
    )
    first, second = shown.execution
    texts = [first.run, *(first.env or {}).values(), second.error, *(second.cmd or ())]
    wanted = [secret.strip(), *(line.strip() for line in secret.splitlines())]
    for hidden in (line for line in wanted if len(line) >= 4 and line not in REDACTED):
        assert not any(
            hidden in (text or "") for text in [*texts, shown.error, *(shown.tags or ())]
        )


def test_secret_variables_of_pre_and_post_tasks_are_hidden_in_the_tasks_log_too():
    def spec(value: str) -> TaskSpec:
        pre = AuxiliaryTaskSpec(run="x", env={"API_PASSWORD": value, "OTHER": "shown"})
        post = AuxiliaryTaskSpec(run="x", env={"THE_SECRET": f"{value}-2"})
        return TaskSpec(run="x", env={"API_PASSWORD": "own"}, pre=[pre], post=[post])

    written = JobSpec(tasks=[spec("{{ inputs.x }}")])
    assert set(log_values(written, spec("rendered"))) >= {"rendered", "rendered-2"}
    assert "shown" not in log_values(written, spec("rendered"))
