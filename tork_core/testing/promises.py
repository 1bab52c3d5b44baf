"""Running single promises of a suite, to prove that they catch what they should.

A suite is only worth as much as the faults that it finds. Tests of a suite hand a broken
implementation to one of its promises and expect :func:`keep` to raise.
"""

from __future__ import annotations

import inspect
from typing import Any

import pytest

from tork_core.errors import TorkError

BROKEN = (AssertionError, pytest.fail.Exception, TorkError)
"""What a promise raises that is not kept."""


def promises(suite: type) -> dict[str, list[dict[str, Any]]]:
    """The names of a suite's tests, each with the parameters of all of its runs."""
    return {
        name: _runs(test)
        for name, test in inspect.getmembers(suite, inspect.isfunction)
        if name.startswith("test_")
    }


async def keep(suite: object, name: str, **fixtures: Any) -> None:
    """Run one promise with those of the fixtures that it takes, once for each parameter set."""
    test = getattr(suite, name)
    wanted = inspect.signature(test).parameters
    given = {key: value for key, value in fixtures.items() if key in wanted}
    for run in _runs(test):
        await test(**given, **run)


def _runs(test: Any) -> list[dict[str, Any]]:
    runs: list[dict[str, Any]] = [{}]
    for mark in getattr(test, "pytestmark", []):
        if mark.name == "parametrize":
            names, values = mark.args
            names = [names] if isinstance(names, str) else names
            sets = [value if len(names) > 1 else (value,) for value in values]
            runs = [run | dict(zip(names, s, strict=True)) for run in runs for s in sets]
    return runs
