"""Values that do not show themselves."""

from __future__ import annotations

from typing import Any, Generic, TypeVar, cast

T = TypeVar("T")

HIDDEN = "********"
"""What is shown in the place of a secret setting."""


class Secret(Generic[T]):
    """A value that does not show itself: not in a log, an error, or ``tork config show``.

    ``reveal()`` gives the value to whoever has to use it.
    """

    __slots__ = ("_value",)

    def __init__(self, value: T) -> None:
        self._value = value

    def reveal(self) -> T:
        """Return the value itself."""
        return self._value

    def __repr__(self) -> str:
        return f"Secret({HIDDEN!r})"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Secret):
            return NotImplemented
        return bool(self._value == cast("Secret[Any]", other).reveal())

    def __hash__(self) -> int:
        return hash((Secret, self._value))
