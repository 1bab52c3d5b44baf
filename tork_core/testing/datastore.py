"""The contract of datastores: subclass :class:`DatastoreContract` and pytest tests yours by it.

::

    class TestMyDatastore(DatastoreContract):
        @pytest.fixture
        async def datastore(self, database_url):
            async with open_datastore(settings(database_url), Environment()) as datastore:
                yield datastore

        @pytest.fixture
        async def second(self, database_url):
            async with open_datastore(settings(database_url), Environment()) as datastore:
                yield datastore

        async def cut(self, datastore):
            datastore.pool.terminate()

The datastore is empty at the start of every test. Times are short and real: its clock runs.
"""

from __future__ import annotations

from tork_core.testing._datastore_commits import CommittingPromises, LoadingPromises
from tork_core.testing._datastore_feed import FeedPromises, MarkPromises
from tork_core.testing._datastore_listing import ListingPromises, LogPagePromises
from tork_core.testing._datastore_nodes import LeasePromises, NodePromises
from tork_core.testing._datastore_reading import LogPromises, ReadingPromises
from tork_core.testing._datastore_sweeping import (
    ActivePromises,
    DuePromises,
    RunningPromises,
    WaitingPromises,
)


class DatastoreContract(
    LoadingPromises,
    CommittingPromises,
    ReadingPromises,
    LogPromises,
    ListingPromises,
    LogPagePromises,
    FeedPromises,
    MarkPromises,
    DuePromises,
    ActivePromises,
    WaitingPromises,
    RunningPromises,
    NodePromises,
    LeasePromises,
):
    """Every promise of :class:`tork_core.interfaces.datastore.Datastore`, as a test.

    Give the fixtures ``datastore`` (empty) and ``second`` (another connection to the same one)
    and the method ``cut``. ``patience`` may be set for datastores that are slow.
    """
