"""The job files of the seed's documentation, submitted to a server as the documentation has it.

A server is started by the documentation's own line, with ``tork`` for ``go run cmd/main.go``. What
is true under every runtime is checked here, and the runtime's own in the tests beside it.
"""

from __future__ import annotations

import json
import re
import subprocess
import time
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.cli_server.conftest import TORK, environ

JOBS = Path(__file__).parents[1] / "model" / "seed"
PATIENCE = 60.0


def as_job(source: str) -> str:
    """Put a task that the documentation shows alone into a job."""
    return "tasks:\n- " + source.replace("\n", "\n  ")


@dataclass
class Server:
    """A running server, and how a client of the documentation talks to it."""

    url: str
    home: Path

    def call(self, method: str, path: str, body: str = "", kind: str = "") -> tuple[int, Any]:
        """Make a request; returns the status and the answer."""
        request = urllib.request.Request(
            f"{self.url}{path}", body.encode() or None, {"Content-Type": kind} if kind else {}
        )
        request.method = method
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                return response.status, json.load(response)
        except urllib.error.HTTPError as error:
            return error.code, json.load(error)

    def submit(self, body: str, kind: str = "text/yaml") -> dict[str, Any]:
        """Submit a job as the documentation does, and return the answer to it."""
        status, job = self.call("POST", "/job", body, kind)
        assert (status, job.get("state")) == (200, "PENDING"), job
        assert re.fullmatch("[0-9a-f]{32}", job["id"])
        return job

    def file(self, name: str, *, alone: bool = False) -> dict[str, Any]:
        """Submit a file of the documentation; one that holds a task ``alone`` within a job."""
        source = (JOBS / name).read_text()
        return self.submit(as_job(source) if alone else source)

    def job(self, job: dict[str, Any]) -> dict[str, Any]:
        return self.call("GET", f"/job/{job['id']}")[1]

    def ended(self, job: dict[str, Any]) -> dict[str, Any]:
        """Ask for a job until it has ended."""
        return self.until(job, "COMPLETED", "FAILED", "CANCELLED")

    def until(self, job: dict[str, Any], *states: str) -> dict[str, Any]:
        """Ask for a job until it is in one of these states."""
        deadline = time.monotonic() + PATIENCE
        while (found := self.job(job))["state"] not in states:
            assert time.monotonic() < deadline, found
            time.sleep(0.05)
        return found

    def log(self, job: dict[str, Any]) -> str:
        """All that a job has printed."""
        parts = self.call("GET", f"/jobs/{job['id']}/log?size=100")[1]["items"]
        return "".join(part["contents"] for part in reversed(parts))

    def tork(self, *words: str) -> str:
        """What a command against the server prints."""
        done = subprocess.run(
            [*TORK, *words, "--server", self.url],
            capture_output=True,
            text=True,
            env=environ(self.home),
            timeout=60,
            check=True,
        )
        return done.stdout


def walk(server: Server) -> None:
    """Go through the documentation, section by section."""
    hello_world(server)
    queues(server)
    environment_variables(server)
    secrets(server)
    outputs(server)
    expressions(server)
    rest_api(server)


def completed(server: Server, name: str, printed: str, *, alone: bool = False) -> dict[str, Any]:
    """Run a file of the documentation to its end, and see what it has printed."""
    job = server.ended(server.file(name, alone=alone))
    assert (job["state"], job.get("error")) == ("COMPLETED", None)
    assert re.search(printed, server.log(job)), server.log(job)
    return job


def hello_world(server: Server) -> None:
    job = completed(server, "hello.yaml", r"hello world[\s\S]*bye world")
    assert job["name"] == "hello job"
    assert [(task["name"], task["state"]) for task in job["execution"]] == [
        ("say hello", "COMPLETED"),
        ("say goodbye", "COMPLETED"),
    ]


def queues(server: Server) -> None:
    """A task for a pool that nobody has started waits, and a cancel ends it."""
    job = server.until(server.file("queue.yaml", alone=True), "SCHEDULED")
    assert [(task["queue"], task["state"]) for task in job["execution"]] == [
        ("transcoding", "SCHEDULED")
    ]
    assert "no worker serves queue transcoding" in server.tork("get", job["id"])
    assert server.call("PUT", f"/job/{job['id']}/cancel") == (200, {"status": "OK"})
    job = server.ended(job)
    assert (job["state"], job["execution"][0]["state"]) == ("CANCELLED", "CANCELLED")
    for queue in ("jobs", "pending", "started", "completed", "error", "heartbeat", "x-1"):
        status, answer = server.call(
            "POST", "/job", f"tasks: [{{run: 'true', queue: {queue}}}]", "text/yaml"
        )
        assert (status, "$.tasks[0].queue" in answer["error"]) == (400, True), answer


def environment_variables(server: Server) -> None:
    completed(server, "env.yaml", "hello world\nbye world\n", alone=True)


def secrets(server: Server) -> None:
    names = {"MY_SECRET": "s3cr3t-one", "DB_PASSWORD": "s3cr3t-two", "AN_ACCESS_KEY": "s3cr3t-3"}
    task = {
        "image": "ubuntu:mantic",
        "env": names,
        "run": 'echo "<$MY_SECRET$DB_PASSWORD$AN_ACCESS_KEY>"; [ ${#MY_SECRET} -eq 10 ]',
    }
    job = server.ended(server.submit(json.dumps({"tasks": [task]}), "application/json"))
    assert job["state"] == "COMPLETED"
    seen = json.dumps(job) + server.log(job) + server.tork("get", job["id"])
    assert "s3cr3t" not in seen
    assert "<[REDACTED][REDACTED][REDACTED]>" in seen


def limits(server: Server) -> None:
    """It sleeps for ten seconds, which nobody has to wait for."""
    job = server.until(server.file("limits.yaml", alone=True), "RUNNING", "FAILED")
    assert job["state"] == "RUNNING", job["error"]
    assert job["tasks"][0]["limits"] == {"cpus": ".5", "memory": "10m"}
    assert server.call("PUT", f"/job/{job['id']}/cancel")[0] == 200
    assert server.ended(job)["state"] == "CANCELLED"


def outputs(server: Server) -> None:
    job = completed(server, "outputs.yaml", "hello world")
    assert job["context"]["tasks"] == {"task1": "world"}
    assert job["execution"][0]["result"] == "world"


def expressions(server: Server) -> None:
    completed(server, "conditional.yaml", "this should not execute")
    source = (JOBS / "conditional.yaml").read_text().replace('run: "true"', 'run: "false"')
    job = server.ended(server.submit(source))
    assert (job["state"], job["execution"][0]["state"]) == ("COMPLETED", "SKIPPED")
    assert server.log(job) == ""
    completed(server, "context.yaml", "hello world")
    completed(server, "random.yaml", r"a random number: \d+\n")
    status, answer = server.call("POST", "/job", (JOBS / "length.yaml").read_text(), "text/yaml")
    assert (status, answer["error"][:17]) == (400, "line 5, column 23")


def rest_api(server: Server) -> None:
    job = server.submit((JOBS / "curl.json").read_text(), "application/json")
    assert job["name"] == "sample job"
    assert job["tasks"] == [
        {"name": "sample task", "image": "ubuntu:mantic", "run": "echo hello world"}
    ]
    assert server.ended(job)["state"] == "COMPLETED"
    assert server.call("PUT", f"/job/{job['id']}/cancel") == (
        400,
        {"error": "job is not running"},
    )
    source = "tasks: [{image: 'ubuntu:mantic', run: exit 3, retry: {limit: 2}}]"
    failed = server.ended(server.submit(source))
    assert failed["state"] == "FAILED"
    assert [task["state"] for task in failed["execution"]] == ["FAILED"] * 3
    source = "tasks: [{image: 'ubuntu:mantic', run: sleep 60, timeout: 300ms}]"
    late = server.ended(server.submit(source))
    assert (late["state"], late["error"]) == ("FAILED", "timed out after 300ms")
