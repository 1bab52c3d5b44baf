"""The shell runtime keeps the contract of runtimes."""

from __future__ import annotations

import pytest
import tork_shell.runtime
from tork_shell.runtime import ShellRuntime

from tork_core.testing.runtime import (
    CancelPromises,
    EndPromises,
    RuntimeContract,
    StartPromises,
)


class TestShellRuntime(RuntimeContract):
    @pytest.fixture
    async def runtime(self, shell: ShellRuntime) -> ShellRuntime:
        return shell


class TestShellRuntimeStartedFromATerminal(StartPromises, EndPromises, CancelPromises):
    """Then each task has a session of its own, which it is killed by no less."""

    @pytest.fixture(autouse=True)
    def terminal(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(tork_shell.runtime, "_has_terminal", lambda: True)

    @pytest.fixture
    async def runtime(self, terminal: None, shell: ShellRuntime) -> ShellRuntime:
        return shell

    async def test_a_task_is_the_leader_of_its_session(self, runtime: ShellRuntime) -> None:
        script = "test $(cut -d' ' -f6 /proc/$$/stat) = $$ && echo leader"
        assert await self.log_of(runtime, script) == b"leader\n"
