"""What the distribution offers. Imports no more than a declaration needs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from tork_core.hookspecs import hookimpl
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.provider import RuntimeProvider
from tork_core.interfaces.runtime import Runtime
from tork_core.model.spec import LimitsSpec
from tork_docker.settings import DockerSettings


@asynccontextmanager
async def _open(settings: DockerSettings, environment: Environment) -> AsyncGenerator[Runtime]:
    from tork_docker.runtime import open_docker

    async with open_docker(settings, environment) as runtime:
        yield runtime


def _check_limits(settings: DockerSettings, limits: LimitsSpec) -> str | None:
    from tork_docker.limits import why_not

    return why_not(settings, limits)


@hookimpl
def tork_runtimes() -> Iterable[RuntimeProvider]:
    """Offer the runtime ``docker``."""
    return [
        RuntimeProvider(
            name="docker",
            help="Runs each task in a container of its own.",
            settings=DockerSettings,
            open=_open,
            honours=frozenset(
                {"image", "run", "cmd", "entrypoint", "env", "limits", "registry", "volumes"}
            ),
            check_limits=_check_limits,
        )
    ]
