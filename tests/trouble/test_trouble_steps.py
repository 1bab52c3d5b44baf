"""Odd pre and post tasks, time-outs and volumes."""

from __future__ import annotations

import json
import time

import pytest

from tests.trouble.images import image
from tests.trouble.place import JSON, Place, until_gone
from tests.trouble.test_trouble_secrets import PEM, channels, commands, search


def beside(place: Place, *scripts: str, **fields: object) -> list[dict[str, object]]:
    """Return pre or post tasks with these scripts."""
    return [place.task({"run": script, **fields}) for script in scripts]


def printed(log: str) -> list[str]:
    """Return the lines of a log that are the tasks' own."""
    return [line for line in log.splitlines() if not line.startswith("[tork: ")]


def test_scripts_from_windows_run_before_and_after_too(place: Place) -> None:
    windows = "if true; then\r\n  echo %s\r\nfi\r\n"
    ended = place.run(
        {
            "pre": beside(place, "#!/bin/sh\r\n" + windows % "pre"),
            "run": windows % "task",
            "post": beside(place, windows % "post"),
        }
    )
    assert (ended.state, printed(ended.log)) == ("COMPLETED", ["pre", "task", "post"]), ended.error


def test_secrets_of_pre_and_post_tasks_are_hidden(place: Place) -> None:
    words = ["zq-pre-secret-61", "zq-task-secret-62", "zq-post-secret-63"]
    script = 'echo "$A_SECRET"; printf %s "$A_SECRET" | base64; echo $B; echo $P_SECRET'
    ended = place.run(
        {
            "pre": beside(place, script, env={"A_SECRET": words[0], "B": "{{ inputs.password }}"}),
            "env": {"A_SECRET": words[1], "P_SECRET": PEM},
            "run": f"{script}; echo {words[0]} {words[2]}",
            "post": beside(place, f"{script}; exit 3", name=words[2], env={"A_SECRET": words[2]}),
        },
        inputs={"password": "zq-input-secret-64"},
    )
    assert ended.state == "FAILED"
    assert "exit code 3" in ended.error
    hidden = [*words, "zq-input-secret-64", PEM]
    search(channels(place, ended), *hidden)
    search(commands(place, ended), *hidden)


@pytest.mark.parametrize("which", ["pre", "post"])
@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exit 200", "exit code 200"),
        ("kill -KILL $$", "SIGKILL"),
        ("no-such-command", "exit code 127"),
        ("#!/no/such\n", "/no/such"),
    ],
)
def test_a_pre_or_post_task_that_fails_is_named(
    place: Place, which: str, script: str, words: str
) -> None:
    ended = place.run(
        {
            "run": "echo task; echo -n x > $TORK_OUTPUT",
            "var": "v",
            which: [*beside(place, script, name="the culprit"), *beside(place, "echo never")],
        }
    )
    assert ended.state == "FAILED"
    assert words in ended.error, ended.error
    assert f'{which} task "the culprit"' in ended.error, ended.error
    assert printed(ended.log).count("task") == (which == "post")
    assert "never" not in ended.log
    assert "v" not in ended.job["context"].get("tasks", {})


def test_a_pre_task_that_leaves_something_running_does_not_hold_up_the_task(
    place: Place, token: str
) -> None:
    began = time.monotonic()
    ended = place.run(
        {
            "pre": beside(place, f"setsid sleep {token} & sleep {token} & echo pre"),
            "run": f"(sleep {token} &); echo task",
            "post": beside(place, f"nohup sleep {token} >/dev/null 2>&1 & echo post"),
        }
    )
    assert (ended.state, printed(ended.log)) == ("COMPLETED", ["pre", "task", "post"]), ended.error
    assert time.monotonic() - began < 30


OVERDUE = {
    "asleep": "sleep {t}",
    "busy": "while :; do :; done",
    "deaf": "trap '' TERM INT HUP; echo deaf; while :; do sleep 1; done",
    "with children": "sleep {t} & setsid sleep {t} & (sleep {t} &); sleep {t}",
    "stopped": "kill -STOP $$",
    "flooding": "while :; do echo flood; done",
    "streams closed": "exec >&- 2>&-; sleep {t}",
    "gone but for a child": "trap 'exit 0' TERM; sleep {t} & wait; wait",
}


def test_what_is_out_of_time_is_stopped_whatever_it_does(place: Place, token: str) -> None:
    """kestra-io/kestra#973, apache/airflow#9732: a container went on; kestra-io/kestra#1132,
    celery/billiard#204, rq/django-rq#623: children did; rq/rq#323: who was deaf to the signal;
    taskcluster/taskcluster#7599: all that was said of it was 137."""
    ids = {
        way: place.submit({"run": script.format(t=token), "timeout": "700ms"})
        for way, script in OVERDUE.items()
    }
    for way, job_id in ids.items():
        ended = place.ended(job_id)
        assert ended.state == "FAILED", way
        assert "timed out after 700ms" in ended.error, (way, ended.error)


def test_a_time_out_covers_pre_and_post_tasks(place: Place, token: str) -> None:
    for which in ("pre", "post"):
        task = {"run": "echo task", "timeout": "1s", which: beside(place, f"sleep {token}")}
        ended = place.run(task)
        assert ended.state == "FAILED"
        assert "timed out after 1s" in ended.error, ended.error
        assert which in ended.error, ended.error
    own = {"run": "echo task", "pre": beside(place, f"sleep {token}", timeout="600ms")}
    ended = place.run(own)
    assert "timed out after 600ms" in ended.error, ended.error
    assert "task" not in printed(ended.log)


def test_a_task_in_time_is_left_alone(place: Place) -> None:
    ended = place.run({"run": "sleep 0.3; echo in time", "timeout": "1h30m"})
    assert (ended.state, ended.log) == ("COMPLETED", "in time\n")


def test_each_retry_has_its_own_time(place: Place, token: str) -> None:
    ended = place.run({"run": f"sleep {token}", "timeout": "400ms", "retry": {"limit": 1}})
    assert [task["state"] for task in ended.execution] == ["FAILED", "FAILED"]
    assert all("timed out after 400ms" in task["error"] for task in ended.execution)


def test_a_retry_has_all_of_its_time(shell: Place) -> None:
    """rq/rq#1217: time was counted from the start of the first attempt."""
    ended = shell.run({"run": "sleep 0.8; exit 5", "timeout": "1500ms", "retry": {"limit": 1}})
    assert [task["error"] for task in ended.execution] == ["exit code 5"] * 2


def test_a_retry_begins_when_what_was_out_of_time_has_ended(shell: Place) -> None:
    """dust-tt/dust#4272: two attempts ran at the same time."""
    file = shell.folder / "attempt"
    once_more = f"if [ -e {file} ]; then kill -0 $(cat {file}) && exit 9; exit 0; fi"
    script = f"{once_more}; trap '' TERM; echo $$ > {file}; while :; do sleep 0.1; done"
    ended = shell.run({"run": script, "timeout": "800ms", "retry": {"limit": 1}})
    file.unlink()
    assert [task["state"] for task in ended.execution] == ["FAILED", "COMPLETED"], ended.log


def test_waiting_in_a_queue_takes_no_time_of_a_task(shell: Place) -> None:
    """Shippable/support#1738, tektoncd/pipeline#4078."""
    first = shell.submit({"run": "sleep 1.2", "queue": "one"})
    second = shell.submit({"run": "true", "queue": "one", "timeout": "1s"})
    assert [shell.ended(job_id).state for job_id in (first, second)] == ["COMPLETED"] * 2


@pytest.mark.parametrize("step", ["pre", "run", "post"])
def test_cancelling_reaches_every_step(place: Place, token: str, step: str) -> None:
    wait = f"echo begun; setsid sleep {token} & sleep {token}"
    task: dict[str, object] = {"run": "echo task"}
    task[step] = wait if step == "run" else beside(place, wait)
    job_id = place.submit(task)
    place.until_printed(job_id, "begun")
    place.cancel(job_id)
    assert place.ended(job_id).state == "CANCELLED"
    until_gone(token)


@pytest.mark.parametrize(
    "timeout", ["0s", "-1s", "5", "1 hour", "", "1h-30m", "abc", "1e3s", "99999999h"]
)
def test_a_time_out_that_is_none_is_refused_by_name(shell: Place, timeout: str) -> None:
    body = json.dumps({"tasks": [{"run": "x", "timeout": timeout}]}).encode()
    answer = shell.post(body, JSON)
    assert answer.status == 400, answer.text
    assert "$.tasks[0].timeout" in answer.error
    within = json.dumps({"tasks": [{"run": "x", "pre": [{"run": "x", "timeout": timeout}]}]})
    assert "$.tasks[0].pre[0].timeout" in shell.post(within.encode(), JSON).error


def test_steps_share_the_folder_under_the_shell(shell: Place) -> None:
    ended = shell.run(
        {
            "pre": [{"run": "echo from pre > file; mkdir d; chmod 0 d"}],
            "run": "cat file; echo from task >> file",
            "post": [{"run": "cat file"}],
        },
        "ls -A",
    )
    assert printed(ended.log) == ["from pre", "from pre", "from task"]


def test_volumes_are_refused_where_there_is_no_container(shell: Place) -> None:
    ended = shell.run({"run": "echo x", "volumes": ["/data"]})
    assert ended.state == "FAILED"
    assert "volumes" in ended.error
    assert "container" in ended.error


def test_steps_share_volumes_in_containers(docker: Place) -> None:
    """actions/runner#2411, #1885, go-vela/community#740: a user of the image may not write."""
    for name in (docker.image, image("user"), image("volume"), image("workdir")):
        ended = docker.run(
            {
                "image": name,
                "volumes": ["/data", "/deep/er/folder", "/work", "/with space", "/tmp"],
                "pre": beside(docker, "echo pre > /data/f; chmod 666 /data/f; ls -A /tmp /work"),
                "run": "cat /data/f; echo task >> /data/f && echo x > /data/own; echo x > /tmp/x",
                "post": beside(docker, "cat /data/f; ls '/with space' /deep/er/folder"),
            }
        )
        assert ended.state == "COMPLETED", (name, ended.error)
        assert [line for line in printed(ended.log) if ":" not in line and line] == [
            "pre", "pre", "task",
        ], (name, ended.log)  # fmt: skip


def test_a_script_may_use_a_volume_over_any_folder(docker: Place) -> None:
    ended = docker.run({"run": "touch /etc/x /root/x && echo fine", "volumes": ["/etc", "/root"]})
    assert (ended.state, ended.log) == ("COMPLETED", "fine\n"), ended.error


@pytest.mark.parametrize(
    "volume", ["", "data", "./data", "/", "/tork", "/tork/x", "/a/../b", "C:\\x", "/a\0"]
)
def test_a_volume_that_cannot_be_is_refused_by_name(docker: Place, volume: str) -> None:
    task = {"run": "true", "image": docker.image, "volumes": [volume]}
    answer = docker.post(json.dumps({"tasks": [task]}).encode(), JSON)
    if answer.status == 200:
        ended = docker.ended(answer.json["id"])
        assert (ended.state, "volume" in ended.error) == ("FAILED", True), ended.error
    else:
        assert "$.tasks[0].volumes[0]" in answer.error, answer.error


def test_a_step_in_an_image_without_a_shell_or_that_is_missing_is_named(docker: Place) -> None:
    for name in ("tork-test/shell-less:1", "tork-trouble/no-such:1"):
        ended = docker.run({"run": "echo task", "pre": [{"image": name, "run": "echo x"}]})
        assert ended.state == "FAILED"
        assert name in ended.error
        assert "pre task 1" in ended.error
        assert "task" not in printed(ended.log)
