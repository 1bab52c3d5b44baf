"""Removing containers and volumes, whatever happens meanwhile."""

from __future__ import annotations

import asyncio

import structlog

from tork_docker.engine import Engine, EngineError, uncut

_log = structlog.get_logger(__name__)

RETRY = 5.0
"""Seconds after which it is tried again to remove what could not be."""


class Removals:
    """Removes containers and volumes; what an engine that is away left is tried again later."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._left: dict[str, str] = {}

    async def remove(self, name: str, kind: str = "containers") -> None:
        """Remove a container (or of ``volumes`` one); a cancellation is raised afterwards.

        Never raises for the engine.
        """
        await uncut(self._remove(name, kind))

    async def again(self) -> None:
        """Try once more what could not be removed; may be cancelled, and tried again."""
        for name, kind in list(self._left.items()):
            await self._remove(name, kind)

    async def keep_trying(self) -> None:
        """Try again now and then, until cancelled."""
        while True:
            await asyncio.sleep(RETRY)
            await self.again()

    @property
    def complete(self) -> bool:
        """Whether all was removed."""
        return not self._left

    async def _remove(self, name: str, kind: str) -> None:
        try:
            await self._engine.discard(kind, name)
            self._left.pop(name, None)
        except EngineError as error:
            self._left[name] = kind
            _log.warning("docker.left", kind=kind, name=name, error=error.message)
