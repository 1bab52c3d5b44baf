"""Pulling images: when one is missing, once at a time for each, with progress in the logs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import cast

from tork_core.errors import TaskFailed
from tork_core.interfaces.runtime import LogSink
from tork_core.model.spec import RegistrySpec
from tork_docker.engine import Engine, EngineError, Json

_EVERY = 5.0
"""Seconds between two lines of progress."""
_HUB = "https://index.docker.io/v1/"
_DONE = ("Pull complete", "Already exists")
_MIB = 2**20


class Pulls:
    """The pulls of one runtime that are under way."""

    def __init__(self, engine: Engine, limit: float) -> None:
        """A pull takes ``limit`` seconds at most."""
        self._engine = engine
        self._limit = limit
        self._running: dict[tuple[str, RegistrySpec | None], _Pull] = {}

    async def pull(self, image: str, registry: RegistrySpec | None, log: LogSink) -> None:
        """Pull an image, or join a pull of it that is under way. Raises TaskFailed.

        It goes on as long as one task waits for it.
        """
        key = (image, registry)
        pull = self._running.get(key)
        if pull is None:
            progress = _Progress()
            work = asyncio.create_task(self._carry_out(image, registry, progress))
            pull = self._running[key] = _Pull(image, work, progress)
        pull.waiting += 1
        try:
            await pull.watch(log)
        finally:
            pull.waiting -= 1
            if pull.waiting == 0:
                # Nobody may join it any more, also not one that is being cancelled.
                del self._running[key]
                pull.work.cancel()
                await asyncio.wait([pull.work])

    async def _carry_out(
        self, image: str, registry: RegistrySpec | None, progress: _Progress
    ) -> None:
        auth = None if registry is None else _auth(image, registry)
        try:
            async with asyncio.timeout(self._limit):
                async for report in self._engine.pull(image, auth):
                    progress.note(report)
        except TimeoutError:
            raise TaskFailed(
                f'image "{image}": it could not be pulled within {self._limit:g} s '
                "(--docker-pull-timeout)"
            ) from None
        except EngineError as error:
            raise TaskFailed(
                f'image "{image}" is not on the host and cannot be pulled: {error.message}'
            ) from error


@dataclass
class _Pull:
    image: str
    work: asyncio.Task[None]
    progress: _Progress
    waiting: int = 0

    async def watch(self, log: LogSink) -> None:
        """Wait for its end, and tell a task's log how far it is. Raises what it raised."""
        await log.warn(f"pulling image {self.image}")
        while not (await asyncio.wait([self.work], timeout=_EVERY))[0]:
            await log.warn(f"pulling image {self.image}: {self.progress.text()}")
        self.work.result()
        await log.warn(f"pulled image {self.image}")


@dataclass
class _Progress:
    """What the engine said of an image's layers."""

    layers: dict[str, bool] = field(default_factory=dict[str, bool])
    sizes: dict[str, tuple[int, int]] = field(default_factory=dict[str, tuple[int, int]])

    def note(self, report: Json) -> None:
        """Take in one report of the engine's."""
        layer, status = report.get("id"), str(report.get("status", ""))
        if not layer or status.startswith("Pulling from"):
            return
        self.layers[layer] = status in _DONE
        detail = cast(Json, report.get("progressDetail") or {})
        if status == "Downloading" and detail.get("total"):
            self.sizes[layer] = int(detail.get("current", 0)), int(detail["total"])
        elif layer in self.sizes:
            self.sizes[layer] = self.sizes[layer][1], self.sizes[layer][1]

    def text(self) -> str:
        """Say how far it is."""
        done = sum(self.layers.values())
        loaded, total = (sum(size[i] for size in self.sizes.values()) / _MIB for i in (0, 1))
        return f"{done} of {len(self.layers)} layers, {loaded:.1f} of {total:.1f} MiB loaded"


def _auth(image: str, registry: RegistrySpec) -> Json:
    host, slash, _ = image.partition("/")
    named = slash and ("." in host or ":" in host or host == "localhost")
    return {
        "username": registry.username,
        "password": registry.password,
        "serveraddress": host if named else _HUB,
    }
