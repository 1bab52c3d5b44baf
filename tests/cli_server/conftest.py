"""A real server, ``tork run standalone`` with the shell runtime, and ``tork`` beside it."""

from __future__ import annotations

import io
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tork_core.cli.main import main

TORK = [sys.executable, "-m", "tork_core.cli.main"]
Tork = Callable[..., subprocess.CompletedProcess[str]]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def environ(home: Path, **more: str) -> dict[str, str]:
    """The environment of a user without settings."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TORK_")}
    return {**kept, "HOME": str(home), **more}


def start(home: Path, port: int, *arguments: str, **more: str) -> subprocess.Popen[bytes]:
    """Start a server and wait until it answers."""
    with (home / "server.log").open("ab") as log:
        process = subprocess.Popen(
            [*TORK, *arguments, "--address", f"localhost:{port}"],
            cwd=home,
            env=environ(home, **more),
            stdout=log,
            stderr=log,
        )
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://localhost:{port}/health", timeout=5)
        except OSError:
            time.sleep(0.05)
        else:
            return process
    process.kill()
    raise AssertionError((home / "server.log").read_text())


def stop(process: subprocess.Popen[bytes]) -> int:
    """End a server as a user would, and return its status."""
    process.send_signal(signal.SIGTERM)
    try:
        return process.wait(30)
    except subprocess.TimeoutExpired:
        process.kill()
        raise


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a server that all tests share; its worker runs four tasks at once."""
    port = free_port()
    home = tmp_path_factory.mktemp("server")
    process = start(home, port, "run", "standalone", "--runtime", "shell", "--queue", "default:4")
    yield f"http://localhost:{port}"
    assert stop(process) == 0


@pytest.fixture
def tork(
    tmp_path: Path,
    server: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> Tork:
    """Returns a function that runs a command against the server, in an empty folder.

    It runs in this process, which is quicker than a start of Python for each of many commands.
    """
    monkeypatch.chdir(tmp_path)
    for name in set(os.environ) - set(environ(tmp_path)):
        monkeypatch.delenv(name)

    def run(*arguments: str, text: str = "", **more: str) -> subprocess.CompletedProcess[str]:
        with monkeypatch.context() as patch:
            for name, value in {"HOME": str(tmp_path), "TORK_SERVER": server, **more}.items():
                patch.setenv(name, value)
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(text.encode())))
            status = main(list(arguments))
        shown = capsys.readouterr()
        return subprocess.CompletedProcess(arguments, status, shown.out, shown.err)

    return run


@pytest.fixture
def submit(tork: Tork) -> Callable[[str], str]:
    """Returns a function that submits a job and returns its id."""

    def submit(job: str) -> str:
        done = tork("submit", "-", text=job)
        assert done.returncode == 0, done.stderr
        assert re.fullmatch("[0-9a-f]{32}\n", done.stdout)
        return done.stdout.strip()

    return submit
