"""How much a job file may hold, counted while it is read and before anything is built from it.

A file of one mebibyte can stand for terabytes (aliases of aliases) or for a stack that
overflows (a million brackets), so both readers count against one budget.
"""

from __future__ import annotations

from collections.abc import Callable

from tork_core.errors import InvalidJob
from tork_core.model.problems import Path
from tork_core.model.source import Source

MAX_DEPTH = 64
"""The deepest nesting of lists and mappings; a composite task in another one takes up to four."""

MAX_NODES = 100_000
"""The most keys, values, lists and mappings, those that aliases stand for counted each time."""

MAX_ALIASES = 1_000
"""The most aliases (``*name``) of a YAML file."""


class Budget:
    """Counts what a file holds and refuses it, with the place, when it is too much.

    The path is asked for only when it is needed: it costs more than the counting.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._nodes = 0
        self._aliases = 0

    def spend(self, nodes: int, *, depth: int, offset: int, path: Callable[[], Path]) -> None:
        """Count ``nodes`` that stand at ``offset``, the deepest of them at ``depth``."""
        self._nodes += nodes
        if self._nodes > MAX_NODES:
            raise self._exceeded(f"more than {MAX_NODES:,} values", offset, path)
        if depth > MAX_DEPTH:
            raise self._exceeded(f"nested more than {MAX_DEPTH} deep", offset, path)

    def spend_alias(self, *, offset: int, path: Callable[[], Path]) -> None:
        """Count one alias."""
        self._aliases += 1
        if self._aliases > MAX_ALIASES:
            raise self._exceeded(f"more than {MAX_ALIASES:,} aliases", offset, path)

    def _exceeded(self, what: str, offset: int, path: Callable[[], Path]) -> InvalidJob:
        # The path of the depth cap is as deep as the cap itself: its beginning says enough.
        return self._source.invalid(f"the job is too big: {what}", offset=offset, path=path()[:6])
