"""The contract of runtimes: subclass :class:`RuntimeContract` and pytest tests yours by it.

::

    class TestMyRuntime(RuntimeContract):
        @pytest.fixture
        async def runtime(self):
            async with open_runtime(settings) as runtime:
                yield runtime

        def task(self, script):
            return TaskSpec(image="debian:stable-slim", run=script)

The scripts are those of a POSIX shell, with ``setsid`` (util-linux or busybox) at hand. Processes
are looked for on the host that the tests run on, which must be Linux and see the tasks' processes.
"""

from __future__ import annotations

from tork_core.testing._runtime_base import CollectedLog, make_execution, processes_with
from tork_core.testing._runtime_limits import LimitPromises
from tork_core.testing._runtime_log import LogPromises, ProcessPromises
from tork_core.testing._runtime_output import OutputPromises
from tork_core.testing._runtime_stopping import CancelPromises, EndPromises, StartPromises

__all__ = [
    "CancelPromises",
    "CollectedLog",
    "EndPromises",
    "LimitPromises",
    "LogPromises",
    "OutputPromises",
    "ProcessPromises",
    "RuntimeContract",
    "StartPromises",
    "make_execution",
    "processes_with",
]


class RuntimeContract(
    StartPromises,
    OutputPromises,
    LogPromises,
    ProcessPromises,
    LimitPromises,
    EndPromises,
    CancelPromises,
):
    """Every promise of :class:`tork_core.interfaces.runtime.Runtime`, as a test.

    Give the fixture ``runtime``. Override ``task`` and ``words`` where tasks need more than a
    script or a command, and ``honours``, ``names_signals``, ``ambient`` and ``patience`` for what
    the runtime is like.
    """
