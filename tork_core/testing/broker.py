"""The contract of brokers: subclass :class:`BrokerContract` and pytest tests yours by it.

::

    class TestMyBroker(BrokerContract):
        @pytest.fixture
        async def broker(self):
            async with open_broker(settings, Environment()) as broker:
                yield broker

        @pytest.fixture
        async def second(self):
            async with open_broker(settings, Environment()) as broker:
                yield broker

        async def cut(self, broker):
            broker.transport.abort()

The broker need not be empty: each test uses queues of its own.
"""

from __future__ import annotations

from tork_core.testing._broker_consuming import ConsumingPromises
from tork_core.testing._broker_publishing import PublishingPromises
from tork_core.testing._broker_queues import ObservingPromises, QueuePromises


class BrokerContract(PublishingPromises, ConsumingPromises, QueuePromises, ObservingPromises):
    """Every promise of :class:`tork_core.interfaces.broker.Broker`, as a test.

    Give the fixtures ``broker`` and ``second`` (another connection to the same broker) and the
    method ``cut``. ``patience`` and ``quiet`` may be set for brokers that are slow or quick.
    """
