"""Leases kept in memory, for a datastore that no other process shares.

Nobody else can hold one then, and whoever held one before a restart is dead.
"""

from __future__ import annotations

from datetime import datetime, timedelta


class Leases:
    """Names held by somebody until a time; see :meth:`Datastore.lease`."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[str, datetime]] = {}
        self._crowded = 64

    def __len__(self) -> int:
        return len(self._held)

    def take(self, name: str, holder: str, seconds: float, now: datetime) -> bool:
        """Take or renew a lease; False while somebody else holds it."""
        held = self._held.get(name)
        if held is not None and held[0] != holder and held[1] > now:
            return False
        self._held[name] = holder, now + timedelta(seconds=seconds)
        if len(self._held) > self._crowded:
            self._held = {key: value for key, value in self._held.items() if value[1] > now}
            self._crowded = 2 * len(self._held) + 64
        return True

    def release(self, name: str, holder: str) -> None:
        """Give a lease back, if it is this holder's."""
        held = self._held.get(name)
        if held is not None and held[0] == holder:
            del self._held[name]
