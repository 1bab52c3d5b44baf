"""The job files of the oldest description of Tork, as they stand in it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tork_core.errors import InvalidJob
from tork_core.model.reading import parse_job

SEED = Path(__file__).parent / "seed"


def source(name: str) -> bytes:
    return (SEED / name).read_bytes()


def as_job(name: str) -> bytes:
    """Put a file that holds a single task into a job."""
    lines = source(name).splitlines(keepends=True)
    return b"tasks:\n- " + b"  ".join(lines)


def test_hello_is_read_as_written():
    job = parse_job(source("hello.yaml"), format="yaml")
    assert job.name == "hello job"
    assert [task.name for task in job.tasks] == ["say hello", "say goodbye"]
    assert [task.image for task in job.tasks] == ["ubuntu:mantic"] * 2
    assert [task.run for task in job.tasks] == ["echo -n hello world\n", "echo -n bye world\n"]


def test_outputs_are_read_as_written():
    first, second = parse_job(source("outputs.yaml"), format="yaml").tasks
    assert first.var == "task1"
    assert first.run == 'echo -n "world" >> "$TORK_OUTPUT"\n'
    assert second.env == {"NAME": "{{ tasks.task1 }}"}


def test_a_conditional_task_is_read_as_written():
    job = parse_job(source("conditional.yaml"), format="yaml")
    assert job.inputs == {"run": "true"}
    assert job.tasks[0].condition == "{{ inputs.run == 'true' }}"


@pytest.mark.parametrize("name", ["context.yaml", "random.yaml", "curl.yaml"])
def test_the_other_jobs_are_read(name: str):
    assert len(parse_job(source(name), format="yaml").tasks) == 1


def test_the_image_with_a_comma_is_kept():
    assert parse_job(source("curl.yaml"), format="yaml").tasks[0].image == "ubuntu:mantic,"


def test_the_json_example_is_read():
    job = parse_job(source("curl.json"), format="json")
    assert job.tasks[0].run == "echo hello world"


@pytest.mark.parametrize("name", ["env.yaml", "queue.yaml"])
def test_a_single_task_is_read_within_a_job(name: str):
    assert parse_job(as_job(name), format="yaml").tasks[0].name


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("env.yaml", "line 2, column 1: $.image: unknown field of a job; "),
        ("prepost.yaml", "line 1, column 1: a job is a mapping, this is a list; "),
    ],
)
def test_a_task_alone_is_no_job_and_the_error_says_what_to_do(name: str, message: str):
    with pytest.raises(InvalidJob) as refused:
        parse_job(source(name), format="yaml")
    assert str(refused.value).startswith(message)
    assert 'under "tasks"' in str(refused.value)


def test_convert_is_read_with_its_pre_and_post_tasks():
    task = parse_job(source("convert.yaml"), format="yaml").tasks[0]
    assert task.volumes == ["/tmp"]
    assert [auxiliary.name for auxiliary in task.pre or ()] == ["download the remote file"]
    assert [auxiliary.name for auxiliary in task.post or ()] == ["upload the converted file"]


def test_limits_are_read_as_they_are_written():
    task = parse_job(as_job("limits.yaml"), format="yaml").tasks[0]
    assert task.limits is not None
    assert (task.limits.cpus, task.limits.memory) == (".5", "10m")


def test_quotes_within_quotes_are_refused_with_line_column_and_what_to_write():
    with pytest.raises(InvalidJob) as refused:
        parse_job(source("length.yaml"), format="yaml")
    assert str(refused.value) == (
        "line 5, column 23: $.tasks[0].env: not YAML: did not find expected key; "
        "the inner quotes end the text: put the outer ones as '{{len(\"hello world\")}}'"
    )
