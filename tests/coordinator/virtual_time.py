"""Tests on a virtual clock: what waits for minutes takes no time."""

from __future__ import annotations

import functools
from collections.abc import Callable, Coroutine
from typing import Any, ParamSpec

from tests.simulation.virtual_loop import VirtualLoop

P = ParamSpec("P")


def virtual(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test on a virtual clock; an exception that nobody fetched fails it too."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        loop = VirtualLoop()
        loop.run(test(*args, **kwargs))
        assert loop.faults == []

    return run
