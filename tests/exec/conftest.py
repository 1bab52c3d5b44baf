"""A program to run jobs with, and nothing of theirs left behind."""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.exec.exec_program import Exec
from tork_core.testing._runtime_base import kill_processes_with, processes_with


@pytest.fixture
def token() -> str:
    """A text that marks a test's processes."""
    return f"tork-test-{secrets.token_hex(8)}"


@pytest.fixture
def tork_exec(tmp_path: Path, token: str) -> Iterator[Exec]:
    """Runs ``tork exec``; no process of a task may be left at the end."""
    (tmp_path / "scratch").mkdir()
    program = Exec(tmp_path, token)
    yield program
    for running in program.started:
        if running.process.poll() is None:
            running.process.kill()
            running.process.wait()
    left = processes_with(token)
    kill_processes_with(token)
    assert left == [], "processes were left"
