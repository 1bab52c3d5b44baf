"""The in-memory datastore, opened up so that faults can be put into it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from flaws import Flaws
from tork_memory.datastore import MemoryDatastore
from tork_memory.feed import Feed, Marks
from tork_memory.nodes import NodeTable
from tork_memory.rows import EncodedChange, JobEntry
from tork_memory.store import MemoryStore
from tork_memory.task_index import TaskIndex

from tork_core.interfaces.datastore import Committed, JobChange
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.leases import Leases

FLAWS = Flaws()
caught_by = FLAWS.caught_by


class FlawedDatastore(MemoryDatastore):
    """The in-memory datastore with what a fault needs to get in; as it stands it has none."""

    _shared: Any

    async def commit(self, changes: Sequence[JobChange]) -> Committed:
        return await super().commit([self.before(change) for change in changes])

    def before(self, change: JobChange) -> JobChange:
        """What is written in the place of a change."""
        return change

    def entry(self, job_id: str) -> JobEntry | None:
        """A job as it is stored."""
        return self._shared._jobs.get(job_id)

    def conflicts(self, change: JobChange) -> bool:
        """Whether a change would be a conflict."""
        entry = self.entry(change.job.id)
        return (entry.version if entry else 0) != change.base

    def force(self, change: JobChange) -> None:
        """Write a change whatever the version is."""
        entry = self.entry(change.job.id)
        if entry is not None:
            change.base = entry.version
            change.job.version = max(change.job.version, entry.version + 1)
        self._shared.write(EncodedChange(change))


def datastores_with(part: type) -> tuple[FlawedDatastore, FlawedDatastore]:
    """Put a broken part into a store and connect to it twice."""
    made = part if issubclass(part, MemoryStore) else MemoryStore
    store: Any = made(Environment())
    if issubclass(part, NodeTable):
        store.nodes = part()
    if issubclass(part, Feed):
        store.feed = part()
    if issubclass(part, Marks):
        store.marks = part()
    if issubclass(part, Leases):
        store.leases = part()
    if issubclass(part, TaskIndex):
        store._tasks = part()
    connection = part if issubclass(part, FlawedDatastore) else FlawedDatastore
    return connection(store), connection(store)
