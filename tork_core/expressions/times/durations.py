"""Lengths of time, in whole nanoseconds of 64 bits."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from tork_core.errors import ExpressionError

NANOSECOND: Final = 1
MICROSECOND: Final = 1_000
MILLISECOND: Final = 1_000_000
SECOND: Final = 1_000_000_000
MINUTE: Final = 60 * SECOND
HOUR: Final = 60 * MINUTE

LONGEST: Final = 2**63 - 1
SHORTEST: Final = -(2**63)

_UNITS: Final = {
    "ns": NANOSECOND,
    "us": MICROSECOND,
    "µs": MICROSECOND,
    "μs": MICROSECOND,
    "ms": MILLISECOND,
    "s": SECOND,
    "m": MINUTE,
    "h": HOUR,
}
_PART: Final = re.compile(r"([0-9]*)(?:\.([0-9]*))?(ns|us|µs|μs|ms|s|m|h)")


@dataclass(frozen=True, slots=True, order=True)
class Duration:
    """A length of time; ``nanoseconds`` may be negative."""

    nanoseconds: int

    @staticmethod
    def checked(nanoseconds: int) -> Duration:
        """A duration, or an error where it is beyond 64 bits (some 292 years)."""
        if not SHORTEST <= nanoseconds <= LONGEST:
            raise ExpressionError("the duration is out of range (some 292 years)")
        return Duration(nanoseconds)

    @staticmethod
    def clamped(nanoseconds: int) -> Duration:
        """A duration, or the longest one where it would be longer."""
        return Duration(max(SHORTEST, min(LONGEST, nanoseconds)))

    @staticmethod
    def from_python(value: timedelta) -> Duration:
        """The same length as a :class:`datetime.timedelta`."""
        return Duration.checked(
            (value.days * 86_400 + value.seconds) * SECOND + value.microseconds * MICROSECOND
        )

    def to_python(self) -> timedelta:
        """The same as a :class:`datetime.timedelta`, cut to its microseconds."""
        return timedelta(microseconds=self.nanoseconds // MICROSECOND)

    def in_units(self, unit: int) -> float:
        """The length in units of so many nanoseconds."""
        whole, rest = divmod(abs(self.nanoseconds), unit)
        value = whole + rest / unit
        return -value if self.nanoseconds < 0 else value

    def truncated(self, unit: Duration) -> Duration:
        """The length cut to a multiple of ``unit``, toward zero."""
        step = unit.nanoseconds
        if step <= 0:
            return self
        cut = abs(self.nanoseconds) // step * step
        return Duration(-cut if self.nanoseconds < 0 else cut)

    def rounded(self, unit: Duration) -> Duration:
        """The nearest multiple of ``unit``; halves away from zero."""
        step = unit.nanoseconds
        if step <= 0:
            return self
        whole, rest = divmod(abs(self.nanoseconds), step)
        rounded = (whole + (rest * 2 >= step)) * step
        return Duration.clamped(-rounded if self.nanoseconds < 0 else rounded)

    def __str__(self) -> str:
        total = abs(self.nanoseconds)
        sign = "-" if self.nanoseconds < 0 else ""
        if total < SECOND:
            for unit, name in ((MILLISECOND, "ms"), (MICROSECOND, "µs"), (NANOSECOND, "ns")):
                if total >= unit:
                    return f"{sign}{_decimal(total, unit)}{name}"
            return "0s"
        minutes, rest = divmod(total, MINUTE)
        seconds = f"{_decimal(rest, SECOND)}s"
        if minutes == 0:
            return f"{sign}{seconds}"
        if minutes < 60:
            return f"{sign}{minutes}m{seconds}"
        return f"{sign}{minutes // 60}h{minutes % 60}m{seconds}"


def _decimal(value: int, unit: int) -> str:
    whole, rest = divmod(value, unit)
    if rest == 0:
        return str(whole)
    digits = str(unit + rest)[1:].rstrip("0")
    return f"{whole}.{digits}"


def parse_duration(text: str) -> Duration:
    """Read ``1h30m``, ``-1.5s``, ``0``; raise :class:`ExpressionError` for anything else."""
    sign = -1 if text[:1] == "-" else 1
    rest = text[1:] if text[:1] in ("-", "+") else text
    if rest == "0":
        return Duration(0)
    total = place = 0
    while place < len(rest) or not rest:
        part = _PART.match(rest, place)
        if part is None or not (part[1] or part[2]):
            raise ExpressionError(
                f"{text[:40]!r} is no duration",
                hint="write numbers with a unit each (ns, us, ms, s, m, h), such as 1h30m",
            )
        unit = _UNITS[part[3]]
        # More digits than these cannot change a 64-bit number, save to make it too large.
        total += int(part[1][:25] or "0") * unit
        if part[2]:
            digits = part[2][:18]
            total += int(int(digits) * (unit / 10 ** len(digits)))
        if total > LONGEST + (sign < 0) or len(part[1].lstrip("0")) > 19:
            raise ExpressionError(f"the duration {text[:40]!r} is out of range")
        place = part.end()
    return Duration(sign * total)
