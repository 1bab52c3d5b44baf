"""The engine with one of its rules broken on purpose: the simulator has to find each of them.

``python -m tests.simulation.mutations`` tells for every mutation at which seed it was found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Any
from unittest.mock import patch

from tork_memory.rows import EncodedChange

from tests.simulation import wires
from tests.simulation.history import CheckedStore
from tests.simulation.simulate import run_seed, silence
from tork_core.coordinator import sweeper
from tork_core.coordinator.decisions import claiming, draft, ending, fold
from tork_core.coordinator.decisions.draft import Draft, Verdict
from tork_core.coordinator.decisions.expiring import Suspects
from tork_core.coordinator.decisions.inputs import Claimed
from tork_core.interfaces.datastore import HeldTask, Waiting
from tork_core.model.messages import Heartbeat
from tork_core.worker import incarnation, outbox

LIMIT = 1_000
"""Within so many seeds every mutation is found."""


@contextmanager
def no_compare_and_set() -> Iterator[None]:
    """The last writer wins."""
    write = CheckedStore.write

    def overwrite(self: CheckedStore, encoded: EncodedChange) -> list[HeldTask] | None:
        entry = self._jobs.get(encoded.change.job.id)
        if entry is not None:
            encoded.change.base = entry.version
        return write(self, encoded)

    with patch.object(CheckedStore, "write", overwrite):
        yield


@contextmanager
def no_terminal_check() -> Iterator[None]:
    """Jobs and tasks that have ended take what comes, and no table of transitions forbids it."""

    def anything(_: object, target: object) -> object:
        return target

    def always(*_: object) -> bool:
        return True

    with (
        patch.object(claiming, "is_open", always),
        patch.object(ending, "is_open", always),
        patch.object(draft, "move_task", anything),
        patch.object(draft, "move_job", anything),
    ):
        yield


@contextmanager
def no_claim_check() -> Iterator[None]:
    """Whoever asks for an attempt gets it, also when another has it."""
    decide = claiming.claim

    def grant(found: Draft, item: Claimed) -> None:
        task = found.task(item.task_id)
        if task is not None and task.claim is not None and task.attempt == item.attempt:
            found.order(item.claim, Verdict.GRANTED)
        else:
            decide(found, item)

    with patch.object(fold, "claim", grant):
        yield


@contextmanager
def unrecorded_grant() -> Iterator[None]:
    """Claims are granted, and not written down."""

    def grant(found: Draft, item: Claimed) -> None:
        task = found.task(item.task_id)
        is_open = task is not None and claiming.is_open(found, task)
        found.order(item.claim, Verdict.GRANTED if is_open else Verdict.STOPPED)

    with patch.object(fold, "claim", grant):
        yield


@contextmanager
def empty_heartbeats() -> Iterator[None]:
    """Heartbeats list no claims."""

    def empty(**fields: Any) -> Heartbeat:
        return Heartbeat(node=fields["node"], claims=[])

    with patch.object(incarnation, "Heartbeat", empty):
        yield


@contextmanager
def claims_once() -> Iterator[None]:
    """A claim is asked for once only."""
    with (
        patch.object(outbox, "CLAIM_REPEAT", 1e6),
        patch.object(outbox.Outbox, "repeat_all", lambda self: None),
    ):
        yield


@contextmanager
def clocks_of_nodes() -> Iterator[None]:
    """Decisions take the time from their node, not from the datastore."""
    load = wires.SimDatastore.load

    async def skewed(self: wires.SimDatastore, keys: Any) -> Any:
        loaded = await load(self, keys)
        seconds = wires.EPOCH + self.world.loop.time() + self.machine.skew
        loaded.now = datetime.fromtimestamp(seconds, loaded.now.tzinfo)
        return loaded

    with patch.object(wires.SimDatastore, "load", skewed):
        yield


@contextmanager
def impatient_sweeper() -> Iterator[None]:
    """The sweeper sends again whatever has waited for long."""

    def all_of(
        waiting: Sequence[Waiting], _: object, now: datetime, patience: timedelta
    ) -> list[Suspects]:
        return [Suspects(item.queue, item.priority, now - patience) for item in waiting]

    with patch.object(sweeper, "suspects", all_of):
        yield


MUTATIONS: dict[str, Callable[[], Any]] = {
    mutation.__name__: mutation
    for mutation in (
        no_compare_and_set,
        no_terminal_check,
        no_claim_check,
        unrecorded_grant,
        empty_heartbeats,
        claims_once,
        clocks_of_nodes,
        impatient_sweeper,
    )
}


def find(name: str, limit: int = LIMIT) -> tuple[int, str] | None:
    """Return the first seed that finds a mutation, and what it found; None if none does."""
    with MUTATIONS[name]():
        for seed in range(limit):
            error = run_seed(seed).error
            if error is not None:
                return seed, error
    return None


if __name__ == "__main__":
    silence()
    for name in MUTATIONS:
        print(f"{name:20} {find(name)}")
