"""Functions and methods of dates, durations and time zones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, Final, TypeAlias

from tork_core.errors import ExpressionError
from tork_core.expressions.frame import Frame
from tork_core.expressions.functions.builtin import builtin
from tork_core.expressions.functions.declare import Function
from tork_core.expressions.times import UTC, Duration, Instant, Month, Weekday, Zone
from tork_core.expressions.times.durations import (
    HOUR,
    LONGEST,
    MICROSECOND,
    MILLISECOND,
    MINUTE,
    SECOND,
    parse_duration,
)
from tork_core.expressions.times.layouts import format_time
from tork_core.expressions.times.reading import read_any_time, read_time
from tork_core.expressions.times.zones import named

_GROUP: Final = "Dates and durations"


@builtin("now(zone?: timezone) -> date", group=_GROUP)
def now(frame: Frame, zone: Zone | None = None) -> Instant:
    """The time now, in UTC or in a time zone.

    >>> now() > date("2024-02-29")
    true
    """
    frame.spend(10)
    time = Instant.from_python(frame.context.now())
    return Instant(time.nanoseconds, zone or UTC)


@builtin("duration(text: string) -> duration", group=_GROUP)
def duration(frame: Frame, text: str) -> Duration:
    """Read a duration: numbers with a unit each, of ns, us, ms, s, m and h.

    >>> string(duration("90m"))
    "1h30m0s"
    """
    frame.spend(len(text) + 20)
    return parse_duration(text)


@builtin("timezone(name: string) -> timezone", group=_GROUP)
def timezone(frame: Frame, name: str) -> Zone:
    """A time zone by its IANA name.

    >>> string(date("2024-07-01").In(timezone("Europe/Paris")))
    "2024-07-01 02:00:00 +0200 CEST"
    """
    frame.spend(1_000)
    return named(name)


@builtin(
    "date(zone: timezone | string, text?: string, layout?: string, name?: string) -> date",
    group=_GROUP,
)
def date(
    frame: Frame,
    zone: Zone | str,
    text: str | None = None,
    layout: str | None = None,
    name: str | None = None,
) -> Instant:
    """Read a date: `date(text)`, `date(text, layout)`, `date(text, layout, zone's name)`, or the
    first two after a time zone. Layouts are written by example, such as `02 Jan 2006 15:04`.

    >>> date("29/02/2024", "02/01/2006").Year()
    2024
    """
    if isinstance(zone, Zone):
        if text is None:
            raise ExpressionError("date: the text is missing", hint="date(zone, text, layout)")
        arguments, home = (text, layout, name), zone
    else:
        if name is not None:
            raise ExpressionError("date takes 1 to 3 arguments after a time zone or none before")
        arguments, home = (zone, text, layout), None
    written, form, named_zone = arguments
    frame.spend(len(written) // 4 + 250)
    if named_zone is not None:
        home = named(named_zone)
    if form is None:
        return read_any_time(written, home)
    return read_time(written, form, home)


FUNCTIONS: Final = (now, duration, timezone, date)


_Call: TypeAlias = (
    Callable[[Any], object]
    | Callable[[Any, Any], object]
    | Callable[[Any, Any, Any], object]
    | Callable[[Any, Any, Any, Any], object]
)


def _methods(*declared: tuple[str, _Call]) -> Mapping[str, Function]:
    made: dict[str, Function] = {}
    for signature, call in declared:
        call.__doc__ = "A method."
        one = builtin(signature, group=_GROUP)(call)
        made[one.name] = one
    return made


def _int64(value: int) -> int:
    if abs(value) > LONGEST:
        raise ExpressionError("the result is beyond the range of an int")
    return value


def _since_epoch(unit: int) -> Callable[[Instant], int]:
    return lambda time: _int64(time.nanoseconds // unit)


def _length_in(unit: int) -> Callable[[Duration], float]:
    return lambda length: length.in_units(unit)


def _whole_units(unit: int) -> Callable[[Duration], int]:
    return lambda length: int(length.truncated(Duration(unit)).nanoseconds // unit)


def _format(frame: Frame, time: Instant, layout: str) -> str:
    frame.spend(len(layout) + 20)
    return format_time(time, layout)


def _compare(time: Instant, other: Instant) -> int:
    return (time.nanoseconds > other.nanoseconds) - (time.nanoseconds < other.nanoseconds)


METHODS: Final[Mapping[type, Mapping[str, Function]]] = {
    Instant: _methods(
        ("Year(date: date) -> int", lambda time: time.clock().year),
        ("Month(date: date) -> month", lambda time: Month(time.clock().month)),
        ("Day(date: date) -> int", lambda time: time.clock().day),
        ("Hour(date: date) -> int", lambda time: time.clock().hour),
        ("Minute(date: date) -> int", lambda time: time.clock().minute),
        ("Second(date: date) -> int", lambda time: time.clock().second),
        ("Nanosecond(date: date) -> int", lambda time: time.clock().nanosecond),
        ("Weekday(date: date) -> weekday", lambda time: Weekday(time.clock().weekday)),
        ("YearDay(date: date) -> int", lambda time: time.clock().year_day),
        ("Unix(date: date) -> int", _since_epoch(SECOND)),
        ("UnixMilli(date: date) -> int", _since_epoch(MILLISECOND)),
        ("UnixMicro(date: date) -> int", _since_epoch(MICROSECOND)),
        ("UnixNano(date: date) -> int", _since_epoch(1)),
        ("Format(date: date, layout: string) -> string", _format),
        (
            "In(date: date, zone: timezone) -> date",
            lambda time, zone: Instant(time.nanoseconds, zone),
        ),
        ("UTC(date: date) -> date", lambda time: Instant(time.nanoseconds, UTC)),
        ("Add(date: date, length: duration) -> date", Instant.plus),
        (
            "AddDate(date: date, years: int, months: int, days: int) -> date",
            lambda time, years, months, days: time.plus_dates(years, months, days),
        ),
        ("Sub(date: date, other: date) -> duration", lambda time, other: time.minus(other)),
        ("Before(date: date, other: date) -> bool", lambda time, other: _compare(time, other) < 0),
        ("After(date: date, other: date) -> bool", lambda time, other: _compare(time, other) > 0),
        ("Equal(date: date, other: date) -> bool", lambda time, other: _compare(time, other) == 0),
        ("Compare(date: date, other: date) -> int", _compare),
        ("Truncate(date: date, unit: duration) -> date", lambda time, unit: time.truncated(unit)),
        ("Round(date: date, unit: duration) -> date", lambda time, unit: time.rounded(unit)),
        ("Location(date: date) -> timezone", lambda time: time.zone),
        ("IsZero(date: date) -> bool", lambda time: time.is_zero),
        ("String(date: date) -> string", lambda time: str(time)),
    ),
    Duration: _methods(
        ("Hours(duration: duration) -> float", _length_in(HOUR)),
        ("Minutes(duration: duration) -> float", _length_in(MINUTE)),
        ("Seconds(duration: duration) -> float", _length_in(SECOND)),
        ("Milliseconds(duration: duration) -> int", _whole_units(MILLISECOND)),
        ("Microseconds(duration: duration) -> int", _whole_units(MICROSECOND)),
        ("Nanoseconds(duration: duration) -> int", lambda length: length.nanoseconds),
        (
            "Abs(duration: duration) -> duration",
            lambda length: Duration.clamped(abs(length.nanoseconds)),
        ),
        (
            "Round(duration: duration, unit: duration) -> duration",
            lambda length, unit: length.rounded(unit),
        ),
        (
            "Truncate(duration: duration, unit: duration) -> duration",
            lambda length, unit: length.truncated(unit),
        ),
        ("String(duration: duration) -> string", lambda length: str(length)),
    ),
    Month: _methods(("String(month: any) -> string", lambda month: str(month))),
    Weekday: _methods(("String(weekday: any) -> string", lambda weekday: str(weekday))),
    Zone: _methods(("String(zone: timezone) -> string", lambda zone: str(zone))),
}


def method_of(value: object, name: str) -> Function | None:
    """The method of a value of the language, by its exact name."""
    return METHODS.get(type(value), {}).get(name)
