"""Tork for Python: a distributed job execution engine.

``tork_core.Engine`` runs jobs in a program of your own; ``tork`` is the command line.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tork_core._version import __version__

if TYPE_CHECKING:
    from tork_core.engine import Engine

__all__ = ["Engine", "__version__"]


def __getattr__(name: str) -> Any:
    """Import the engine when it is asked for: ``tork --version`` must not wait for it."""
    if name == "Engine":
        from tork_core.engine import Engine

        return Engine
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
