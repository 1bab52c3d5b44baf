"""The datastore's contract finds faults: each broken one fails the promises that name its fault."""

from __future__ import annotations

import broken_commits
import broken_feed
import broken_listing
import broken_nodes
import broken_reading
import broken_sweeping
import pytest
from flawed_datastore import FLAWS, FlawedDatastore, datastores_with
from tork_memory.datastore import MemoryDatastore

from tork_core.interfaces.datastore import Datastore
from tork_core.testing.datastore import DatastoreContract
from tork_core.testing.promises import BROKEN, keep, promises

DECLARED_IN = (
    broken_commits,
    broken_reading,
    broken_listing,
    broken_feed,
    broken_sweeping,
    broken_nodes,
)


class Suite(DatastoreContract):
    """The contract, without pytest's fixtures; impatient with what is known to be broken."""

    def __init__(self, patience: float) -> None:
        self.patience = patience  # type: ignore[misc]

    async def cut(self, datastore: Datastore) -> None:
        assert isinstance(datastore, MemoryDatastore)
        datastore.close()


async def run(part: type, name: str, patience: float) -> None:
    """Hold a datastore to one promise."""
    datastore, second = datastores_with(part)
    await keep(Suite(patience), name, datastore=datastore, second=second)


@pytest.mark.parametrize("name", promises(DatastoreContract))
async def test_the_datastore_that_the_faults_are_put_into_keeps_the_promise(name: str) -> None:
    await run(FlawedDatastore, name, 10)


@pytest.mark.parametrize(("part", "name"), FLAWS.found, ids=FLAWS.ids)
async def test_the_promise_catches_the_fault(part: type, name: str) -> None:
    with pytest.raises(BROKEN):
        await run(part, name, 0.3)


def test_every_promise_is_known_to_catch_a_fault() -> None:
    assert set(promises(DatastoreContract)) == FLAWS.names
