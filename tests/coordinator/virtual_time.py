"""Tests on a virtual clock: what waits for minutes takes no time.

The event loop is the simulator's, loaded by its path.
"""

from __future__ import annotations

import functools
import importlib.util
import sys
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, ParamSpec

P = ParamSpec("P")

_PATH = Path(__file__).parents[1] / "simulation" / "virtual_loop.py"


def _load() -> Any:
    name = "tork_tests_virtual_loop"
    if name not in sys.modules:
        spec = importlib.util.spec_from_file_location(name, _PATH)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        spec.loader.exec_module(module)
    return sys.modules[name]


def virtual(test: Callable[P, Coroutine[Any, Any, None]]) -> Callable[P, None]:
    """Run a test on a virtual clock; an exception that nobody fetched fails it too."""

    @functools.wraps(test)
    def run(*args: P.args, **kwargs: P.kwargs) -> None:
        loop = _load().VirtualLoop()
        loop.run(test(*args, **kwargs))
        assert loop.faults == []

    return run
