"""What the distribution declares: found by its entry point, and cheap to import."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

import pytest
from tork_docker.plugin import tork_runtimes
from tork_docker.settings import DockerSettings

from tests.docker.engine import TestEngine
from tork_core.interfaces.environment import Environment
from tork_core.model.spec import LimitsSpec


def test_the_entry_point_names_the_declaring_module() -> None:
    [found] = entry_points(group="tork", name="docker")
    assert found.value == "tork_docker.plugin"


def test_declaring_imports_neither_the_runtime_nor_a_client_library() -> None:
    code = "import sys, tork_docker.plugin; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = set(done.stdout.split())
    assert "tork_docker.settings" in loaded
    assert not loaded & {"tork_docker.runtime", "aiodocker", "aiohttp", "asyncio", "structlog"}


async def test_the_provider_opens_the_runtime(engine: TestEngine, settings: DockerSettings) -> None:
    [provider] = tork_runtimes()
    assert (provider.name, provider.settings) == ("docker", DockerSettings)
    assert provider.honours >= {"image", "run", "cmd", "entrypoint", "env", "limits", "registry"}
    async with provider.open(settings, Environment()) as runtime:
        assert await runtime.health() is None


@pytest.mark.parametrize(
    ("limits", "reason"),
    [
        (LimitsSpec(cpus="9999"), "Range of CPUs"),
        (LimitsSpec(memory="1m"), "Minimum memory limit"),
        (LimitsSpec(cpus=".001"), None),
        (LimitsSpec(cpus="1"), None),
        (LimitsSpec(memory="64m"), None),
    ],
)
def test_limits_that_the_engine_does_not_take_are_found_out_before_a_task_has_them(
    engine: TestEngine, settings: DockerSettings, limits: LimitsSpec, reason: str | None
) -> None:
    [provider] = tork_runtimes()
    assert provider.check_limits is not None
    found = provider.check_limits(settings, limits)
    assert found is None if reason is None else reason in (found or "")
