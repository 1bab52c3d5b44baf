"""The datastore in a SQLite file keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from tork_sqlite.datastore import SqliteDatastore
from tork_sqlite.store import SqliteStore, open_store

from tork_core.interfaces.datastore import Datastore
from tork_core.interfaces.environment import Environment
from tork_core.testing.datastore import DatastoreContract


class TestSqliteDatastore(DatastoreContract):
    @pytest.fixture
    async def store(self, tmp_path: Path) -> AsyncIterator[SqliteStore]:
        async with open_store(str(tmp_path / "tork.db"), Environment()) as store:
            yield store

    @pytest.fixture
    def datastore(self, store: SqliteStore) -> Iterator[Datastore]:
        datastore = SqliteDatastore(store)
        yield datastore
        datastore.close()

    @pytest.fixture
    def second(self, store: SqliteStore) -> Iterator[Datastore]:
        datastore = SqliteDatastore(store)
        yield datastore
        datastore.close()

    async def cut(self, datastore: Datastore) -> None:
        assert isinstance(datastore, SqliteDatastore)
        datastore.close()
