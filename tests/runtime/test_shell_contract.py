"""The shell runtime keeps the contract of runtimes."""

from __future__ import annotations

import pytest
import tork_shell.runtime
from tork_shell.runtime import ShellRuntime

from tests.runtime.conftest import skip_without_cgroups
from tork_core.model.spec import LimitsSpec, TaskSpec
from tork_core.testing.runtime import (
    CancelPromises,
    EndPromises,
    LogPromises,
    OutputPromises,
    ProcessPromises,
    RuntimeContract,
    StartPromises,
)

LIMITS = LimitsSpec(cpus="64", memory="16g")


class TestShellRuntime(RuntimeContract):
    honours = RuntimeContract.honours | {"limits"}

    @pytest.fixture
    async def runtime(self, shell: ShellRuntime) -> ShellRuntime:
        return shell

    def limited(
        self, script: str, *, cpus: str | None = None, memory: str | None = None
    ) -> TaskSpec:
        skip_without_cgroups()
        return super().limited(script, cpus=cpus, memory=memory)


class TestShellRuntimeWithLimits(
    StartPromises, OutputPromises, LogPromises, ProcessPromises, EndPromises, CancelPromises
):
    """A task in a cgroup is the same in everything else."""

    @pytest.fixture
    async def runtime(self, cgroups: None, shell: ShellRuntime) -> ShellRuntime:
        return shell

    def task(self, script: str) -> TaskSpec:
        return TaskSpec(run=script, limits=LIMITS)

    def words(self, *, entrypoint: list[str] | None = None, cmd: list[str]) -> TaskSpec:
        return TaskSpec(entrypoint=entrypoint, cmd=cmd, limits=LIMITS)


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
