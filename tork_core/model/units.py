"""Durations, sizes and numbers of CPUs as users write them.

Each parser raises ValueError with a message for the user: what is wrong and what to write.
"""

from __future__ import annotations

import re
from decimal import Decimal

from tork_core.model.problems import quoted

DURATIONS = "300ms, 45m or 1h30m"
CPUS = ".5 or 2"
"""Examples for those who wrote something else."""

_NUMBER = r"(?:[0-9]{1,18}(?:\.[0-9]{0,18})?|\.[0-9]{1,18})"
_PART = re.compile(rf"({_NUMBER})(ms|us|µs|μs|ns|h|m|s)")
_DURATION = re.compile(rf"(?:{_NUMBER}(?:ms|us|µs|μs|ns|h|m|s))+")
_LONGEST_TEXT = 100
_SECONDS = {
    "ns": Decimal("1e-9"),
    "us": Decimal("1e-6"),
    "µs": Decimal("1e-6"),  # the micro sign
    "μs": Decimal("1e-6"),  # the Greek letter
    "ms": Decimal("1e-3"),
    "s": Decimal(1),
    "m": Decimal(60),
    "h": Decimal(3600),
}
_LONGEST = 2**63 / 10**9
"""What Go's durations, and so the original's, can hold: 292 years."""

_MEMORY = re.compile(r"([0-9]{1,18})([bkmg])", re.IGNORECASE)
_BYTES = {"b": 1, "k": 1024, "m": 1024**2, "g": 1024**3}
_MOST_BYTES = 2**63 - 1

_CPUS = re.compile(_NUMBER)
_FEWEST_CPUS = 0.001
_MOST_CPUS = 1_000_000


def parse_duration(text: str) -> float:
    """Return the seconds of a duration such as ``300ms``, ``45m`` or ``1h30m``.

    Raises ValueError for anything else, and for a duration of zero.
    """
    if len(text) > _LONGEST_TEXT or _DURATION.fullmatch(text) is None:
        raise ValueError(f"{quoted(text)} is not a duration; write one such as {DURATIONS}")
    seconds = float(sum(Decimal(number) * _SECONDS[unit] for number, unit in _PART.findall(text)))
    if not 0 < seconds < _LONGEST:
        limit = "longer than zero" if seconds == 0 else "shorter than 292 years"
        raise ValueError(f"{quoted(text)} is no useful duration; write one {limit}, such as 45m")
    return seconds


def parse_memory(text: str) -> int:
    """Return the bytes of a size such as ``10m`` (mebibytes).

    Raises ValueError for anything else, and for a size of zero.
    """
    found = _MEMORY.fullmatch(text)
    if found is None:
        raise ValueError(
            f"{quoted(text)} is not a size; write a number followed by b, k, m or g, such as 10m"
        )
    size = int(found[1]) * _BYTES[found[2].lower()]
    if not 0 < size <= _MOST_BYTES:
        limit = "above 0" if size == 0 else "below 8 exbibytes"
        raise ValueError(f"{quoted(text)} is no useful size; write one {limit}, such as 10m")
    return size


def parse_cpus(text: str) -> float:
    """Return a number of CPUs such as ``.5``.

    Raises ValueError for anything else, and for less than a thousandth.
    """
    if _CPUS.fullmatch(text) is None:
        raise ValueError(f"{quoted(text)} is not a number of CPUs; write one such as {CPUS}")
    cpus = float(text)
    if not _FEWEST_CPUS <= cpus <= _MOST_CPUS:
        limit = f"of at least {_FEWEST_CPUS}" if cpus < 1 else f"of at most {_MOST_CPUS}"
        raise ValueError(
            f"{quoted(text)} is no useful number of CPUs; write one {limit}, such as {CPUS}"
        )
    return cpus
