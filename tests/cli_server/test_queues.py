"""``tork queues``, and jobs on queues that nobody serves, against a real server."""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli_server.conftest import TORK, Tork, environ, free_port, start, stop

Submit = Callable[[str], str]
ODD = ["a b", "x:y", "a/b", "..", "日本", "é" * 127]


class Running:
    """A command beside the test, and what it has written."""

    def __init__(self, process: subprocess.Popen[str], folder: Path) -> None:
        self.process = process
        self._folder = folder

    def text(self, name: str) -> str:
        return (self._folder / name).read_text()

    def until(self, name: str, words: str, within: float = 20) -> str:
        """Wait until a stream holds these words."""
        deadline = time.monotonic() + within
        while words not in self.text(name):
            assert time.monotonic() < deadline, (self.text("out"), self.text("err"))
            time.sleep(0.02)
        return self.text(name)


@pytest.fixture
def beside(tmp_path: Path, server: str) -> Iterator[Callable[..., Running]]:
    """Returns a function that runs a command beside the test."""
    running: list[subprocess.Popen[str]] = []

    def run(*arguments: str) -> Running:
        with (tmp_path / "out").open("w") as out, (tmp_path / "err").open("w") as err:
            process = subprocess.Popen(
                [*TORK, *arguments],
                cwd=tmp_path,
                env=environ(tmp_path, TORK_SERVER=server),
                stdout=out,
                stderr=err,
                text=True,
            )
        running.append(process)
        return Running(process, tmp_path)

    yield run
    for process in running:
        process.kill()
        process.wait()


def test_queues_are_listed_with_their_figures(tork: Tork) -> None:
    done = tork("queues")
    assert done.returncode == 0, done.stderr
    rows = {line.split()[0]: line.split()[1:] for line in done.stdout.splitlines()}
    assert rows["QUEUE"] == ["SIZE", "SUBSCRIBERS", "UNACKED"]
    assert {"jobs", "pending", "started", "completed", "error", "heartbeat"} <= set(rows)
    assert rows["default"][1] == "4"
    assert any(name.startswith("x-") for name in rows)
    found = json.loads(tork("queues", "--json").stdout)
    assert set(rows) - {"QUEUE"} == {queue["name"] for queue in found}


def test_what_passes_is_shown_as_it_passes(
    beside: Callable[..., Running], submit: Submit, tork: Tork
) -> None:
    names = ["jobs", "pending", "default", "started", "completed"]
    watch = beside("queues", "watch", *names)
    watch.until("err", "watching jobs, pending, default, started, completed")
    job_id = submit("tasks: [{name: a, env: {A: visible-value}, run: 'true'}]")
    watch.until("out", f"job       COMPLETED   job {job_id}\n")
    lines = [" ".join(line.split()[1:]) for line in watch.text("out").splitlines()]
    beginnings = [
        f"jobs job PENDING job {job_id}",
        f"jobs job SCHEDULED job {job_id}",
        f"pending task PENDING job {job_id} task ",
        f"default task SCHEDULED job {job_id} task ",
        f"started claim job {job_id} task ",
        f"jobs job RUNNING job {job_id}",
        f"completed report COMPLETED job {job_id} task ",
        f"jobs job COMPLETED job {job_id}",
    ]
    for line, beginning in zip(lines, beginnings, strict=True):
        assert line.startswith(beginning)
    assert "visible-value" not in watch.text("out")


def test_messages_come_as_json_and_end_after_a_count(
    beside: Callable[..., Running], submit: Submit
) -> None:
    watch = beside("queues", "watch", "jobs", "--json", "-n", "4")
    watch.until("err", "watching jobs")
    job_id = submit("tasks: [{run: 'true'}]")
    assert watch.process.wait(20) == 0
    lines = [json.loads(line) for line in watch.text("out").splitlines()]
    assert [line["state"] for line in lines] == ["PENDING", "SCHEDULED", "RUNNING", "COMPLETED"]
    assert {line["jobId"] for line in lines} == {job_id}


def test_the_heartbeats_pass_under_the_name_that_the_seed_gives_them(
    beside: Callable[..., Running],
) -> None:
    watch = beside("queues", "watch", "hearbeat", "-n", "1")
    assert watch.process.wait(20) == 0
    assert "heartbeat UP" in " ".join(watch.text("out").split())


def test_a_queue_that_is_not_there_yet_is_told_of(beside: Callable[..., Running]) -> None:
    watch = beside("queues", "watch", "nobody-yet")
    watch.until("err", "there is no queue nobody-yet yet")


def test_the_queue_of_a_worker_that_is_not_there_is_an_error(tork: Tork) -> None:
    done = tork("queues", "watch", "x-nobody")
    assert (done.returncode, done.stdout) == (1, "")
    assert 'there is no queue "x-nobody"' in done.stderr


@pytest.mark.parametrize("name", ODD)
def test_a_task_waits_in_a_queue_with_an_odd_name_until_it_is_deleted(
    tork: Tork, submit: Submit, name: str
) -> None:
    job_id = submit(json.dumps({"tasks": [{"run": "true", "queue": name}]}))
    for command in ("get", "why"):
        assert f"no worker serves queue {name}: " in tork(command, job_id).stdout
    assert f"{name} " in tork("queues").stdout
    assert tork("cancel", job_id).returncode == 0
    assert tork("queues", "delete", name).stdout == f"queue {name} is deleted\n"
    assert tork("queues", "delete", name).returncode == 1


def test_a_queue_of_the_engine_is_not_deleted(tork: Tork) -> None:
    done = tork("queues", "delete", "jobs")
    assert (done.returncode, done.stdout) == (1, "")
    assert "queue of the engine itself" in done.stderr


@pytest.mark.parametrize("flag", ["--wait", "--follow"])
def test_who_waits_for_a_job_is_told_that_nobody_serves_its_queue(
    beside: Callable[..., Running], tork: Tork, tmp_path: Path, flag: str
) -> None:
    job: dict[str, Any] = {"tasks": [{"run": "true"}, {"run": "true", "queue": "nobody here"}]}
    (tmp_path / "job.json").write_text(json.dumps(job))
    waiting = beside("submit", "job.json", flag)
    text = waiting.until("out" if flag == "--follow" else "err", "no worker serves")
    assert "no worker serves queue nobody here: " in text
    assert "--queue 'nobody here:1'" in text
    [running] = [
        item
        for item in json.loads(tork("list", "--json").stdout)["items"]
        if item["state"] == "RUNNING"
    ]
    assert tork("cancel", running["id"]).returncode == 0
    assert waiting.process.wait(20) == 1


def test_a_server_serves_queues_with_odd_names(tmp_path: Path) -> None:
    port = free_port()
    served = [flag for name in ODD for flag in ("--queue", f"{name}:1")]
    process = start(tmp_path, port, "run", "standalone", "--runtime", "shell", *served)
    job = {"tasks": [{"run": f"echo {n}", "queue": name} for n, name in enumerate(ODD)]}
    done = subprocess.run(
        [*TORK, "submit", "-", "--follow", "--server", f"http://localhost:{port}"],
        input=json.dumps(job),
        cwd=tmp_path,
        env=environ(tmp_path),
        capture_output=True,
        text=True,
        timeout=30,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no worker serves" not in done.stdout
    assert stop(process) == 0
