"""Whether the engine would hold tasks to limits at all."""

from __future__ import annotations

import asyncio

from tork_core.model.spec import LimitsSpec
from tork_docker.endings import is_about_limits
from tork_docker.engine import EngineError, open_engine
from tork_docker.plan import limits_of
from tork_docker.settings import DockerSettings


def why_not(settings: DockerSettings, limits: LimitsSpec) -> str | None:
    """Return why the engine takes no task with these limits, None if it does.

    Raises Unavailable if no engine answers.
    """
    return asyncio.run(_why_not(settings.host, limits))


async def _why_not(host: str, limits: LimitsSpec) -> str | None:
    async with open_engine(host) as engine:
        try:
            # It looks at limits before it sees that there is nothing to run: none is ever made.
            await engine.create("", {"Image": "", "HostConfig": limits_of(limits)})
        except EngineError as error:
            return error.message if is_about_limits(error) else None
    return None
