"""The garbage collector of a process that runs an engine."""

from __future__ import annotations

import gc

YOUNG = 50_000
"""New objects between two collections; Python's own 700 looks at all jobs in memory so often that
it takes a third of an engine's time."""


def relax() -> None:
    """Collect less often, and leave out what was loaded by now, which stays to the end.

    A program that embeds an engine decides for itself, and may call this.
    """
    gc.freeze()
    gc.set_threshold(YOUNG, 20, 50)
