"""Promises about limits, for runtimes that honour them."""

from __future__ import annotations

import msgspec
import pytest

from tork_core.errors import TaskFailed
from tork_core.interfaces.runtime import Runtime
from tork_core.model.spec import LimitsSpec, TaskSpec
from tork_core.testing._runtime_base import RuntimeSuite

_MEMORY = "20m"
_HUNGRY = "x=0123456789; while [ ${#x} -lt 200000000 ]; do x=$x$x; done"
_CPUS = ".2"
_TICKS = 30
"""Hundredths of a second of CPU time that the busy task uses."""
_BUSY = f"""
now() {{ read -r up _ < /proc/uptime; echo "${{up%.*}}${{up#*.}}"; }}
use() {{ read -r line < /proc/$$/stat; set -- ${{line##*) }}; used=$((${{12}} + ${{13}})); }}
began=$(now)
use
first=$used
while [ $((used - first)) -lt {_TICKS} ]; do use; done
echo $(($(now) - began)) > "$TORK_OUTPUT"
"""


class LimitPromises(RuntimeSuite):
    """Memory and CPUs are held for a task with all of its processes."""

    def limited(
        self, script: str, *, cpus: str | None = None, memory: str | None = None
    ) -> TaskSpec:
        """Return a task with limits; skips the promise where the runtime does not honour them."""
        if "limits" not in self.honours:
            pytest.skip("this runtime does not honour limits")
        limits = LimitsSpec(cpus=cpus, memory=memory)
        return msgspec.structs.replace(self.task(script), limits=limits)

    async def test_a_task_killed_for_memory_says_so_with_the_limit(self, runtime: Runtime) -> None:
        _says_the_limit(
            await self.failure_of(runtime, self.limited(f"{_HUNGRY}; true", memory=_MEMORY))
        )

    async def test_a_task_that_fails_for_a_child_killed_for_memory_says_so_too(
        self, runtime: Runtime
    ) -> None:
        script = f"(setsid sh -c '{_HUNGRY}; echo done') | grep done || exit 4"
        failed = await self.failure_of(runtime, self.limited(script, memory=_MEMORY))
        _says_the_limit(failed)
        assert failed.exit_code == 4

    async def test_a_task_may_go_on_without_a_child_killed_for_memory(
        self, runtime: Runtime
    ) -> None:
        script = f"sh -c '{_HUNGRY}'; test $? = 137 && echo killed"
        log = await self.log_of(runtime, self.limited(script, memory=_MEMORY))
        assert log.endswith(b"killed\n")

    async def test_a_task_within_its_limits_is_as_ever(self, runtime: Runtime) -> None:
        task = self.limited("echo here; exit 7", cpus="1", memory="256m")
        failed = await self.failure_of(runtime, task)
        assert failed.exit_code == 7
        assert "memory" not in failed.message

    async def test_a_busy_task_gets_no_more_than_its_cpus(self, runtime: Runtime) -> None:
        # A machine that has more to do can only lengthen it.
        fastest = _TICKS / float(_CPUS)
        async with self.trial(runtime, self.limited(_BUSY, cpus=_CPUS)) as trial:
            taken = int(await trial.run())
        assert taken > 0.7 * fastest, f"{_TICKS} hundredths of a second took only {taken}"


def _says_the_limit(failed: TaskFailed) -> None:
    wanted = f"killed for memory: it used more than its limit of {_MEMORY}"
    assert wanted in failed.message, f"the limit was not held, or not told: {failed}"
