"""Heartbeats on their way to the broker, under both of their names."""

from __future__ import annotations

from tork_core.interfaces.broker import Outgoing
from tork_core.model.messages import HEARTBEAT, SEED_HEARTBEAT, Heartbeat, encode


def heartbeat_messages(
    beat: Heartbeat, *, lifetime: float, mandatory: bool = False
) -> list[Outgoing]:
    """Return what to publish for a heartbeat that is worth something for ``lifetime`` seconds.

    The seed misspells the queue's name. Who follows it word for word observes ``hearbeat``, which
    is no queue: only copies go there.
    """
    body = encode(beat)
    return [
        Outgoing(HEARTBEAT, body, mandatory=mandatory, lifetime=lifetime),
        Outgoing(SEED_HEARTBEAT, body, deliver=False),
    ]
