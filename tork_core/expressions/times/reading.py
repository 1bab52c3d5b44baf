"""Reading dates: from text, by a layout."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from tork_core.errors import ExpressionError
from tork_core.expressions.times.civil import MONTHS, WEEKDAYS, days_in, days_of, is_leap
from tork_core.expressions.times.durations import SECOND
from tork_core.expressions.times.instants import DAY, Instant
from tork_core.expressions.times.layouts import parts_of
from tork_core.expressions.times.zones import UTC, Zone

LAYOUTS: Final = (
    "2006-01-02",
    "15:04:05",
    "2006-01-02 15:04:05",
    "2006-01-02T15:04:05Z07:00",
    "02 Jan 06 15:04 MST",
    "Monday, 02-Jan-06 15:04:05 MST",
    "Mon, 02 Jan 2006 15:04:05 MST",
)
"""What a date without a layout may look like, in the order in which they are tried."""

_SHORT_MONTHS: Final = tuple(name[:3] for name in MONTHS)
_SHORT_WEEKDAYS: Final = tuple(name[:3] for name in WEEKDAYS)
# Letters of a zone: GMT with an offset, a bare offset, or three to five capitals (of four or five
# the last a T, but for WITA).
_LETTERS: Final = re.compile(
    r"ChST|MeST|GMT(?:[+-](?:[0-9]|1[0-9]|2[0-3]|0[0-9]+)(?![0-9]))?|[+-](?:0*(?:[0-9]|1[0-9]|2[0-3]))(?![0-9])"
    r"|(?:[A-Z]{4}T|[A-Z]{3}T|WITA|[A-Z]{3}(?![A-Z]))(?![A-Z])"
)


class _Mismatch(Exception):
    """The text does not fit the layout."""


def read_time(text: str, layout: str, zone: Zone | None) -> Instant:
    """Read a date by its layout; ``zone`` holds where the text names none (UTC by default)."""
    try:
        return _Reader(text, zone).read(layout)
    except _Mismatch as error:
        raise ExpressionError(
            f"the date {text[:60]!r} does not fit the layout {layout[:60]!r}: {error}"
        ) from None


def read_any_time(text: str, zone: Zone | None) -> Instant:
    """Read a date by the first of the usual layouts that fits."""
    for layout in LAYOUTS:
        try:
            return _Reader(text, zone).read(layout)
        except _Mismatch:
            continue
    raise ExpressionError(
        f"{text[:60]!r} is no date",
        hint="write it like 2006-01-02 or 2006-01-02T15:04:05Z, or give its layout",
    )


@dataclass(slots=True)
class _Fields:
    year: int = 0
    month: int = -1
    day: int = -1
    year_day: int = -1
    hour: int = 0
    minute: int = 0
    second: int = 0
    nanosecond: int = 0
    afternoon: bool | None = None
    utc: bool = False
    offset: int | None = None
    letters: str = ""


class _Reader:
    def __init__(self, text: str, zone: Zone | None) -> None:
        self.rest = text
        self.zone = zone
        self.fields = _Fields()

    def read(self, layout: str) -> Instant:
        parts = parts_of(layout)
        for place, (literal, part) in enumerate(parts):
            self.skip(literal)
            if part:
                self.part(part, followed_by=parts[place + 1])
        if self.rest:
            raise _Mismatch(f"{self.rest[:20]!r} is left over")
        return self.instant()

    # --- parts -----------------------------------------------------------------------------------

    def part(self, part: str, followed_by: tuple[str, str]) -> None:
        fields = self.fields
        match part:
            case "2006":
                fields.year = int(self.take(r"[0-9]{4}"))
            case "06":
                year = int(self.take(r"[0-9]{2}"))
                fields.year = year + (1900 if year >= 69 else 2000)
            case "January":
                fields.month = self.one_of(MONTHS) + 1
            case "Jan":
                fields.month = self.one_of(_SHORT_MONTHS) + 1
            case "1" | "01":
                fields.month = self.number(part, 1, 12)
            case "Monday":
                self.one_of(WEEKDAYS)
            case "Mon":
                self.one_of(_SHORT_WEEKDAYS)
            case "2" | "_2" | "02":
                if part == "_2" and self.rest.startswith(" "):
                    self.rest = self.rest[1:]
                fields.day = self.number(part, 0, 99)
            case "002":
                fields.year_day = int(self.take(r"[0-9]{3}"))
            case "__2":
                self.take(r" {0,2}")
                fields.year_day = int(self.take(r"[0-9]{1,3}"))
            case "15" | "3" | "03":
                fields.hour = self.number(
                    "3" if part == "15" else part, 0, 23 if part == "15" else 12
                )
            case "4" | "04":
                fields.minute = self.number(part, 0, 59)
            case "5" | "05":
                fields.second = self.number(part, 0, 59)
                if followed_by[0] or followed_by[1][:1] not in (".", ","):
                    self.fraction(r"(?:[.,][0-9]+)?")
            case "PM" | "pm":
                afternoon = self.take("PM|AM" if part == "PM" else "pm|am")
                fields.afternoon = afternoon in ("PM", "pm")
            case "MST":
                self.zone_letters()
            case _:
                self.other(part)

    def other(self, part: str) -> None:
        if part[0] in "-Z":
            self.offset(part)
        elif part[1] == "0":
            self.fraction(rf"[.,][0-9]{{{len(part) - 1}}}")
        else:
            self.fraction(r"(?:[.,][0-9]+)?")

    def number(self, part: str, least: int, most: int) -> int:
        """One or two digits; exactly two where the part has a leading zero."""
        value = int(self.take(r"[0-9]{2}" if part[0] == "0" else r"[0-9]{1,2}"))
        if not least <= value <= most:
            raise _Mismatch(f"{value} is out of range")
        return value

    def one_of(self, names: tuple[str, ...]) -> int:
        for place, name in enumerate(names):
            if self.rest[: len(name)].lower() == name.lower() and self.rest[: len(name)].isascii():
                self.rest = self.rest[len(name) :]
                return place
        raise _Mismatch(f"{self.rest[:20]!r} is no name of a month or day")

    def fraction(self, pattern: str) -> None:
        digits = self.take(pattern)[1:]
        if digits:
            self.fields.nanosecond = int(digits[:9].ljust(9, "0"))

    def offset(self, part: str) -> None:
        if part[0] == "Z" and self.rest.startswith("Z"):
            self.rest = self.rest[1:]
            self.fields.utc = True
            return
        pattern = re.sub(r"\d\d", r"([0-9]{2})", part[1:])
        found = re.match(rf"([+-]){pattern}", self.rest)
        if found is None:
            raise _Mismatch(f"{self.rest[:20]!r} is no offset like {part}")
        self.rest = self.rest[found.end() :]
        hours, minutes, seconds = [*(int(group) for group in found.groups()[1:]), 0, 0][:3]
        if hours > 24 or minutes > 60 or seconds > 60:
            raise _Mismatch("the offset is out of range")
        value = (hours * 60 + minutes) * 60 + seconds
        self.fields.offset = -value if found[1] == "-" else value

    def zone_letters(self) -> None:
        if self.rest.startswith("UTC"):
            self.rest = self.rest[3:]
            self.fields.utc = True
            return
        found = _LETTERS.match(self.rest)
        if found is None:
            raise _Mismatch(f"{self.rest[:20]!r} names no time zone")
        self.fields.letters = found[0]
        self.rest = self.rest[found.end() :]

    def take(self, pattern: str) -> str:
        found = re.match(pattern, self.rest)
        if found is None:
            raise _Mismatch(f"it ends at {self.rest[:20]!r}")
        self.rest = self.rest[found.end() :]
        return found[0]

    def skip(self, literal: str) -> None:
        """Skip literal text; blanks in it stand for any number of blanks."""
        while literal:
            if literal[0] == " ":
                if self.rest and self.rest[0] != " ":
                    raise _Mismatch(f"a blank is missing before {self.rest[:20]!r}")
                literal, self.rest = literal.lstrip(" "), self.rest.lstrip(" ")
            elif self.rest[:1] == literal[0]:
                literal, self.rest = literal[1:], self.rest[1:]
            else:
                raise _Mismatch(f"{literal[:20]!r} is missing at {self.rest[:20]!r}")

    # --- the whole -------------------------------------------------------------------------------

    def instant(self) -> Instant:
        fields = self.fields
        if fields.afternoon is not None and fields.hour <= 12:
            fields.hour = fields.hour % 12 + 12 * fields.afternoon
        if fields.year_day >= 0:
            self.date_of_year_day()
        month = fields.month if fields.month >= 0 else 1
        day = fields.day if fields.day >= 0 else 1
        if not 1 <= day <= days_in(month, fields.year):
            raise _Mismatch(f"the month has no day {day}")
        days = days_of(fields.year, month, day)
        seconds = fields.hour * 3_600 + fields.minute * 60 + fields.second
        return self.in_zone(days, seconds)

    def date_of_year_day(self) -> None:
        fields = self.fields
        if not 1 <= fields.year_day <= 365 + is_leap(fields.year):
            raise _Mismatch(f"the year has no day {fields.year_day}")
        month, day = 1, fields.year_day
        while day > days_in(month, fields.year):
            day -= days_in(month, fields.year)
            month += 1
        if fields.month not in (-1, month) or fields.day not in (-1, day):
            raise _Mismatch("the day of the year is another day than month and day")
        fields.month, fields.day = month, day

    def in_zone(self, days: int, seconds: int) -> Instant:
        fields, zone = self.fields, self.zone or UTC
        if fields.utc:
            return Instant.of(days, seconds, fields.nanosecond, UTC)
        local = days * DAY + seconds
        if fields.offset is not None:
            moment = local - fields.offset
            actual, letters = zone.at(moment)
            if actual != fields.offset or fields.letters not in ("", letters):
                zone = Zone.fixed(fields.offset, fields.letters)
            return Instant(moment * SECOND + fields.nanosecond, zone)
        if fields.letters:
            return self.in_lettered_zone(local, zone)
        return Instant.of(days, seconds, fields.nanosecond, zone)

    def in_lettered_zone(self, local: int, zone: Zone) -> Instant:
        """A time with a zone's letters: those of ``zone`` count, others are an offset of 0."""
        fields = self.fields
        # The letters of summer and winter time are both the zone's own, whatever the season.
        for half in (0, DAY * 182, -DAY * 182):
            offset, letters = zone.at(local + half)
            if letters == fields.letters:
                return Instant((local - offset) * SECOND + fields.nanosecond, zone)
        offset = 0
        if fields.letters.startswith("GMT") and len(fields.letters) > 3:
            offset = int(fields.letters[3:]) * 3_600
        made = Zone.fixed(offset, fields.letters)
        return Instant((local - offset) * SECOND + fields.nanosecond, made)
