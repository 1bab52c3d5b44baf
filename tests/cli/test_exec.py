"""``tork exec``, as a program of its own."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT

TORK = [sys.executable, "-m", "tork_core.cli.main"]
Exec = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def exec_(tmp_path: Path) -> Exec:
    """Returns a function that runs a job with the shell runtime in an empty folder."""

    def run(job: str, *arguments: str, **environ: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*TORK, "exec", "-", "--runtime", "shell", *arguments],
            input=job,
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env={**os.environ, "HOME": str(tmp_path), **environ},
            timeout=30,
        )

    return run


def test_a_job_that_completes_is_status_0_and_shows_its_log_and_result(exec_: Exec) -> None:
    done = exec_(
        "tasks:\n- name: hi\n  var: out\n  run: echo hello; echo -n 42 > $TORK_OUTPUT\n"
        "output: '{{ tasks.out }}'\n"
    )
    assert done.returncode == 0, done.stderr
    for word in ("hi", "hello", "COMPLETED", "42"):
        assert word in done.stdout


def test_json_is_one_value_on_standard_output_whatever_the_end(exec_: Exec) -> None:
    done = exec_("tasks: [{run: echo hello}]", "--json")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (0, "COMPLETED")
    assert "hello" in done.stderr
    done = exec_("tasks: [{run: 'echo no; exit 3'}]", "--json")
    job = json.loads(done.stdout)
    assert (done.returncode, job["state"]) == (1, "FAILED")
    assert "3" in job["error"]


@pytest.mark.parametrize(
    ("job", "arguments", "status", "word"),
    [
        ("tasks: []", [], 1, "$.tasks"),
        ("tasks: [{run: x, env: {A: '{{ nope() }}'}}]", [], 1, "nope"),
        ("tasks: [{run: 'true'}]", ["--runtime", "shelf"], 2, "shelf"),
        ("tasks: [{run: 'true'}]", ["--broker", "rabbitmq"], 2, "pip install tork-rabbitmq"),
        ("tasks: [{run: 'true'}]", ["--queue", "completed:1"], 2, "completed"),
        ("tasks: [{run: 'true'}]", ["--input", "x"], 2, "NAME=VALUE"),
        ("tasks: [{run: 'true'}]", ["--disable-middleware", "redactoin"], 2, '"redaction"'),
    ],
)
def test_what_cannot_be_run_is_an_error_of_a_few_lines(
    exec_: Exec, job: str, arguments: list[str], status: int, word: str
) -> None:
    done = exec_(job, *arguments)
    assert (done.returncode, done.stdout) == (status, "")
    assert word in done.stderr
    assert len(done.stderr.splitlines()) <= 15
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("no-such-command", "exit code 127"),
        ("/etc/passwd", "exit code 126"),
        ("exit 300", "exit code 44"),
        ("kill -KILL $$", "killed by SIGKILL (signal 9)"),
        ("kill -SEGV $$", "killed by SIGSEGV (signal 11)"),
    ],
)
def test_errors_of_tasks_are_those_that_the_reference_explains(
    exec_: Exec, script: str, error: str
) -> None:
    done = exec_(f"tasks: [{{run: {script}}}]", "--json")
    assert json.loads(done.stdout)["error"].splitlines()[0] == error
    assert f"`{error}`" in (ROOT / "docs" / "reference" / "limits.md").read_text()


SECRETS = """
inputs: {dbPassword: open-sesame}
tasks:
- var: out
  env: {DB_PASSWORD: "{{ inputs.dbPassword }}", COPY: "{{ inputs.dbPassword }}"}
  run: |
    echo -n "direct open-"; sleep 0.6; echo "$COPY" | cut -c6-
    echo -n "$DB_PASSWORD" | base64
    echo -n "got $DB_PASSWORD" > $TORK_OUTPUT
- run: test "$WORD" = "got open-sesame"; echo "next $WORD"; exit 4
  env: {WORD: "{{ tasks.out }}", THE_SECRET: "{{ inputs.dbPassword }}"}
"""


def test_secrets_are_shown_nowhere_and_reach_the_tasks(exec_: Exec) -> None:
    for arguments in ([], ["--json"]):
        done = exec_(SECRETS, *arguments)
        assert done.returncode == 1
        shown = done.stdout + done.stderr
        assert "next got [REDACTED]" in shown
        assert "open-sesame" not in shown
        assert "b3Blbi1zZXNhbW" not in shown
        assert "exit code 4" in shown


def test_a_secret_of_the_job_is_hidden_in_a_log_whatever_the_variable_is_called(
    exec_: Exec,
) -> None:
    done = exec_(
        "inputs: {dbPassword: open-sesame}\n"
        'tasks: [{run: echo "x $WORD", env: {WORD: "{{ inputs.dbPassword }}"}}]'
    )
    assert done.returncode == 0
    assert "x [REDACTED]" in done.stdout


def test_redaction_can_be_switched_off(exec_: Exec) -> None:
    done = exec_(SECRETS, TORK_MIDDLEWARE_DISABLED="redaction")
    assert "next got open-sesame" in done.stdout


def test_ctrl_c_cancels_the_job_and_its_tasks_and_is_status_130(tmp_path: Path) -> None:
    mark = f"tork-test-{os.getpid()}-{time.monotonic_ns()}"
    (tmp_path / "job.yaml").write_text(
        f"tasks:\n- run: |\n    echo started\n    exec -a {mark} sleep 60\n"
    )
    with subprocess.Popen(
        [*TORK, "exec", "job.yaml", "--runtime", "shell"],
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    ) as process:
        assert process.stdout is not None
        shown = ""
        while "| started" not in shown:
            line = process.stdout.readline()
            assert line, shown
            shown += line
        process.send_signal(signal.SIGINT)
        shown += process.stdout.read()
    assert process.returncode == 130, shown
    assert "CANCELLED" in shown
    assert "Traceback" not in shown
    assert mark not in subprocess.run(["ps", "axww"], capture_output=True, text=True).stdout


def test_the_queues_of_the_job_are_served(exec_: Exec) -> None:
    job = (
        "defaults: {queue: d}\n"
        "tasks: [{run: echo one}, {run: echo two, queue: 'a b:c/é'}, {run: echo three, queue: q}]"
    )
    for arguments in ((), ("--queue", "q:1")):
        done = exec_(job, *arguments)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "no worker serves" not in done.stdout


def test_a_queue_that_a_template_gives_and_nobody_serves_is_told_of(tmp_path: Path) -> None:
    job = "inputs: {q: a b}\ntasks: [{run: 'true', queue: '{{ inputs.q }}'}]"
    process = subprocess.Popen(
        [*TORK, "exec", "-", "--runtime", "shell"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        cwd=tmp_path,
        env={**os.environ, "HOME": str(tmp_path)},
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(job)
        process.stdin.close()
        line = next(line for line in process.stdout if "no worker serves" in line)
        assert line.startswith("no worker serves queue a b: its tasks wait; ")
        assert line.rstrip().endswith("--queue 'a b:1'")
        process.send_signal(signal.SIGINT)
        assert process.wait(20) == 130
    finally:
        process.kill()
        process.stdout.close()


def test_the_queue_that_a_template_gives_may_be_named(exec_: Exec) -> None:
    job = "inputs: {q: a b}\ntasks: [{run: 'true', queue: '{{ inputs.q }}'}]"
    done = exec_(job, "--queue", "a b:1")
    assert (done.returncode, "no worker" in done.stdout) == (0, False)
