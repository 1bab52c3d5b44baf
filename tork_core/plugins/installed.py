"""Which plugins are installed: the entry points of the group ``tork``.

This is our own loop over distributions. pluggy's skips a second entry point of the same name
without a word, and stops at the first that fails.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from tork_core._version import __version__
from tork_core.hookspecs import PROJECT

BUILT_IN = {"redaction": "tork_core.middleware.redaction"}
"""The core's own plugins, by name: they implement the same hooks as any other."""


@dataclass(frozen=True)
class EntryPoint:
    """One plugin that is installed, not imported yet: the name and module of an entry point.

    ``module`` is empty where the distribution's list of entry points could not be read.
    """

    distribution: str
    version: str
    name: str
    module: str

    def answers_to(self, names: frozenset[str]) -> bool:
        """Whether the names that a user wrote mean this plugin: its own, or its distribution's."""
        return not names.isdisjoint({self.name.lower(), _normal(self.distribution)})


def find() -> Iterator[EntryPoint]:
    """Yield the plugins that are installed: the core's own, then by distribution and name."""
    for name, module in BUILT_IN.items():
        yield EntryPoint("tork-core", __version__, name, module)
    yield from sorted(set(_external()), key=lambda found: (found.distribution, found.name))


def _external() -> Iterator[EntryPoint]:
    # Imported here: it takes longer than all else in this package, and is not always needed.
    import importlib.metadata

    seen: set[str] = set()
    for distribution in importlib.metadata.distributions():
        # Before its name is asked for, which means to parse all of its metadata.
        text = distribution.read_text("entry_points.txt") or ""
        if f"[{PROJECT}]" not in text:
            continue
        name = distribution.metadata["Name"] or "?"
        if _normal(name) in seen:
            continue  # An older copy, later on the path: Python imports the first one.
        seen.add(_normal(name))
        version = distribution.metadata["Version"] or "?"
        try:
            points = list(distribution.entry_points)
        except (TypeError, ValueError):
            yield EntryPoint(name, version, "?", "")
            continue
        for point in points:
            if point.group == PROJECT:
                yield EntryPoint(name, version, point.name, point.value)


def disabled(text: str) -> frozenset[str]:
    """Return the names in ``TORK_PLUGINS_DISABLED``: of plugins or distributions, with commas."""
    words = [word.strip() for word in text.split(",") if word.strip()]
    return frozenset({word.lower() for word in words} | {_normal(word) for word in words})


def _normal(name: str) -> str:
    """Return a distribution's name as package indexes compare it (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower()
