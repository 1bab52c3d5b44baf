"""Exit statuses, and what is written where, for every end a run can have."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import pytest

from tests.exec.exec_program import PROGRAM, Exec
from tork_core.testing._runtime_base import processes_with

SLEEP = "tasks: [{name: sleeper, env: {MARK: TOKEN}, run: 'echo begun; sleep 1000'}]"
STUBBORN = (
    "tasks: [{name: stubborn, env: {MARK: TOKEN}, "
    "run: \"trap '' TERM INT; echo begun; while :; do sleep 0.1; done\"}]"
)


def marked(job: str, tork_exec: Exec) -> str:
    return job.replace("TOKEN", tork_exec.token)


def test_a_job_that_completes_is_status_0(tork_exec: Exec) -> None:
    done = tork_exec(
        "tasks:\n- name: one\n  var: o\n  run: echo hi; echo -n 42 > $TORK_OUTPUT\n"
        "- name: two\n  if: 'false'\n  run: exit 1\noutput: 'got {{ tasks.o }}'\n"
    )
    assert done.process.returncode == 0
    assert done.err == ""
    lines = [line for _, line in done.lines]
    assert lines[0].startswith("job job: 2 tasks (")
    assert lines[1:3] == ["  one: started", "  one | hi"]
    assert lines[3].startswith("  one: COMPLETED after ")
    assert lines[4].startswith("  two: SKIPPED")
    assert lines[5].startswith("job COMPLETED after ")
    assert lines[6] == "result: got 42"


def test_a_job_that_fails_is_status_1_and_says_why_once(tork_exec: Exec) -> None:
    done = tork_exec("tasks: [{name: bad, run: 'echo no luck; exit 3'}, {run: 'true'}]")
    assert done.process.returncode == 1
    assert "bad: FAILED" in done.out
    assert "exit code 3" in done.out
    assert "error: exit code 3" in done.out
    assert done.err == ""


@pytest.mark.parametrize(
    ("script", "state", "status"),
    [("echo out; echo err >&2", "COMPLETED", 0), ("exit 9", "FAILED", 1)],
)
def test_json_is_one_value_on_standard_output_and_all_else_is_on_standard_error(
    tork_exec: Exec, script: str, state: str, status: int
) -> None:
    done = tork_exec(f"tasks: [{{name: one, run: '{script}'}}]\noutput: the result", "--json")
    assert done.process.returncode == status
    assert len(done.lines) == 1
    found = done.json()
    assert found["state"] == state
    assert found["taskCount"] == 1
    assert found["execution"][0]["state"] == state
    assert f"job {state}" in done.err
    if status == 0:
        assert found["result"] == "the result"
        assert "one | out" in done.err
        assert "one | err" in done.err


def test_sigint_cancels_the_job_and_is_status_130(tork_exec: Exec) -> None:
    run = tork_exec.start(marked(SLEEP, tork_exec), "--json")
    run.see("begun")
    began = time.monotonic()
    run.send(signal.SIGINT)
    assert run.end() == 130
    assert time.monotonic() - began < 5
    found = run.json()
    assert found["state"] == "CANCELLED"
    assert found["execution"][0]["state"] == "CANCELLED"
    assert found["cancelledAt"]
    assert "job CANCELLED" in run.err
    assert "begun" in run.err


def test_sigint_shows_the_end_to_people_too(tork_exec: Exec) -> None:
    run = tork_exec.start(marked(SLEEP, tork_exec))
    run.see("begun")
    run.send(signal.SIGINT)
    assert run.end() == 130
    assert "cancelling" in run.out
    assert "job CANCELLED" in run.out
    assert run.err == ""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP])
def test_other_signals_cancel_too_and_are_the_status(tork_exec: Exec, number: int) -> None:
    run = tork_exec.start(marked(SLEEP, tork_exec), "--json")
    run.see("begun")
    run.send(number)
    assert run.end() == 128 + number
    assert run.json()["state"] == "CANCELLED"


def test_a_closed_terminal_is_nothing_to_a_run_under_nohup(tork_exec: Exec) -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        run = tork_exec.start(marked("tasks: [{run: 'echo begun; sleep 1'}]", tork_exec))
    finally:
        signal.signal(signal.SIGHUP, before)
    run.see("begun")
    run.send(signal.SIGHUP)
    assert run.end() == 0


def test_a_task_that_ignores_its_end_is_killed_after_the_grace(tork_exec: Exec) -> None:
    run = tork_exec.start(marked(STUBBORN, tork_exec), "--json", "--worker-stop-grace", "1s")
    run.see("begun")
    run.send(signal.SIGINT)
    assert run.end(within=15) == 130
    assert run.json()["state"] == "CANCELLED"


def test_a_second_sigint_does_not_wait_for_anything(tork_exec: Exec) -> None:
    run = tork_exec.start(marked(STUBBORN, tork_exec), "--worker-stop-grace", "20s")
    run.see("begun")
    run.send(signal.SIGINT)
    run.see("cancelling")
    run.send(signal.SIGINT)
    assert run.end(within=10) == 130


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_while_the_engine_opens_ends_the_run(
    tork_exec: Exec, number: signal.Signals
) -> None:
    for delay in (0, 0.02, 0.05):
        run = tork_exec.start(marked(SLEEP, tork_exec))
        state = tork_exec.folder / "state"
        run.until(state.exists)
        time.sleep(delay)  # whatever it is doing at that moment
        run.send(number)
        assert run.end(within=15) == 128 + number
        shutil.rmtree(state)


def test_a_reader_that_has_seen_enough_ends_the_run_quietly(tork_exec: Exec) -> None:
    script = "for i in $(seq 100000); do echo line $i; done; sleep 1000"
    job = marked(f"tasks: [{{env: {{MARK: TOKEN}}, run: '{script}'}}]", tork_exec)
    (tork_exec.folder / "job.yaml").write_text(job)
    done = subprocess.run(
        ["bash", "-c", f"{' '.join(PROGRAM)} exec job.yaml --runtime shell | head -1"],
        cwd=tork_exec.folder,
        env={**os.environ, "TORK_RUNTIME_SHELL_STATE": str(tork_exec.folder / "state")},
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.stdout.startswith("job job: 1 task")
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""


def test_what_a_killed_run_leaves_is_removed_by_the_next_one(tork_exec: Exec) -> None:
    run = tork_exec.start(marked(SLEEP, tork_exec))
    run.see("begun")
    run.process.kill()
    run.process.wait()
    tork_exec("tasks: [{run: 'true'}]")
    assert processes_with(tork_exec.token) == []


def test_scratch_folders_of_a_killed_run_go_though_the_next_one_needs_none(
    tork_exec: Exec,
) -> None:
    temp = tork_exec.folder / "two words"
    temp.mkdir()
    job = marked(
        "tasks: [{run: 'echo begun > file; cat file; sleep 60', env: {M: TOKEN}}]", tork_exec
    )
    run = tork_exec.start(job, "--temp-dir", str(temp))
    run.see("begun")
    run.process.kill()
    run.process.wait()
    assert list(temp.iterdir()) != []
    tork_exec("tasks: [{run: 'true', if: 'false'}]", "--temp-dir", str(temp))
    assert list(temp.iterdir()) == []


def test_all_files_of_a_task_are_where_temp_dir_says(tork_exec: Exec) -> None:
    temp = tork_exec.folder / "elsewhere"
    temp.mkdir()
    job = 'tasks: [{run: "echo $PWD; echo $TORK_OUTPUT; echo $0", pre: [{run: "echo $0"}]}]'
    done = tork_exec(job, "--temp-dir", str(temp))
    assert done.out.count(str(temp)) == 4, done.out
    assert list(temp.iterdir()) == []


def test_a_temp_dir_that_is_not_there_is_status_2(tork_exec: Exec) -> None:
    done = tork_exec("tasks: [{run: 'true'}]", "--temp-dir", "missing/folder")
    assert done.process.returncode == 2
    assert "missing/folder does not exist; make it, or name another folder" in done.err
    assert done.out == ""


# -- lines come live


def test_lines_come_while_their_task_runs(tork_exec: Exec) -> None:
    gate = tork_exec.folder / "gate"
    script = f"echo one; until test -e {gate}; do sleep 0.02; done; echo two"
    run = tork_exec.start(f"tasks: [{{name: t, run: '{script}'}}]")
    run.see("t | one")
    assert "two" not in run.out
    gate.touch()
    assert run.end() == 0
    assert run.out.index("t | two") < run.out.index("t: COMPLETED")


def test_a_line_without_its_end_is_shown_when_the_task_ends(tork_exec: Exec) -> None:
    done = tork_exec("tasks: [{name: t, run: 'printf part; sleep 0.6; printf ial'}]")
    assert "t | partial\n" in done.out


def test_control_characters_of_a_task_do_not_reach_the_terminal(tork_exec: Exec) -> None:
    script = r"printf '\033[2Ja\007b\033]0;title\007c\n'"
    done = tork_exec(json.dumps({"tasks": [{"name": "n\u001b[31m", "run": script}]}))
    assert done.process.returncode == 0
    assert "\x1b" not in done.out
    assert "\x07" not in done.out
    assert "n | ab0;titlec" in done.out


# -- what cannot be run


def test_the_default_runtime_is_never_the_shell(tork_exec: Exec) -> None:
    done = tork_exec("tasks: [{run: 'touch ran'}]", runtime=())
    # 2 where the plugin is not installed, 1 where its engine is away or the task has no image.
    assert done.process.returncode in (1, 2)
    assert "docker" in done.err + done.out
    assert not (tork_exec.folder / "ran").exists()


def test_an_unknown_runtime_is_status_2_in_a_few_lines(tork_exec: Exec) -> None:
    done = tork_exec("tasks: [{run: 'true'}]", runtime=("--runtime", "shel"))
    assert done.process.returncode == 2
    assert 'did you mean "shell"?' in done.err
    assert len(done.errors) <= 15
    assert done.out == ""


@pytest.mark.parametrize(
    ("job", "line", "column", "words"),
    [
        ("tasks:\n  - run: x\n    imgae: y\n", 3, 5, 'did you mean "image"?'),
        ("tasks:\n  - run: [x\n", 3, 1, ""),
        ("name: a\ntasks: []\n", 2, 8, "at least one task"),
        ("tasks:\n  - name: nothing\n", 2, 5, "something to do"),
        ("tasks:\n  - run: x\n    env:\n      A: '{{ 1 + }}'\n", 4, 10, "A"),
        ("tasks:\n  - run: x\n    run: y\n", 3, 5, "run"),
        ("tasks:\n  - run: x\n    queue: completed\n", 3, 12, "queue"),
        ("tasks:\n\t- run: x\n", 2, 1, ""),
        ("{", 1, 2, ""),
    ],
)
def test_an_invalid_file_is_an_error_with_line_and_column(
    tork_exec: Exec, job: str, line: int, column: int, words: str
) -> None:
    (tork_exec.folder / "job.yaml").write_text(job)
    done = tork_exec(None, file="job.yaml")
    assert done.process.returncode == 1
    assert done.out == ""
    assert f"line {line}, column {column}: " in done.err, done.err
    assert words in done.err
    assert len(done.errors) <= 15


@pytest.mark.parametrize("mode", [[], ["--json"]])
def test_a_refused_job_writes_nothing_to_standard_output(tork_exec: Exec, mode: list[str]) -> None:
    done = tork_exec("tasks: []", *mode)
    assert (done.process.returncode, done.out) == (1, "")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--input", "novalue"], "NAME=VALUE"),
        (["--nosuch"], "--nosuch"),
        (["--worker-grace", "soon"], "soon"),
        (["--queue", "default:0"], "default:0"),
        (["--worker-stop-grace", "60s"], "at most 20 s"),
    ],
)
def test_wrong_usage_is_status_2(tork_exec: Exec, arguments: list[str], words: str) -> None:
    done = tork_exec("tasks: [{run: 'true'}]", *arguments)
    assert done.process.returncode == 2
    assert words in done.err
    assert done.out == ""
    assert len(done.errors) <= 15


def test_a_file_that_is_not_there_is_status_2(tork_exec: Exec) -> None:
    done = tork_exec(None, file="nowhere.yaml")
    assert done.process.returncode == 2
    assert "nowhere.yaml" in done.err


def test_a_folder_is_no_file(tork_exec: Exec, tmp_path: Path) -> None:
    done = tork_exec(None, file=str(tmp_path))
    assert done.process.returncode == 2
    assert len(done.errors) <= 3


def test_a_large_file_is_refused(tork_exec: Exec) -> None:
    done = tork_exec(b"tasks: [{run: '" + b"x" * 2_000_000 + b"'}]")
    assert done.process.returncode == 1
    assert "1 MiB" in done.err or "1,048,576" in done.err
    assert len(done.err) < 2000


def test_bytes_that_are_no_text_are_refused(tork_exec: Exec) -> None:
    done = tork_exec(b"tasks: [{run: '\xff\xfe'}]")
    assert done.process.returncode == 1
    assert len(done.errors) <= 5
