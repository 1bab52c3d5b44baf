"""Dead letters: messages that nobody here can handle, kept with the reason."""

from __future__ import annotations

import msgspec

from tork_core.interfaces.broker import Delivery, Outgoing
from tork_core.model.messages import DEAD


class DeadLetter(msgspec.Struct, rename="camel", kw_only=True):
    """A message that was given up: where it came from, why, and its bytes (base64 in JSON)."""

    queue: str
    reason: str
    body: bytes


def dead_letter(delivery: Delivery, reason: str) -> Outgoing:
    """Return the message that puts a delivery among the dead letters."""
    letter = DeadLetter(queue=delivery.queue, reason=reason, body=delivery.body)
    return Outgoing(DEAD, msgspec.json.encode(letter))
