"""Opened files, on clocks that are set by hand."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from tork_sqlite.datastore import SqliteDatastore
from tork_sqlite.store import SqliteStore, open_store

from tork_core.interfaces.environment import Environment


class Clock:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.seconds = 1_800_000_000.0

    def __call__(self) -> float:
        return self.seconds


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "tork.db"


@pytest.fixture
async def store(path: Path, clock: Clock) -> AsyncIterator[SqliteStore]:
    async with open_store(str(path), Environment(clock=clock)) as store:
        yield store


@pytest.fixture
def datastore(store: SqliteStore) -> SqliteDatastore:
    return SqliteDatastore(store)
