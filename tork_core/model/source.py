"""The text of a job file: decoded, not too big, and able to say where a character stands."""

from __future__ import annotations

import codecs
import re

from tork_core.errors import InvalidJob
from tork_core.model.problems import Path, path_text

MAX_BYTES = 1024 * 1024
"""The largest job, in bytes of UTF-8."""

_NEAR = 100
_BREAK = re.compile(r"\r\n|\r|\n")


class Source:
    """The text of a job.

    ``text`` has no byte order mark; offsets are characters of it, from 0. Raises InvalidJob for
    what is too big or no UTF-8.
    """

    def __init__(self, data: bytes | str) -> None:
        encoded = data if isinstance(data, bytes) else _encode(data)
        if len(encoded) > MAX_BYTES:
            raise InvalidJob(
                f"a job may have up to {MAX_BYTES:,} bytes, this one has {len(encoded):,}; "
                "let its scripts fetch what is large",
                line=1,
                column=1,
            )
        self.encoded = encoded.removeprefix(codecs.BOM_UTF8)
        self.text = _decode(self.encoded)

    def place(self, offset: int) -> tuple[int, int]:
        """Return line and column (both from 1) of a character."""
        return _place(self.text, offset)

    def invalid(self, message: str, *, offset: int, path: Path = ()) -> InvalidJob:
        """Return an error that names the place of ``offset`` and the field at ``path``."""
        line, column = self.place(offset)
        return InvalidJob(message, path=path_text(path), line=line, column=column)

    def line_around(self, offset: int) -> str:
        """Return the line in which a character stands, or of a long line what is near to it."""
        low, high = max(0, offset - _NEAR), offset + _NEAR
        start = max(self.text.rfind("\n", low, offset), self.text.rfind("\r", low, offset)) + 1
        found = _BREAK.search(self.text, offset, high)
        return self.text[start or low : found.start() if found else high]


def _place(text: str, offset: int) -> tuple[int, int]:
    line, start = 1, 0
    for found in _BREAK.finditer(text, 0, offset):
        line, start = line + 1, found.end()
    return line, offset - start + 1


def _encode(text: str) -> bytes:
    try:
        return text.encode()
    except UnicodeEncodeError as error:
        line, column = _place(text, error.start)
        raise InvalidJob(
            f"U+{ord(text[error.start]):04X} is half of a character and cannot be stored",
            line=line,
            column=column,
        ) from None


def _decode(encoded: bytes) -> str:
    try:
        return encoded.decode()
    except UnicodeDecodeError as error:
        before = encoded[: error.start].decode()
        line, column = _place(before, len(before))
        raise InvalidJob(
            f"the byte 0x{encoded[error.start]:02x} at offset {error.start} is not UTF-8; "
            "save the file as UTF-8",
            line=line,
            column=column,
        ) from None
