"""The page about running a server: its commands start one, and reach it."""

from __future__ import annotations

import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.cli_server.conftest import free_port
from tests.docs.blocks import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "run-a-server.md"
BLOCKS = [block.text for block in blocks(PAGE) if block.tested_by and block.language == "sh"]
START, SUBMIT, OPEN = BLOCKS
PRINTED = next(block.text for block in blocks(PAGE) if block.language == "text")


def _environ(home: Path) -> dict[str, str]:
    """A user's, with ``tork`` at hand and tasks that need no containers."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TORK_")}
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    more = {"TORK_RUNTIME_TYPE": "shell", "TORK_WORKER_QUEUES": "default:2"}
    return {**kept, **more, "PATH": path, "HOME": str(home), "PYTHONUNBUFFERED": "1"}


def _refusal(command: Sequence[str], home: Path) -> str:
    """Run a command that must not start a server, and return what it says."""
    refused = subprocess.run(
        command, cwd=home, env=_environ(home), capture_output=True, text=True, timeout=30
    )
    assert refused.returncode == 2
    return refused.stderr


@contextmanager
def _started(command: str, home: Path) -> Iterator[str]:
    """Start a server as the page says, and give its first line."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec env {command}"],
        cwd=home,
        env=_environ(home),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline()
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=30)
        assert process.returncode == 0, log
    finally:
        process.kill()
        process.communicate()


def test_a_server_starts_and_takes_a_job_as_the_page_says(tmp_path: Path) -> None:
    port = free_port()
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    with _started(f"{START.strip()} --address localhost:{port}", tmp_path) as line:
        shown = PRINTED.replace(":3000", f":{port}").replace("runtime docker", "runtime shell")
        assert line == shown
        done = subprocess.run(
            ["bash", "-ec", SUBMIT.replace(":3000", f":{port}")],
            cwd=tmp_path,
            env=_environ(tmp_path),
            capture_output=True,
            text=True,
            timeout=30,
        )
    assert (done.returncode, done.stderr) == (0, "")
    assert '"name": "hello job"' in done.stdout


def test_a_server_for_others_starts_with_a_key_alone(tmp_path: Path) -> None:
    port = free_port()
    make_key, _, command = OPEN.replace(":3000", f":{port}").strip().partition("\n")
    subprocess.run(["bash", "-ec", make_key], cwd=tmp_path, check=True)
    file = tmp_path / "tork.key"
    assert file.stat().st_mode & 0o077 == 0
    with _started(command, tmp_path) as line:
        assert f":{port}" in line
        assert _status(port, "") == "401"
        assert _status(port, f"Authorization: Bearer {file.read_text().strip()}\r\n") == "200"
    keyless = command[command.index("tork run") :]
    assert "TORK_API_KEY" in _refusal(shlex.split(keyless.replace("\\\n", "")), tmp_path)


def _status(port: int, headers: str) -> str:
    """How the server answers a request under the name that the page allows."""
    request = f"GET /jobs HTTP/1.1\r\nHost: tork.example\r\n{headers}Connection: close\r\n\r\n"
    with socket.create_connection(("127.0.0.1", port), 10) as client:
        client.sendall(request.encode())
        return client.recv(100).decode().split()[1]


@pytest.mark.parametrize("mode", ["coordinator", "worker"])
def test_modes_of_several_machines_refuse_the_broker_in_memory(mode: str, tmp_path: Path) -> None:
    assert "inmemory" in _refusal(["tork", "run", mode], tmp_path)
