"""A job's events and log, live, over connections that may break."""

from __future__ import annotations

from typing import TypeAlias

import msgspec

from tork_core.client.answers import decode
from tork_core.client.server_sent import Message
from tork_core.client.stream import Stream
from tork_core.model.job import Event, LogPart
from tork_core.model.states import ENDED_JOB

_ENDED = frozenset(state.value for state in ENDED_JOB)


class Unlogged(msgspec.Struct, frozen=True, rename="camel"):
    """Some parts of an attempt's log did not come in time."""

    task_id: str
    attempt: int
    parts: int


News: TypeAlias = Event | LogPart | Unlogged

_KINDS: dict[str, type[News]] = {"event": Event, "log": LogPart, "missing": Unlogged}
"""What the types of messages hold; others are of newer servers, and skipped."""


class Follower(Stream[News]):
    """Follows one job to its end."""

    def _read(self, message: Message) -> News | None:
        kind = _KINDS.get(message.kind)
        if kind is None:
            return None
        item: News = decode(message.data, kind)
        if isinstance(item, Event) and item.task_id is None and item.state in _ENDED:
            self._ended = True
        return item
