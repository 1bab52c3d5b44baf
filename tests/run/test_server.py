"""The real ``tork run``, ended by real signals."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

TORK = [sys.executable, "-m", "tork_core.cli.main"]
YAML = {"Content-Type": "text/yaml"}


class Server:
    """A running ``tork run standalone`` and where it listens."""

    def __init__(self, process: subprocess.Popen[str], url: str, line: str, log: Path) -> None:
        self.process = process
        self.url = url
        self.line = line
        self.log = log

    def call(self, method: str, path: str, body: str | None = None) -> Any:
        """Send a request and return what the answer says; raises HTTPError for an error."""
        request = urllib.request.Request(
            self.url + path, method=method, data=body.encode() if body else None, headers=YAML
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def submit(self, job: str) -> str:
        """Submit a job and return its id."""
        return self.call("POST", "/jobs", job)["id"]

    def until(self, job_id: str, state: str) -> Any:
        """Wait for a job to be in a state, and for its task to be RUNNING where that is it."""
        deadline = time.monotonic() + 15
        while True:
            job = self.call("GET", f"/jobs/{job_id}")
            if job["state"] == state:
                return job
            assert time.monotonic() < deadline, job
            time.sleep(0.02)

    def end(self, *signals: int, within: float = 20, pause: float = 0.3) -> int:
        """Send signals, one after the other, and return the exit status."""
        for number in signals:
            self.process.send_signal(number)
            time.sleep(pause)
        return self.process.wait(within)


Start = Callable[..., Server]


def _environ(home: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TORK_")}
    return {**kept, "HOME": str(home), "PYTHONUNBUFFERED": "1"}


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Start]:
    """Returns a function that starts ``tork run standalone``."""
    servers: list[Server] = []

    def begin(*arguments: str, **environ: str) -> Server:
        log = tmp_path / f"server-{len(servers)}.log"
        with log.open("w") as errors:
            process = subprocess.Popen(
                [*TORK, "run", "standalone", "--runtime", "shell", "--address", "localhost:0",
                 *arguments],
                cwd=tmp_path, env={**_environ(tmp_path), **environ}, stdout=subprocess.PIPE,
                stderr=errors, text=True,
            )  # fmt: skip
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+?(?=;)", line)
        assert found, line + log.read_text()
        servers.append(Server(process, found[0], line, log))
        return servers[-1]

    yield begin
    for server in servers:
        if server.process.poll() is None:
            server.process.kill()
            server.process.wait()
        assert "Traceback" not in server.log.read_text()


def _refused(tmp_path: Path, *arguments: str, **environ: str) -> tuple[int, str]:
    done = subprocess.run(
        [*TORK, "run", *arguments], cwd=tmp_path, env={**_environ(tmp_path), **environ},
        capture_output=True, text=True, timeout=20,
    )  # fmt: skip
    assert done.stdout == ""
    return done.returncode, done.stderr


def _alive(mark: str) -> bool:
    return mark in subprocess.run(["ps", "axww"], capture_output=True, text=True).stdout


def test_it_says_where_it_listens_and_what_it_serves(start: Start) -> None:
    server = start("--queue", "default:3", "--queue", "heavy:1")
    for word in ("standalone", "http://localhost:", "default:3", "heavy:1", "shell", "inmemory"):
        assert word in server.line
    assert server.call("GET", "/health")["status"] == "UP"
    queues = {queue["name"]: queue for queue in server.call("GET", "/queues")}
    assert (queues["default"]["subscribers"], queues["heavy"]["subscribers"]) == (3, 1)
    assert server.end(signal.SIGTERM) == 0
    assert '"http.request"' in server.log.read_text()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_signal_lets_running_tasks_finish_while_the_api_answers(
    start: Start, tmp_path: Path, number: int
) -> None:
    server = start()
    done = tmp_path / "done"
    job = server.submit(f"tasks: [{{run: 'sleep 2; touch {done}'}}]")
    server.until(job, "RUNNING")
    server.process.send_signal(number)
    time.sleep(0.5)
    assert server.call("GET", f"/jobs/{job}")["state"] == "RUNNING"
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.submit("tasks: [{run: 'true'}]")
    assert refused.value.code == 503
    assert server.process.wait(15) == 0
    assert done.exists()


def test_what_outlasts_the_grace_period_is_stopped_and_handed_back(start: Start) -> None:
    server = start("--worker-grace", "0.5")
    mark = f"61{os.getpid()}"
    job = server.submit(f"tasks: [{{run: 'sleep {mark}'}}]")
    server.until(job, "RUNNING")
    began = time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    assert server.process.wait(15) == 0
    assert 0.4 < time.monotonic() - began < 5
    assert not _alive(mark)


def test_a_second_signal_kills_at_once_what_would_not_end(start: Start) -> None:
    server = start("--worker-grace", "60", "--worker-stop-grace", "15")
    mark = f"62{os.getpid()}"
    job = server.submit(f"""tasks: [{{run: "trap '' TERM; sleep {mark}"}}]""")
    server.until(job, "RUNNING")
    assert server.end(signal.SIGTERM, signal.SIGTERM, within=10) == 128 + signal.SIGTERM
    assert not _alive(mark)


def test_followers_do_not_hold_up_the_end(start: Start) -> None:
    server = start("--worker-grace", "0.2")
    job = server.submit("tasks: [{run: sleep 60}]")
    server.until(job, "RUNNING")
    request = urllib.request.Request(
        f"{server.url}/jobs/{job}/events", headers={"Accept": "text/event-stream"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert b"event" in response.readline()
        began = time.monotonic()
        assert server.end(signal.SIGINT) == 0
        assert time.monotonic() - began < 8
        response.read()


def test_a_port_that_is_taken_is_one_line(start: Start, tmp_path: Path) -> None:
    port = start().url.rpartition(":")[2]
    address = f"localhost:{port}"
    status, shown = _refused(tmp_path, "standalone", "--runtime", "shell", "--address", address)
    assert (status, len(shown.splitlines())) == (1, 1)
    assert address in shown
    assert "in use" in shown


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["standalone", "--runtime", "shell", "--address", "0.0.0.0:3000"], "TORK_API_KEY"),
        (["standalone", "--runtime", "shell", "--address", "[::]:3000"], "TORK_API_KEY"),
        (["standalone", "--runtime", "shell", "--address", "localhost"], '"localhost"'),
        (["standalone", "--runtime", "shell", "--address", "localhost:x"], '"localhost:x"'),
        (["standalone", "--runtime", "shell", "--address", ":3000"], '":3000"'),
        (["standalone", "--runtime", "shell", "--address", "localhost:99999"], "99999"),
        (["standalone", "--runtime", "shell", "--address", "no.such.host.invalid:1"], "no.such"),
        (["standalone", "--runtime", "shell", "--address", "192.0.2.1:1"], "192.0.2.1"),
        (["standalone", "--runtime", "shelf"], "shelf"),
        (["standalone", "--runtime", "shell", "--broker", "carrier-pigeon"], "carrier-pigeon"),
        (["standalone", "--runtime", "shell", "--datastore", "paper"], "paper"),
        (["standalone", "--runtime", "shell", "--queue", "default"], "default"),
        (["standalone", "--runtime", "shell", "--queue", "completed:1"], "completed"),
        (["worker", "--runtime", "shell"], "inmemory"),
        (["coordinator"], "inmemory"),
        (["coordinator", "--queue", "x:1"], "--queue"),
        (["everything"], "everything"),
    ],
)
def test_what_cannot_be_started_is_status_2_in_a_few_lines(
    tmp_path: Path, arguments: list[str], word: str
) -> None:
    status, shown = _refused(tmp_path, *arguments)
    assert (status, len(shown.splitlines()) <= 15) == (2, True), shown
    assert word in shown


def test_an_open_address_is_served_to_who_has_the_key(start: Start) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = start("--address", f"0.0.0.0:{port}", TORK_API_KEY="sesame-sesame")
    server.url = f"http://127.0.0.1:{port}"
    assert server.call("GET", "/health")["status"] == "UP"
    with pytest.raises(urllib.error.HTTPError) as refused:
        server.call("GET", "/jobs")
    assert refused.value.code == 401
    request = urllib.request.Request(
        f"{server.url}/jobs", headers={"Authorization": "Bearer sesame-sesame"}
    )
    with urllib.request.urlopen(request, timeout=10) as response:
        assert response.status == 200
    assert server.end(signal.SIGTERM) == 0
    assert "sesame-sesame" not in server.log.read_text()


def test_nothing_that_was_accepted_is_lost_in_a_burst(start: Start) -> None:
    server = start("--queue", "default:4")
    ids = [server.submit("tasks: [{run: ':'}]") for _ in range(100)]
    for job_id in ids:
        server.until(job_id, "COMPLETED")
    assert server.end(signal.SIGTERM) == 0
