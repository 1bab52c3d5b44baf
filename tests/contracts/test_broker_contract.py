"""The broker's contract finds faults: each broken broker fails the promises that name its fault."""

from __future__ import annotations

import broken_consuming
import broken_publishing
import broken_queues
import pytest
from flawed_broker import FLAWS, FlawedBroker, broker_with
from tork_memory.broker import MemoryBroker

from tork_core.interfaces.broker import Broker
from tork_core.testing.broker import BrokerContract
from tork_core.testing.promises import BROKEN, keep, promises

DECLARED_IN = (broken_publishing, broken_consuming, broken_queues)


class Suite(BrokerContract):
    """The contract, without pytest's fixtures; impatient with what is known to be broken."""

    quiet = 0.02

    def __init__(self, patience: float) -> None:
        self.patience = patience  # type: ignore[misc]

    async def cut(self, broker: Broker) -> None:
        assert isinstance(broker, MemoryBroker)
        broker.close()


async def run(flawed: type[FlawedBroker], name: str, patience: float) -> None:
    """Hold a broker to one promise."""
    queues = flawed.shared()
    broker, second = flawed(queues), flawed(queues)
    await keep(Suite(patience), name, broker=broker, second=second, queue="contract")


@pytest.mark.parametrize("name", promises(BrokerContract))
async def test_the_broker_that_the_faults_are_put_into_keeps_the_promise(name: str) -> None:
    await run(FlawedBroker, name, 10)


@pytest.mark.parametrize(("part", "name"), FLAWS.found, ids=FLAWS.ids)
async def test_the_promise_catches_the_fault(part: type, name: str) -> None:
    with pytest.raises(BROKEN):
        await run(broker_with(part), name, 0.3)


def test_every_promise_is_known_to_catch_a_fault() -> None:
    assert set(promises(BrokerContract)) == FLAWS.names
