"""A stream of server-sent events, over connections that may break."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from tork_core.client.address import Address
from tork_core.client.connection import Headers, exchange
from tork_core.client.server_sent import Message, Parser
from tork_core.errors import Busy, Unavailable

T = TypeVar("T")

SILENCE = 45.0
"""Seconds without a byte after which a connection counts as broken: servers send a comment more
often than that."""

_NOTHING_MORE = 204
"""What a server answers when all had been sent by the last message that was seen."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_BLOCK = 64 * 1024


class Stream(Generic[T]):
    """Reads one stream to its end, and comes back after the last message when a connection breaks.

    ``patience`` is how many seconds in a row the server may be out of reach; ``on_loss`` is told
    why, once for each connection that breaks. ``on_quiet`` is called when the server says that it
    is there, and nothing else: every 15 s in which nothing happens.
    """

    def __init__(
        self,
        address: Address,
        path: str,
        headers: Headers,
        *,
        patience: float,
        on_loss: Callable[[str], None],
        on_quiet: Callable[[], None] = lambda: None,
        silence: float = SILENCE,
    ) -> None:
        self._address = address
        self._path = path
        self._headers = headers
        self._patience = patience
        self._on_loss = on_loss
        self._on_quiet = on_quiet
        self._silence = silence
        self._last_id = ""
        self._ended = False
        self._reached = False
        self._lost_at: float | None = None

    def run(self) -> Iterator[T]:
        """Yield what comes until the stream is at its end.

        Raises NotFound if there is nothing to stream, and Unavailable when patience is at its end.
        """
        pause = _FIRST_PAUSE
        while True:
            loss: Unavailable | Busy = Unavailable(str(self._address), "it ended the stream early")
            try:
                for message in self._messages():
                    pause = _FIRST_PAUSE
                    self._last_id = message.id or self._last_id
                    item = self._read(message)
                    if item is not None:
                        yield item
            except (Unavailable, Busy) as error:
                loss = error
            if self._ended:
                return
            self._lose(loss)
            time.sleep(pause)
            pause = min(pause * 2, _LONGEST_PAUSE)

    def _lose(self, loss: Unavailable | Busy) -> None:
        """Note that there is no connection; raises the reason if that goes on for too long."""
        now = time.monotonic()
        if not self._reached or (
            self._lost_at is not None and now > self._lost_at + self._patience
        ):
            raise loss
        if self._lost_at is None:
            self._lost_at = now
            self._on_loss(str(loss))

    def _messages(self) -> Iterator[Message]:
        headers = {**self._headers, "Accept": "text/event-stream"}
        if self._last_id:
            headers["Last-Event-ID"] = self._last_id
        parser = Parser()
        with exchange(
            self._address, "GET", self._path, headers=headers, timeout=self._silence
        ) as response:
            self._reached = True
            if response.status == _NOTHING_MORE:
                self._ended = True
            # read1 gives what has come; an end without the last chunk is an error of its own.
            while data := response.read1(_BLOCK):
                self._lost_at = None
                messages = list(parser.feed(data))
                yield from messages
                if not messages:
                    self._on_quiet()

    def _read(self, message: Message) -> T | None:
        """Return what a message says, None if it is to be skipped; note when it is the last."""
        raise NotImplementedError
