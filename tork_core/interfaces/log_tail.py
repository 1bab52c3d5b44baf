"""The end of a log, for the error of a task that failed."""

from __future__ import annotations

_LINES = 10
_BYTES = 4096


class LogTail:
    """Keeps the last lines of what went by, in bounded memory."""

    def __init__(self) -> None:
        self._end = b""

    def feed(self, data: bytes) -> None:
        """Remember the next bytes."""
        self._end = (self._end + data[-_BYTES:])[-_BYTES:]

    def text(self) -> str:
        """Return at most the last ten lines and four KiB."""
        whole = self._end.rstrip(b"\n").split(b"\n")[-_LINES:]
        text = b"\n".join(whole)
        if len(self._end) == _BYTES:  # perhaps cut inside a character: leave its rest out
            text = text.lstrip(bytes(range(0x80, 0xC0)))
        return text.decode(errors="replace").replace("\0", "")
