"""What the API answers: the bytes as they came, and what they say."""

from __future__ import annotations

from functools import cached_property
from typing import Any, Generic, TypeVar

import msgspec

from tork_core.errors import TorkError

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
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise TorkError(
            f"the server's answer cannot be read: {error}; is it another version, or no Tork?"
        ) from None
