"""Contract suites: what a broker, a datastore and a runtime must keep, as tests to inherit.

A plugin's tests subclass the suite of its kind and give the fixtures that it names::

    from tork_core.testing.broker import BrokerContract

    class TestMyBroker(BrokerContract):
        @pytest.fixture
        async def broker(self): ...

Install ``tork-core[testing]`` for what the suites need: pytest and pytest-asyncio.
"""

import pkgutil

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{module.name}" for module in pkgutil.iter_modules(__path__))
)
