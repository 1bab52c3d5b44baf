"""Dates, durations and time zones as the language has them.

Their range and precision are wider than Python's (years before 1, nanoseconds), so the language has
types of its own; they become Python's where a value leaves an expression.
"""

from __future__ import annotations

from tork_core.expressions.times.durations import Duration
from tork_core.expressions.times.instants import Instant, Month, Weekday
from tork_core.expressions.times.zones import UTC, Zone

__all__ = ["UTC", "Duration", "Instant", "Month", "Weekday", "Zone"]
