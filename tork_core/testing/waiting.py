"""Waiting in tests: for what must happen, with a deadline; for what must not, for a while."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

T = TypeVar("T")

STEP = 0.005


async def eventually(
    look: Callable[[], Awaitable[T]], wanted: Callable[[T], object], *, within: float
) -> T:
    """Look again and again until what is seen is what is wanted, and return it.

    Fails with what was seen last when that takes longer than ``within`` seconds.
    """
    loop = asyncio.get_running_loop()
    deadline = loop.time() + within
    while True:
        seen = await look()
        if wanted(seen):
            return seen
        if loop.time() > deadline:
            raise AssertionError(f"after {within:g} s there is still only {seen!r}")
        await asyncio.sleep(STEP)


async def soon(awaitable: Awaitable[T], *, within: float) -> T:
    """Return the result of what must come to its end; fail if it takes longer."""
    try:
        return await asyncio.wait_for(awaitable, within)
    except TimeoutError:
        raise AssertionError(f"nothing came within {within:g} s") from None
