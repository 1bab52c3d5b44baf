"""Time zones: named ones from the IANA database, and bare offsets."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC as PYTHON_UTC
from datetime import datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from tork_core.errors import ExpressionError

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=PYTHON_UTC)
# Zones are asked about the time nearest to this range that Python can hold.
_FIRST: Final = -62_135_510_400
_LAST: Final = 253_402_214_400


@dataclass(frozen=True, slots=True)
class Zone:
    """A time zone. ``name`` is an IANA name, or the letters of a bare offset (often none)."""

    name: str
    source: tzinfo

    @staticmethod
    def fixed(seconds: int, name: str = "") -> Zone:
        """A zone that is always so many seconds east of UTC."""
        if not -86_400 < seconds < 86_400:
            raise ExpressionError("the offset of a time zone is a day or more")
        offset = timedelta(seconds=seconds)
        return Zone(name, timezone(offset, name) if name else timezone(offset))

    @staticmethod
    def from_python(value: tzinfo | None) -> Zone:
        """The zone of a Python date; none is UTC."""
        if value is None or value is PYTHON_UTC:
            return UTC
        if isinstance(value, ZoneInfo):
            return UTC if value.key == "UTC" else Zone(value.key or "Local", value)
        offset = value.utcoffset(None)
        return Zone("", timezone(offset)) if offset is not None else UTC

    def to_python(self) -> tzinfo:
        """The zone as Python has it: a ZoneInfo, or a :class:`datetime.timezone`."""
        return self.source

    def at(self, seconds: int) -> tuple[int, str]:
        """Seconds east of UTC and the zone's letters at a time (seconds since 1970)."""
        source = self.source
        if isinstance(source, timezone):
            return round(source.utcoffset(None).total_seconds()), self.name
        moment = _EPOCH + timedelta(seconds=max(_FIRST, min(_LAST, seconds)))
        local = moment.astimezone(source)
        offset = local.utcoffset() or timedelta()
        return round(offset.total_seconds()), local.tzname() or ""

    def __str__(self) -> str:
        return self.name


UTC: Final = Zone("UTC", ZoneInfo("UTC"))


@lru_cache(maxsize=256)
def named(name: str) -> Zone:
    """The zone with an IANA name, or raise :class:`ExpressionError`; no name is UTC."""
    if name in ("", "UTC"):
        return UTC
    try:
        return Zone(name, ZoneInfo(name))
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ExpressionError(
            f"there is no time zone {name[:60]!r}", hint="write an IANA name, such as Europe/Paris"
        ) from None
