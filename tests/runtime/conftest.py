"""What the tests of runtimes share: an open shell runtime, and running one task."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Awaitable, Callable, Generator, Mapping
from pathlib import Path

import pytest
from tork_shell.cgroups import why_not
from tork_shell.delegation import LEAF
from tork_shell.hierarchy import find
from tork_shell.runtime import ShellRuntime, open_shell
from tork_shell.settings import ShellSettings

from tork_core.model.spec import LimitsSpec, TaskSpec
from tork_core.testing.runtime import CollectedLog, make_execution

Run = Callable[..., Awaitable[str]]


def skip_without_cgroups() -> None:
    """Skip a test that needs a host which can hold tasks to limits."""
    reason = why_not(LimitsSpec(cpus="1", memory="1g"))
    if reason is not None:
        pytest.skip(reason)


@pytest.fixture
def cgroups() -> Generator[None]:
    """Cgroups can be made here, and after the test there are none that it made."""
    skip_without_cgroups()
    yield
    assert not groups()


def groups() -> list[Path]:
    """Return the cgroups of tasks that there are on this host, below our own."""
    places = {_base(find(controller).folder) for controller in ("cpu", "memory")}
    return [folder for place in places for folder in place.glob("tork-shell-*")]


def _base(folder: Path) -> Path:
    return folder.parent if folder.name == LEAF else folder


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
