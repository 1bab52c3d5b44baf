"""What the tests of runtimes share: an open shell runtime, and running one task."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from pathlib import Path

import pytest
from tork_shell.runtime import ShellRuntime, open_shell
from tork_shell.settings import ShellSettings

from tork_core.model.spec import TaskSpec
from tork_core.testing.runtime import CollectedLog, make_execution

Run = Callable[..., Awaitable[str]]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
async def shell(state: Path) -> AsyncGenerator[ShellRuntime]:
    async with open_shell(ShellSettings(state=str(state))) as runtime:
        yield runtime


@pytest.fixture
def log() -> CollectedLog:
    return CollectedLog()


@pytest.fixture
def run(tmp_path: Path, log: CollectedLog) -> Run:
    """Run a task in a runtime, and return its output; what it prints goes to ``log``."""

    async def run(
        runtime: ShellRuntime, task: TaskSpec | str, env: Mapping[str, str] | None = None
    ) -> str:
        spec = TaskSpec(run=task) if isinstance(task, str) else task
        async with runtime.prepare(make_execution(spec, tmp_path, log=log, env=env)) as start:
            return await start()

    return run
