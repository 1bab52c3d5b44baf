"""The in-memory datastore keeps the contract, with atomic and with step-wise commits."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pytest
from tork_memory.datastore import MemoryDatastore
from tork_memory.store import MemoryStore

from tork_core.interfaces.datastore import Datastore
from tork_core.interfaces.environment import Environment
from tork_core.testing.datastore import DatastoreContract


class TestMemoryDatastore(DatastoreContract):
    stepwise: ClassVar[bool] = False

    @pytest.fixture
    def store(self) -> MemoryStore:
        return MemoryStore(Environment(), stepwise=self.stepwise)

    @pytest.fixture
    def datastore(self, store: MemoryStore) -> Iterator[Datastore]:
        datastore = MemoryDatastore(store)
        yield datastore
        datastore.close()

    @pytest.fixture
    def second(self, store: MemoryStore) -> Iterator[Datastore]:
        datastore = MemoryDatastore(store)
        yield datastore
        datastore.close()

    async def cut(self, datastore: Datastore) -> None:
        assert isinstance(datastore, MemoryDatastore)
        datastore.close()


class TestStepwiseMemoryDatastore(TestMemoryDatastore):
    stepwise = True
