"""What this distribution offers: the datastore named ``sqlite``."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from tork_core.hookspecs import hookimpl
from tork_core.interfaces.datastore import Datastore
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.provider import DatastoreProvider
from tork_core.settings import Seconds, Settings, option

_HOUR = 3600


def _check_path(path: str) -> None:
    if not path.strip():
        raise ValueError("names no file")


class SqliteSettings(Settings, prefix="sqlite"):
    """Where the file is, and how long it keeps what has ended."""

    path: str = option(
        "tork.db",
        check=_check_path,
        help="The database's file, on a local disk; it is made if it is missing.",
    )
    kept_jobs: Seconds = option(
        "8760h", least=_HOUR, help="How long a job is kept after its end; 8760h is a year."
    )
    kept_logs: Seconds = option(
        "168h", least=_HOUR, help="How long the logs of tasks are kept; 168h is a week."
    )


@asynccontextmanager
async def open_datastore(
    settings: SqliteSettings, environment: Environment
) -> AsyncGenerator[Datastore, None]:
    """Open the file for this process alone, and delete what is too old beside the work."""
    from tork_sqlite.datastore import SqliteDatastore
    from tork_sqlite.retention import Kept, retaining
    from tork_sqlite.store import open_store

    async with (
        open_store(settings.path, environment) as store,
        retaining(store, Kept(jobs=settings.kept_jobs, logs=settings.kept_logs)),
    ):
        datastore = SqliteDatastore(store)
        try:
            yield datastore
        finally:
            datastore.close()


@hookimpl
def tork_datastores() -> Iterable[DatastoreProvider]:
    """Offer the datastore in a SQLite file."""
    return [
        DatastoreProvider(
            name="sqlite",
            help="Jobs in one file, by SQLite: they survive a restart; for one machine.",
            settings=SqliteSettings,
            open=open_datastore,
            durable=True,
            shared=False,
        )
    ]
