"""A place to run jobs in, as a user has it: a real server with one runtime, its API, its log."""

from __future__ import annotations

import contextlib
import gzip
import json
import os
import re
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tork_core.testing._runtime_base import processes_with

TORK = [sys.executable, "-m", "tork_core.cli.main"]
JSON = "application/json"
YAML = "text/yaml"

_PATIENCE = 60.0
_ENDED = ("COMPLETED", "FAILED", "CANCELLED")

Fields = Mapping[str, Any]


@dataclass(frozen=True)
class Ended:
    """A job that has ended, and all that it printed."""

    job: dict[str, Any]
    log: str

    @property
    def state(self) -> str:
        return self.job["state"]

    @property
    def error(self) -> str:
        """What the job says of its failure, nothing if it completed."""
        return self.job.get("error", "")

    @property
    def execution(self) -> list[dict[str, Any]]:
        return self.job.get("execution", [])

    @property
    def result(self) -> str:
        return self.job.get("result", "")


@dataclass(frozen=True)
class Answer:
    """What the server answered to a request."""

    status: int
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)

    @property
    def error(self) -> str:
        return self.json["error"]


class Place:
    """A server whose worker has one runtime, ``shell`` or ``docker``."""

    def __init__(self, name: str, url: str, folder: Path, image: str | None) -> None:
        self.name = name
        self.url = url
        self.folder = folder
        self.image = image

    @property
    def server_log(self) -> str:
        """What the server has logged about itself."""
        return (self.folder / "server.log").read_text()

    def call(
        self, method: str, path: str, body: bytes | None = None, headers: Fields | None = None
    ) -> Answer:
        """Send a request."""
        request = urllib.request.Request(
            self.url + path, method=method, data=body, headers=dict(headers or {})
        )
        try:
            with urllib.request.urlopen(request, timeout=_PATIENCE) as response:
                return Answer(response.status, response.read().decode())
        except urllib.error.HTTPError as error:
            return Answer(error.code, error.read().decode())

    def get(self, path: str) -> Any:
        """Return what a path shows."""
        answer = self.call("GET", path)
        assert answer.status == 200, answer.text
        return answer.json

    def post(self, body: bytes, kind: str = YAML, **headers: str) -> Answer:
        """Submit what may be a job."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        return self.call("POST", "/jobs", body, {"Content-Type": kind, **given})

    def task(self, task: str | Fields) -> dict[str, Any]:
        """Return a task, in the place's image if it names none."""
        fields = {"run": task} if isinstance(task, str) else dict(task)
        return {"image": self.image, **fields} if self.image else fields

    def submit(self, *tasks: str | Fields, **job: Any) -> str:
        """Submit a job of these tasks and return its id."""
        whole = {**job, "tasks": [self.task(task) for task in tasks]}
        answer = self.post(json.dumps(whole).encode(), JSON)
        assert answer.status == 200, answer.text
        return answer.json["id"]

    def run(self, *tasks: str | Fields, **job: Any) -> Ended:
        """Run a job of these tasks to its end."""
        return self.ended(self.submit(*tasks, **job))

    def run_yaml(self, text: str | bytes) -> Ended:
        """Run a job that is written in YAML to its end."""
        answer = self.post(text.encode() if isinstance(text, str) else text)
        assert answer.status == 200, answer.text
        return self.ended(answer.json["id"])

    def ended(self, job_id: str) -> Ended:
        """Wait for the end of a job."""
        job = self.until(job_id, lambda job: job["state"] in _ENDED)
        return Ended(job, self.log(job_id))

    def until(self, job_id: str, wanted: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Wait until a job is as wanted."""
        deadline = time.monotonic() + _PATIENCE
        while not wanted(job := self.get(f"/jobs/{job_id}")):
            assert time.monotonic() < deadline, job
            time.sleep(0.01)
        return job

    def until_printed(self, job_id: str, text: str) -> None:
        """Wait until a text stands in a job's log."""
        deadline = time.monotonic() + _PATIENCE
        while text not in self.log(job_id):
            assert time.monotonic() < deadline, self.get(f"/jobs/{job_id}")
            time.sleep(0.02)

    def log(self, job_id: str) -> str:
        """Return all that a job has printed."""
        parts: list[str] = []
        page = pages = 1
        while page <= pages:
            found = self.get(f"/jobs/{job_id}/log?size=100&page={page}")
            parts += [part["contents"] for part in found["items"]]
            page, pages = page + 1, found["totalPages"]
        return "".join(reversed(parts))

    def cancel(self, job_id: str) -> None:
        """Cancel a job."""
        answer = self.call("PUT", f"/jobs/{job_id}/cancel")
        assert answer.status == 200, answer.text

    def stream(self, job_id: str) -> str:
        """Return all that a follower of a job is sent."""
        request = urllib.request.Request(
            f"{self.url}/jobs/{job_id}/events", headers={"Accept": "text/event-stream"}
        )
        with urllib.request.urlopen(request, timeout=_PATIENCE) as response:
            return response.read().decode()

    def tork(self, *words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
        """Run a command of ``tork`` against the server."""
        return subprocess.run(
            [*TORK, *words],
            input=stdin,
            capture_output=True,
            text=True,
            cwd=self.folder,
            env=_environ(self.folder, TORK_SERVER=self.url),
            timeout=_PATIENCE,
            check=False,
        )


def compressed(body: bytes) -> bytes:
    """Return a body as ``Content-Encoding: gzip`` has it."""
    return gzip.compress(body)


@contextlib.contextmanager
def opened(name: str, folder: Path, image: str | None, *settings: str) -> Generator[Place]:
    """Start a server; at its end there is nothing left of its own."""
    temp, state = folder / "temp", folder / "state"
    temp.mkdir()
    words = ["run", "standalone", "--runtime", name, "--address", "localhost:0"]
    words += ["--queue", "default:4", "--queue", "one:1", "--temp-dir", str(temp)]
    # Many of these tasks take all of their grace; that it is 5 s by default is tested elsewhere.
    words += ["--worker-stop-grace", "1500ms"]
    words += [f"--{name}-state", str(state), "--log-level", "debug", *settings]
    with (folder / "server.log").open("w") as log:
        process = subprocess.Popen(
            [*TORK, *words],
            cwd=folder,
            env=_environ(folder, PYTHONUNBUFFERED="1"),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        )
    try:
        assert process.stdout is not None
        line = process.stdout.readline()
        found = re.search(r"http://\S+?(?=;)", line)
        assert found, line + (folder / "server.log").read_text()
        yield Place(name, found[0], folder, image)
        process.send_signal(signal.SIGTERM)
        assert process.wait(_PATIENCE) == 0
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
    left = [str(path) for place in (temp, state) for path in place.rglob("*") if path.is_file()]
    assert left == [], "files were left"
    assert "Traceback" not in (folder / "server.log").read_text()


def _environ(home: Path, **more: str) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TORK_")}
    return {**kept, "HOME": str(home), **more}


def until_gone(token: str) -> None:
    """Wait until no process lives that has a text in its command line or variables."""
    deadline = time.monotonic() + 20
    while processes_with(token):
        assert time.monotonic() < deadline, "it runs on"
        time.sleep(0.05)
