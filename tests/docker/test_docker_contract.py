"""The Docker runtime keeps the contract of runtimes, against a real engine."""

from __future__ import annotations

import pytest
from tork_docker.runtime import DockerRuntime

from tests.docker.engine import IMAGE
from tork_core.model.spec import TaskSpec
from tork_core.testing.runtime import RuntimeContract


class TestDockerRuntime(RuntimeContract):
    patience = 90.0
    honours = RuntimeContract.honours | {"limits"}
    names_signals = False
    ambient = frozenset({"HOSTNAME"})

    @pytest.fixture
    async def runtime(self, docker: DockerRuntime) -> DockerRuntime:
        return docker

    def task(self, script: str) -> TaskSpec:
        return TaskSpec(image=IMAGE, run=script)

    def words(self, *, entrypoint: list[str] | None = None, cmd: list[str]) -> TaskSpec:
        return TaskSpec(image=IMAGE, entrypoint=entrypoint, cmd=cmd)
