"""The end of a log, for the error of a task that failed."""

from __future__ import annotations

_LINES = 10
_BYTES = 4096
_BYTES_BEFORE = 32 * 1024


class LogTail:
    """Keeps the last lines of what went by, and some of what came before, in bounded memory."""

    def __init__(self) -> None:
        self._end = bytearray()

    def feed(self, data: bytes) -> None:
        """Remember the next bytes."""
        kept = _BYTES_BEFORE + _BYTES
        self._end += data[-kept:]
        if len(self._end) > 2 * kept:  # Not each time: a log may come in many small pieces.
            del self._end[:-kept]

    def text(self) -> str:
        """Return at most the last ten lines and four KiB."""
        return _decoded(self._end[self._start() :].rstrip(b"\n"))

    def before(self) -> str:
        """Return what went by right before the text, 32 KiB of it or a little more.

        For those who hide something in the text: it may have begun here.
        """
        return _decoded(self._end[: self._start()])

    def _start(self) -> int:
        """Return where the text begins: at a line, or at least at a character."""
        first = max(0, len(self._end) - _BYTES)
        last = self._end[first:].rstrip(b"\n")
        lines = last.split(b"\n")[-_LINES:]
        start = first + len(last) - len(b"\n".join(lines))
        if start == first > 0:  # perhaps cut inside a character: leave its rest out
            start += len(last) - len(last.lstrip(_INSIDE_CHARACTERS))
        return start


_INSIDE_CHARACTERS = bytes(range(0x80, 0xC0))


def _decoded(data: bytearray) -> str:
    return data.decode(errors="replace").replace("\0", "")
