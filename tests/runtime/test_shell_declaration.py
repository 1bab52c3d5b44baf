"""What the distribution declares: found by its entry point, and cheap to import."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tork_core.interfaces.environment import Environment
from tork_core.testing.runtime import CollectedLog


def test_the_entry_point_names_the_declaring_module() -> None:
    [found] = entry_points(group="tork", name="shell")
    assert found.value == "tork_shell.plugin"


def test_declaring_imports_neither_the_runtime_nor_asyncio() -> None:
    code = "import sys, tork_shell.plugin; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "tork_shell.settings" in loaded
    assert not loaded & {"tork_shell.runtime", "tork_shell.libc", "asyncio", "ctypes", "structlog"}


async def test_the_provider_opens_the_runtime(
    state: Path, tmp_path: Path, log: CollectedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tork_shell.plugin import tork_runtimes
    from tork_shell.settings import ShellSettings

    [provider] = tork_runtimes()
    assert (provider.name, provider.settings) == ("shell", ShellSettings)
    assert provider.honours == {"run", "cmd", "entrypoint", "env", "limits"}
    assert provider.ignores == {"image", "registry"}
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    async with provider.open(ShellSettings(), Environment()) as runtime:
        assert await runtime.health() is None
    assert [folder.name for folder in tmp_path.glob("tork-shell-*")]
