"""What an engine takes from its surroundings beside services: time, ids and randomness.

Everything else about time (timeouts, sleeping) goes through the event loop, so a loop with a
virtual clock together with an :class:`Environment` of its own makes a run repeatable.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime


@dataclass(frozen=True)
class Environment:
    """A node's own clock (seconds since the epoch) and its source of randomness."""

    clock: Callable[[], float] = time.time
    random: random.Random = field(default_factory=random.SystemRandom)

    def now(self) -> datetime:
        """The node's own idea of the time; decisions use the datastore's instead."""
        return datetime.fromtimestamp(self.clock(), UTC)

    def token(self, bits: int = 64) -> str:
        """A fresh random name, in hexadecimal."""
        return f"{self.random.getrandbits(bits):0{bits // 4}x}"
