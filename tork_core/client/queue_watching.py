"""What passes through queues, live, over connections that may break."""

from __future__ import annotations

from tork_core.client.answers import decode
from tork_core.client.server_sent import Message
from tork_core.client.stream import Stream
from tork_core.model.listings import PassedAnswer


class QueueWatch(Stream[PassedAnswer]):
    """Watches queues for ever. What passes while a connection is broken is not seen."""

    def _read(self, message: Message) -> PassedAnswer | None:
        return decode(message.data, PassedAnswer) if message.kind == "passed" else None
