"""What the distribution declares: found by its entry point, and cheap to import."""

from __future__ import annotations

import subprocess
import sys
from importlib.metadata import entry_points

from tork_docker.plugin import tork_runtimes
from tork_docker.settings import DockerSettings

from tests.docker.engine import TestEngine
from tork_core.interfaces.environment import Environment


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
