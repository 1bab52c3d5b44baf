"""Engines with the shell runtime in folders of their own."""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from tork_shell.settings import ShellSettings

from tork_core import Engine
from tork_core.settings import Settings
from tork_core.settings.core import RuntimeChoice, WorkerSettings
from tork_core.testing._runtime_base import kill_processes_with, processes_with

MakeEngine = Callable[..., Engine]


@pytest.fixture
def make_engine(tmp_path: Path) -> MakeEngine:
    """Returns a function that makes an engine; worker settings are its keywords."""
    (tmp_path / "scratch").mkdir()

    def make(*settings: Settings, **worker: object) -> Engine:
        given: dict[str, object] = {
            "queues": {"default": 8},
            "temp_dir": str(tmp_path / "scratch"),
            "stop_grace": 1.0,
        }
        return Engine(
            RuntimeChoice(type="shell"),
            ShellSettings(state=str(tmp_path / "state")),
            WorkerSettings(**(given | worker)),  # type: ignore[arg-type]
            *settings,
        )

    return make


@pytest.fixture
def token() -> Iterator[str]:
    """A text that marks a test's processes; all of them have to be gone at its end."""
    token = f"tork-test-{secrets.token_hex(8)}"
    yield token
    left = processes_with(token)
    kill_processes_with(token)
    assert left == [], "processes were left"
