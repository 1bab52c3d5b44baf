"""Server-sent events, taken apart: https://html.spec.whatwg.org/multipage/server-sent-events.html"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_LINE_END = re.compile(rb"\r\n|\n|\r(?=.)", re.DOTALL)
"""A lone CR at the end of what there is may be the first half of CRLF: it waits."""


class Message(NamedTuple):
    """One event: its type, its data, and the last id that was sent up to it."""

    kind: str
    data: str
    id: str


class Parser:
    """Takes bytes as they come, cut anywhere, and gives the messages that they complete."""

    def __init__(self) -> None:
        self._rest = b""
        self._kind = ""
        self._data: list[str] = []
        self._id = ""

    def feed(self, data: bytes) -> Iterator[Message]:
        """Take the next bytes and yield the messages that are complete."""
        *lines, self._rest = _LINE_END.split(self._rest + data)
        for line in lines:
            message = self._line(line.decode("utf-8", "replace"))
            if message is not None:
                yield message

    def _line(self, line: str) -> Message | None:
        if not line:
            return self._dispatch()
        field, _, value = line.partition(":")
        value = value.removeprefix(" ")
        match field:
            case "event":
                self._kind = value
            case "data":
                self._data.append(value)
            case "id" if "\0" not in value:
                self._id = value
            case _:
                pass  # A comment that keeps the connection open, or something newer.
        return None

    def _dispatch(self) -> Message | None:
        kind, data = self._kind or "message", self._data
        self._kind, self._data = "", []
        return Message(kind, "\n".join(data), self._id) if data else None
