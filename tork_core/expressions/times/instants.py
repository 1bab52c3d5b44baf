"""Points in time, to the nanosecond, with the zone they are shown in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC as PYTHON_UTC
from datetime import datetime, timedelta
from typing import Final

from tork_core.errors import ExpressionError
from tork_core.expressions.times.civil import MONTHS, WEEKDAYS, date_of, days_of
from tork_core.expressions.times.durations import MICROSECOND, SECOND, Duration
from tork_core.expressions.times.zones import UTC, Zone

DAY: Final = 86_400
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=PYTHON_UTC)
_ZERO: Final = days_of(1, 1, 1) * DAY * SECOND
# As far as the language's own type for seconds goes; beyond it nothing is a date any more.
_FARTHEST: Final = 2**63 * SECOND


@dataclass(frozen=True, slots=True)
class Month:
    """A month, from 1: a type of its own, which equals no number."""

    number: int

    def __str__(self) -> str:
        return MONTHS[self.number - 1]


@dataclass(frozen=True, slots=True)
class Weekday:
    """A day of the week, from 0 for Sunday: a type of its own, which equals no number."""

    number: int

    def __str__(self) -> str:
        return WEEKDAYS[self.number]


@dataclass(frozen=True, slots=True)
class Clock:
    """A point in time as a calendar and a clock show it."""

    year: int
    month: int
    day: int
    hour: int
    minute: int
    second: int
    nanosecond: int
    weekday: int
    year_day: int
    offset: int
    letters: str


@dataclass(frozen=True, slots=True)
class Instant:
    """A point in time: nanoseconds since 1970 in UTC, and the zone it is shown in."""

    nanoseconds: int
    zone: Zone = UTC

    @staticmethod
    def of(days: int, seconds: int, nanosecond: int, zone: Zone) -> Instant:
        """The time at which clocks in ``zone`` show the day and the second of the day."""
        local = days * DAY + seconds
        offset, _ = zone.at(local)
        if offset:
            # At a change of the clocks the offset that holds at the result counts.
            actual, _ = zone.at(local - offset)
            offset = actual
        return Instant((local - offset) * SECOND + nanosecond, zone)

    @staticmethod
    def from_python(value: datetime) -> Instant:
        """The same time as a :class:`datetime.datetime`; one without a zone is in UTC."""
        zone = Zone.from_python(value.tzinfo)
        if value.tzinfo is None:
            value = value.replace(tzinfo=PYTHON_UTC)
        return Instant((value - _EPOCH) // timedelta(microseconds=1) * MICROSECOND, zone)

    def to_python(self) -> datetime:
        """The same as an aware :class:`datetime.datetime`, cut to its microseconds."""
        try:
            moment = _EPOCH + timedelta(microseconds=self.nanoseconds // MICROSECOND)
            return moment.astimezone(self.zone.source)
        except OverflowError:
            raise ExpressionError("the date is outside the years 1 to 9999") from None

    def clock(self) -> Clock:
        """What a calendar and a clock in its zone show."""
        seconds, nanosecond = divmod(self.nanoseconds, SECOND)
        offset, letters = self.zone.at(seconds)
        days, second = divmod(seconds + offset, DAY)
        year, month, day = date_of(days)
        return Clock(
            year,
            month,
            day,
            second // 3_600,
            second // 60 % 60,
            second % 60,
            nanosecond,
            weekday=(days + 4) % 7,
            year_day=days - days_of(year, 1, 1) + 1,
            offset=offset,
            letters=letters,
        )

    def plus(self, length: Duration) -> Instant:
        """The time a duration later."""
        return Instant(self.nanoseconds + length.nanoseconds, self.zone)

    def minus(self, other: Instant) -> Duration:
        """The length of time since another one; no longer than a duration can be."""
        return Duration.clamped(self.nanoseconds - other.nanoseconds)

    def plus_dates(self, years: int, months: int, days: int) -> Instant:
        """The same time of day so many years, months and days later; days overflow into months."""
        if max(abs(years), abs(months), abs(days)) > 10**9:
            raise ExpressionError("the date is out of range")
        clock = self.clock()
        seconds = clock.hour * 3_600 + clock.minute * 60 + clock.second
        day = days_of(clock.year + years, clock.month + months, clock.day + days)
        return Instant.of(day, seconds, clock.nanosecond, self.zone)

    def truncated(self, unit: Duration) -> Instant:
        """The time cut to a multiple of ``unit`` since the year 1 in UTC."""
        return Instant(self.nanoseconds - self._past(unit), self.zone)

    def rounded(self, unit: Duration) -> Instant:
        """The nearest multiple of ``unit`` since the year 1 in UTC; halves go up."""
        past, step = self._past(unit), unit.nanoseconds
        up = step > 0 and past * 2 >= step
        return Instant(self.nanoseconds - past + (step if up else 0), self.zone)

    def _past(self, unit: Duration) -> int:
        return (self.nanoseconds - _ZERO) % unit.nanoseconds if unit.nanoseconds > 0 else 0

    @property
    def is_zero(self) -> bool:
        """Whether this is the start of the year 1 in UTC."""
        return self.nanoseconds == _ZERO

    def __str__(self) -> str:
        from tork_core.expressions.times.layouts import format_time

        return format_time(self, "2006-01-02 15:04:05.999999999 -0700 MST")
