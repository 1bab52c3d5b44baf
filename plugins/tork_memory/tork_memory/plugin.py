"""What this distribution offers: the broker and the datastore named ``inmemory``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from tork_core.hookspecs import hookimpl
from tork_core.interfaces.broker import Broker
from tork_core.interfaces.datastore import Datastore
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.provider import BrokerProvider, DatastoreProvider
from tork_core.settings import Bytes, Settings, option


class MemoryBrokerSettings(Settings, prefix="inmemory"):
    """The broker has nothing to set."""


class MemoryDatastoreSettings(Settings, prefix="inmemory"):
    """How much of what has ended is kept."""

    kept_jobs: int = option(
        2_000, least=1, help="How many ended jobs are kept; those that ended first go first."
    )
    kept_log_bytes: Bytes = option(
        "64m",
        least=1 << 16,
        help="How much memory logs may take; those of the jobs that ended first go first.",
    )


@asynccontextmanager
async def open_broker(
    settings: MemoryBrokerSettings, environment: Environment
) -> AsyncGenerator[Broker, None]:
    """Open a broker of its own, empty."""
    from tork_memory.broker import MemoryBroker
    from tork_memory.queues import MemoryQueues

    broker = MemoryBroker(MemoryQueues())
    try:
        yield broker
    finally:
        broker.close()


@asynccontextmanager
async def open_datastore(
    settings: MemoryDatastoreSettings, environment: Environment
) -> AsyncGenerator[Datastore, None]:
    """Open a datastore of its own, empty, that goes by the environment's clock."""
    from tork_memory.datastore import MemoryDatastore
    from tork_memory.store import MemoryStore

    store = MemoryStore(
        environment, kept_jobs=settings.kept_jobs, kept_log_bytes=settings.kept_log_bytes
    )
    datastore = MemoryDatastore(store)
    try:
        yield datastore
    finally:
        datastore.close()


@hookimpl
def tork_brokers() -> Iterable[BrokerProvider]:
    """Offer the in-memory broker."""
    return [
        BrokerProvider(
            name="inmemory",
            help="Messages in the memory of this process; nothing to install, nothing kept.",
            settings=MemoryBrokerSettings,
            open=open_broker,
            shared=False,
        )
    ]


@hookimpl
def tork_datastores() -> Iterable[DatastoreProvider]:
    """Offer the in-memory datastore."""
    return [
        DatastoreProvider(
            name="inmemory",
            help="Jobs in the memory of this process; nothing to install, nothing kept.",
            settings=MemoryDatastoreSettings,
            open=open_datastore,
            durable=False,
            shared=False,
        )
    ]
