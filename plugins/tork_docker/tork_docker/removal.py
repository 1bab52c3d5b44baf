"""Removing containers, whatever happens meanwhile."""

from __future__ import annotations

import structlog

from tork_docker.engine import Engine, EngineError, uncut

_log = structlog.get_logger(__name__)


class Removals:
    """Removes containers; what an engine that is away did not remove is tried again later."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._left: set[str] = set()

    async def remove(self, name: str) -> None:
        """Remove a container; a cancellation is raised afterwards. Never raises for the engine."""
        await uncut(self._remove(name))

    async def again(self) -> None:
        """Try once more what could not be removed; may be cancelled, and tried again."""
        for name in list(self._left):
            await self._remove(name)

    @property
    def complete(self) -> bool:
        """Whether all was removed."""
        return not self._left

    async def _remove(self, name: str) -> None:
        try:
            await self._engine.remove(name)
            self._left.discard(name)
        except EngineError as error:
            self._left.add(name)
            _log.warning("docker.container_left", container=name, error=error.message)
