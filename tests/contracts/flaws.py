"""Declaring broken implementations, each with the promises that find its fault."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T", bound=type)


class Flaws:
    """The broken parts of one kind of service, in the order of their declaration."""

    def __init__(self) -> None:
        self.found: list[tuple[type, str]] = []

    def caught_by(self, *names: str) -> Callable[[T], T]:
        """Declare which promises a broken part fails."""

        def declare(part: T) -> T:
            self.found.extend((part, name) for name in names)
            return part

        return declare

    @property
    def names(self) -> set[str]:
        """The promises that find something."""
        return {name for _, name in self.found}

    @property
    def ids(self) -> list[str]:
        """What to call the cases."""
        return [f"{part.__name__}-{name}" for part, name in self.found]
