"""The in-memory broker keeps the contract."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from tork_memory.broker import MemoryBroker
from tork_memory.queues import MemoryQueues

from tork_core.interfaces.broker import Broker
from tork_core.testing.broker import BrokerContract


class TestMemoryBroker(BrokerContract):
    quiet = 0.02

    @pytest.fixture
    def queues(self) -> MemoryQueues:
        return MemoryQueues()

    @pytest.fixture
    def broker(self, queues: MemoryQueues) -> Iterator[Broker]:
        broker = MemoryBroker(queues)
        yield broker
        broker.close()

    @pytest.fixture
    def second(self, queues: MemoryQueues) -> Iterator[Broker]:
        broker = MemoryBroker(queues)
        yield broker
        broker.close()

    async def cut(self, broker: Broker) -> None:
        assert isinstance(broker, MemoryBroker)
        broker.close()
