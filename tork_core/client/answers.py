"""What the API answers: the bytes as they came, and what is read from them.

Structs hold no more than is shown, so that a newer server's further fields do no harm.
"""

from __future__ import annotations

from datetime import datetime
from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec

from tork_core.errors import TorkError
from tork_core.model.states import JobState

T = TypeVar("T")


class Answer(Generic[T]):
    """One answer: ``raw`` is the JSON as the API wrote it, ``value`` what it says."""

    def __init__(self, raw: bytes, type: Any) -> None:
        self.raw = raw
        self._type = type

    @cached_property
    def value(self) -> T:
        """Decode it; raises TorkError if this version cannot read it."""
        return decode(self.raw, self._type)


def decode(raw: bytes | str, type: Any) -> Any:
    """Return what JSON of the API says; raises TorkError if this version cannot read it."""
    try:
        return msgspec.json.decode(raw, type=type)
    except msgspec.DecodeError as error:
        raise TorkError(
            f"the server's answer cannot be read: {error}; is it another version, or no Tork?"
        ) from None


class Read(msgspec.Struct, frozen=True, rename="camel", kw_only=True):
    """The common shape of what is read here."""


class ListedJob(Read, frozen=True, kw_only=True):
    """A job as a page shows it."""

    id: str
    state: JobState
    created_at: datetime
    name: str | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    failed_at: datetime | None = None
    cancelled_at: datetime | None = None
    position: int = 0
    task_count: int = 0
    progress: float = 0.0

    @property
    def ended_at(self) -> datetime | None:
        """When it ended, if it has."""
        return self.completed_at or self.failed_at or self.cancelled_at


class ListedPart(Read, frozen=True, kw_only=True):
    """A part of a task's log as a page shows it."""

    task_id: str
    number: int
    contents: str
    attempt: int = 0


class Page(Read, Generic[T], frozen=True, kw_only=True):
    """One page, numbered from 1."""

    items: list[T]
    number: int
    total_pages: int
    total_items: int


class Queue(Read, frozen=True, kw_only=True):
    """A queue of the broker, and how many consumers it has."""

    name: str
    consumers: int = 0


class Accepted(Read, frozen=True, kw_only=True):
    """A job that was just submitted."""

    id: str
    name: str | None = None
