"""A job's events and log, live, over connections that may break."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeAlias

import msgspec

from tork_core.client.address import Address
from tork_core.client.answers import decode
from tork_core.client.connection import Headers, exchange
from tork_core.client.server_sent import Message, Parser
from tork_core.errors import Busy, Unavailable
from tork_core.model.job import Event, LogPart
from tork_core.model.states import ENDED_JOB

SILENCE = 45.0
"""Seconds without a byte after which a connection counts as broken: servers send a comment more
often than that."""

_NOTHING_MORE = 204
"""What a server answers when the job had ended by the last message that was seen."""

_FIRST_PAUSE, _LONGEST_PAUSE = 0.2, 5.0
_BLOCK = 64 * 1024
_ENDED = frozenset(state.value for state in ENDED_JOB)


class Unlogged(msgspec.Struct, frozen=True, rename="camel"):
    """Some parts of an attempt's log did not come in time."""

    task_id: str
    attempt: int
    parts: int


News: TypeAlias = Event | LogPart | Unlogged

_KINDS: dict[str, type[News]] = {"event": Event, "log": LogPart, "missing": Unlogged}
"""What the types of messages hold; others are of newer servers, and skipped."""


class Follower:
    """Follows one job to its end, and resumes after the last message when a connection breaks.

    ``patience`` is how many seconds in a row the server may be out of reach; ``on_loss`` is told
    why, once for each connection that breaks.
    """

    def __init__(
        self,
        address: Address,
        path: str,
        headers: Headers,
        *,
        patience: float,
        on_loss: Callable[[str], None],
        silence: float = SILENCE,
    ) -> None:
        self._address = address
        self._path = path
        self._headers = headers
        self._patience = patience
        self._on_loss = on_loss
        self._silence = silence
        self._last_id = ""
        self._ended = False
        self._reached = False
        self._lost_at: float | None = None

    def run(self) -> Iterator[News]:
        """Yield what happens until the job has ended.

        Raises NotFound if there is no such job, and Unavailable when patience is at its end.
        """
        pause = _FIRST_PAUSE
        while True:
            loss: Unavailable | Busy = Unavailable(str(self._address), "it ended the stream early")
            try:
                for message in self._messages():
                    pause = _FIRST_PAUSE
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
                yield from parser.feed(data)

    def _read(self, message: Message) -> News | None:
        self._last_id = message.id or self._last_id
        kind = _KINDS.get(message.kind)
        if kind is None:
            return None
        item: News = decode(message.data, kind)
        if isinstance(item, Event) and item.task_id is None and item.state in _ENDED:
            self._ended = True
        return item
