"""The time of observers: one that hangs must not hold up others, or the loop that tells them."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Generic, TypeVar

import structlog

from tork_core.interfaces.middleware import Offered

E = TypeVar("E")

_log = structlog.get_logger()

CALL_LIMIT = 10.0
"""Seconds that one call of an observer may take; it is cancelled then, which is logged."""

HANGS = 3
"""After so many calls in a row that took too long an observer gets :data:`BRIEF` for each."""

BRIEF = 0.1
"""Seconds for a call of an observer that hangs, so that it holds up the others little."""

TRIAL = 30.0
"""Seconds after which an observer that hangs gets the whole limit for a call again."""


class Limited:
    """What is offered, with a limit of time on each call of an observer."""

    def __init__(self, offered: Offered) -> None:
        self.job_middleware = [
            item if item.observe is None else replace(item, observe=_Limit(item.name, item.observe))
            for item in offered.job_middleware
        ]
        self.task_middleware = [
            item if item.observe is None else replace(item, observe=_Limit(item.name, item.observe))
            for item in offered.task_middleware
        ]
        self.node_middleware = [
            replace(item, observe=_Limit(item.name, item.observe))
            for item in offered.node_middleware
        ]
        self.log_middleware = offered.log_middleware


class _Limit(Generic[E]):
    """Calls an observer, and goes on without it when it takes too long."""

    def __init__(self, name: str, observe: Callable[[E], Awaitable[None]]) -> None:
        self._name = name
        self._observe = observe
        self._hangs = 0
        self._trial = 0.0

    async def __call__(self, event: E) -> None:
        clock = asyncio.get_running_loop().time
        limit = BRIEF if self._hangs >= HANGS and clock() < self._trial else CALL_LIMIT
        if limit == CALL_LIMIT:
            self._trial = clock() + CALL_LIMIT + TRIAL
        timeout = asyncio.timeout(limit)
        try:
            async with timeout:
                await self._observe(event)
        except TimeoutError:
            if not timeout.expired():
                raise
            self._hangs += 1
            _log.warning("middleware.hangs", middleware=self._name, seconds=limit)
        else:
            self._hangs = 0
