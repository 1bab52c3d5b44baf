"""Long loops and the faults they outlive: supervision, retrying, backoff.

A loop that dies silently is the worst fault there is. Every long loop of a node runs under
:func:`supervise`; every call that a service's absence can fail goes through :func:`retrying` where
it must succeed in the end.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar, cast

import structlog

from tork_core.errors import Unavailable
from tork_core.interfaces.environment import Environment

T = TypeVar("T")

_log = structlog.get_logger()

LONGEST_WAIT = 5.0
"""Seconds between two tries at the most."""


class Backoff:
    """Waits that double from 50 ms up, each shortened at random by up to a half."""

    def __init__(self, environment: Environment, longest: float = LONGEST_WAIT) -> None:
        self._environment = environment
        self._longest = longest
        self._next = 0.05

    async def wait(self) -> None:
        """Wait, longer than the last time."""
        wait = self._next
        self._next = min(wait * 2, self._longest)
        await asyncio.sleep(wait * (0.5 + self._environment.random.random() / 2))

    def reset(self) -> None:
        """Begin with short waits again."""
        self._next = 0.05


def absence(error: BaseException) -> Unavailable | None:
    """The service's absence that an error is all about, also when task groups have wrapped it."""
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        found = [absence(inner) for inner in group.exceptions]
        return found[0] if all(found) else None
    return error if isinstance(error, Unavailable) else None


def _never() -> bool:
    return False


async def supervise(
    name: str,
    loop: Callable[[], Awaitable[None]],
    environment: Environment,
    over: Callable[[], bool] = _never,
) -> None:
    """Run a loop for ever: when it ends or raises, say so, wait, start it again.

    Only cancellation ends the supervision, or the end of the loop once ``over`` is true.
    """
    backoff = Backoff(environment)
    clock = asyncio.get_running_loop().time
    while True:
        started = clock()
        try:
            await loop()
            if over():
                return
            _log.warning("loop.ended", loop=name)
        except Exception as error:  # noqa: BLE001 -- whatever it was, the loop must go on
            if (away := absence(error)) is not None:
                _log.warning("loop.interrupted", loop=name, error=str(away))
            else:
                _log.exception("loop.failed", loop=name)
        if clock() - started > LONGEST_WAIT:
            backoff.reset()
        await backoff.wait()


async def retrying(what: str, call: Callable[[], Awaitable[T]], environment: Environment) -> T:
    """Call until no service is away; returns what the call returns."""
    backoff = Backoff(environment)
    while True:
        try:
            return await call()
        except Unavailable as error:
            _log.warning("retrying", what=what, error=str(error))
        await backoff.wait()
