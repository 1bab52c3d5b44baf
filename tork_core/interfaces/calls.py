"""The one call of the function that a runtime gives for a prepared task."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable


class Call:
    """For runtimes: makes sure that what they run is over when they clean up.

    Give :meth:`run` to the worker, and await :meth:`leave` when the context of ``prepare`` is left.
    """

    def __init__(self, work: Callable[[], Awaitable[str]]) -> None:
        """``work`` runs the task; cancelled, it stops it."""
        self._work = work
        self._runner: asyncio.Task[object] | None = None
        self._over = asyncio.Event()

    async def run(self) -> str:
        """Do the work; to be called once at most."""
        self._runner = asyncio.current_task()
        try:
            return await self._work()
        finally:
            self._runner = None
            self._over.set()

    async def leave(self) -> None:
        """Stop a call that still runs, in a task that its owner let go of, and wait for its end.

        Cancelling the wait cancels the call once more, which then kills without any grace.
        """
        cancelled = None
        while self._runner is not None:
            self._runner.cancel()
            try:
                await self._over.wait()
            except asyncio.CancelledError as error:
                cancelled = error
        if cancelled is not None:
            raise cancelled
