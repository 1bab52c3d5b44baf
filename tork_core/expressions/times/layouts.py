"""Layouts of dates, by example: ``2006-01-02 15:04:05`` and all that Go's have.

A layout is cut into literal text and the parts that stand for something; the same parts serve to
write a date (here) and to read one (reading.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from tork_core.errors import ExpressionError
from tork_core.expressions import limits
from tork_core.expressions.times.civil import MONTHS, WEEKDAYS
from tork_core.expressions.times.instants import Clock, Instant

_PARTS: Final = re.compile(
    r"January|Jan(?![a-z])|Monday|Mon(?![a-z])|MST|002|0[1-6]|15|1|2006|2|__2|_2(?!006)|3|4|5"
    r"|PM|pm|[-Z]07(?:0000|:00:00|00|:00)?|[.,](?:0+|9+)(?![0-9])"
)


@lru_cache(maxsize=256)
def parts_of(layout: str) -> tuple[tuple[str, str], ...]:
    """The parts of a layout, each with the literal text before it; the last part is empty."""
    if len(layout) > limits.MAX_PATTERN:
        raise ExpressionError("the layout is too long")
    parts: list[tuple[str, str]] = []
    end = 0
    for match in _PARTS.finditer(layout):
        parts.append((layout[end : match.start()], match[0]))
        end = match.end()
    return (*parts, (layout[end:], ""))


def format_time(time: Instant, layout: str) -> str:
    """Write a time in a layout."""
    clock = time.clock()
    return "".join(literal + _written(part, clock) for literal, part in parts_of(layout))


def _written(part: str, clock: Clock) -> str:
    simple = _SIMPLE.get(part)
    if simple is not None:
        return simple(clock)
    if part[:1] in (".", ","):
        return _fraction(part, clock.nanosecond)
    if part[:1] in ("-", "Z") and part:
        return "Z" if part[0] == "Z" and clock.offset == 0 else offset_text(clock.offset, part[1:])
    return ""


def _fraction(part: str, nanosecond: int) -> str:
    digits = f"{nanosecond:09d}"[: len(part) - 1].ljust(len(part) - 1, "0")
    if part[1] == "9":
        digits = digits.rstrip("0")
        return part[0] + digits if digits else ""
    return part[0] + digits


def offset_text(seconds: int, form: str) -> str:
    """An offset from UTC in one of the forms 07, 0700, 07:00, 070000 and 07:00:00."""
    sign = "-" if seconds < 0 else "+"
    seconds = abs(seconds)
    fields = (seconds // 3_600, seconds // 60 % 60, seconds % 60)
    separator = ":" if ":" in form else ""
    count = len(form.replace(":", "")) // 2
    return sign + separator.join(f"{field:02d}" for field in fields[:count])


def _year(clock: Clock) -> str:
    return f"{clock.year:04d}" if clock.year >= 0 else f"-{-clock.year:04d}"


_SIMPLE: Final[dict[str, Callable[[Clock], str]]] = {
    "2006": _year,
    "06": lambda clock: f"{abs(clock.year) % 100:02d}",
    "January": lambda clock: MONTHS[clock.month - 1],
    "Jan": lambda clock: MONTHS[clock.month - 1][:3],
    "1": lambda clock: str(clock.month),
    "01": lambda clock: f"{clock.month:02d}",
    "Monday": lambda clock: WEEKDAYS[clock.weekday],
    "Mon": lambda clock: WEEKDAYS[clock.weekday][:3],
    "2": lambda clock: str(clock.day),
    "_2": lambda clock: f"{clock.day:2d}",
    "02": lambda clock: f"{clock.day:02d}",
    "002": lambda clock: f"{clock.year_day:03d}",
    "__2": lambda clock: f"{clock.year_day:3d}",
    "15": lambda clock: f"{clock.hour:02d}",
    "3": lambda clock: str(clock.hour % 12 or 12),
    "03": lambda clock: f"{clock.hour % 12 or 12:02d}",
    "4": lambda clock: str(clock.minute),
    "04": lambda clock: f"{clock.minute:02d}",
    "5": lambda clock: str(clock.second),
    "05": lambda clock: f"{clock.second:02d}",
    "PM": lambda clock: "PM" if clock.hour >= 12 else "AM",
    "pm": lambda clock: "pm" if clock.hour >= 12 else "am",
    "MST": lambda clock: clock.letters or offset_text(clock.offset, "0700"),
}
