"""``tork run standalone`` on a SQLite file, to be killed and started again in one folder."""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Sequence
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")

PROGRAM = [sys.executable, "-m", "tork_core.cli.main"]
WITHIN = 60.0
"""Seconds in which what must happen has to."""

AWAY = (OSError, http.client.HTTPException)
"""What a call raises while no server is there, or when it is killed in the midst of an answer."""


class Standalone:
    """One server after the other on one port, one database, and one set of folders."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.folder = folder
        self.port = _free_port()
        self.starts = 0
        self.process: subprocess.Popen[bytes] | None = None
        for name in ("scratch", "home"):
            (folder / name).mkdir(exist_ok=True)
        self._arguments = [
            *("--datastore", "sqlite", "--sqlite-path", str(folder / "tork.db")),
            *("--runtime", "shell", "--shell-state", str(folder / "state")),
            *("--temp-dir", str(folder / "scratch"), "--address", f"localhost:{self.port}"),
            *arguments,
        ]

    @property
    def log(self) -> str:
        """All that the servers have logged."""
        return (self.folder / "log").read_text()

    def begin(self) -> None:
        """Start a server, without waiting for it."""
        kept = {key: value for key, value in os.environ.items() if not key.startswith("TORK_")}
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [*PROGRAM, "run", "standalone", *self._arguments],
                cwd=self.folder,
                env={**kept, "HOME": str(self.folder / "home")},
                stdout=log,
                stderr=log,
            )
        self.starts += 1

    def start(self) -> None:
        """Start a server, and wait until it answers."""
        self.begin()
        self.ready()

    def ready(self) -> None:
        """Wait until the server answers."""

        def answers() -> bool:
            assert self.process is not None
            assert self.process.poll() is None, self.log[-3000:]
            with contextlib.suppress(*AWAY):
                return self.call("GET", "/health")["status"] == "UP"
            return False

        until(answers)

    def kill(self) -> None:
        """End the server as the kernel would that is short of memory."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(WITHIN)

    def stop(self) -> int:
        """End the server in good order; returns its exit status."""
        assert self.process is not None
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(WITHIN)

    def call(self, method: str, path: str, body: str | None = None, key: str | None = None) -> Any:
        """Send a request and return what a good answer says; raises one of AWAY, or Refused."""
        headers = {"Content-Type": "text/yaml"} | ({"Idempotency-Key": key} if key else {})
        connection = http.client.HTTPConnection("localhost", self.port, timeout=WITHIN)
        try:
            connection.request(method, path, body.encode() if body else None, headers)
            answer = connection.getresponse()
            text = answer.read()
        finally:
            connection.close()
        if answer.status != 200:
            raise Refused(answer.status, text.decode())
        return json.loads(text)

    def left_behind(self) -> Sequence[str]:
        """Folders of tasks, and records of processes, that are there."""
        folders = [*(self.folder / "scratch").iterdir(), *(self.folder / "state").iterdir()]
        return sorted(path.name for path in folders)


class Refused(Exception):
    """An answer other than 200."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(f"{status}: {text}")


@contextlib.contextmanager
def standalone(folder: Path, *arguments: str) -> Generator[Standalone]:
    """Give a program that is not started yet; in the end none is left, nor a fault in its log."""
    program = Standalone(folder, *arguments)
    try:
        yield program
    finally:
        if program.process is not None and program.process.poll() is None:
            program.kill()
    assert "Traceback" not in program.log


def until(look: Callable[[], T], within: float = WITHIN) -> T:
    """Wait until a look finds something, and return it."""
    deadline = time.monotonic() + within
    while not (found := look()):
        assert time.monotonic() < deadline, "it has not come about"
        time.sleep(0.02)
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
