"""An event loop with a virtual clock, on which one process plays all nodes of a cluster.

Time stands still while callbacks run and jumps to the next timer when none is left. A node's
callbacks carry the node in their context; while a node is paused its callbacks are held back, as
those of a process under SIGSTOP are. Tasks hash by a counter, so that sets of them (which
``TaskGroup`` walks) have one order in every process.
"""

from __future__ import annotations

import asyncio
import heapq
import itertools
from collections import deque
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar
from typing import Any, Protocol


class Pausable(Protocol):
    """A node, as the loop sees it."""

    paused_until: float


NODE: ContextVar[Pausable | None] = ContextVar("node", default=None)


class Stalled(Exception):
    """Nothing is left to do, and the main task has not ended."""


class CountedTask(asyncio.Task[Any]):
    """A task with a hash that does not depend on its address."""

    _numbers = itertools.count()

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        self._number = next(CountedTask._numbers)
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number

    def __eq__(self, other: object) -> bool:
        return self is other


class VirtualLoop(asyncio.BaseEventLoop):
    """Runs callbacks in the order in which they became due, and never waits."""

    def __init__(self, start: float = 0.0) -> None:
        super().__init__()
        self._now = start
        self._turn: deque[asyncio.Handle] = deque()
        self._timers: list[tuple[float, int, asyncio.Handle]] = []
        self._sequence = itertools.count()
        self.faults: list[dict[str, Any]] = []
        self.set_task_factory(self._make_task)
        self.set_exception_handler(lambda _, context: self.faults.append(context))

    def time(self) -> float:
        return self._now

    def call_soon(
        self, callback: Callable[..., object], *args: Any, context: Context | None = None
    ) -> asyncio.Handle:
        handle = asyncio.Handle(callback, args, self, context)
        self._turn.append(handle)
        return handle

    call_soon_threadsafe = call_soon

    def call_at(
        self,
        when: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        handle = asyncio.TimerHandle(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._sequence), handle))
        return handle

    def call_later(
        self,
        delay: float,
        callback: Callable[..., object],
        *args: Any,
        context: Context | None = None,
    ) -> asyncio.TimerHandle:
        return self.call_at(self._now + delay, callback, *args, context=context)

    def _timer_handle_cancelled(self, handle: asyncio.TimerHandle) -> None:
        """A cancelled timer is dropped when its time comes."""

    def _make_task(
        self, loop: asyncio.AbstractEventLoop, coroutine: Coroutine[Any, Any, Any], **kwargs: Any
    ) -> CountedTask:
        return CountedTask(coroutine, loop=loop, **kwargs)

    def run(self, main: Coroutine[Any, Any, Any]) -> Any:
        """Run a coroutine to its end and return its result; raises Stalled if it never ends."""
        CountedTask._numbers = itertools.count()
        asyncio.events._set_running_loop(self)
        try:
            task = self.create_task(main)
            while not task.done():
                self._step()
            return task.result()
        finally:
            asyncio.events._set_running_loop(None)

    def _step(self) -> None:
        """Run what is due; if nothing is, jump to the next timer."""
        while self._timers and self._timers[0][0] <= self._now:
            self._turn.append(heapq.heappop(self._timers)[2])
        if not self._turn:
            if not self._timers:
                raise Stalled
            self._now = self._timers[0][0]
            return
        turn, self._turn = self._turn, deque()
        for handle in turn:
            if handle._cancelled:
                continue
            node = handle._context.get(NODE)
            if node is not None and node.paused_until > self._now:
                entry = (node.paused_until, next(self._sequence), handle)
                heapq.heappush(self._timers, entry)
            else:
                handle._run()
