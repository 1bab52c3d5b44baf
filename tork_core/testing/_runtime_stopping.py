"""Promises about beginnings and ends: nothing starts early, nothing is left behind."""

from __future__ import annotations

import asyncio
import os

from tork_core.interfaces.runtime import Runtime
from tork_core.testing._runtime_base import CollectedLog, RuntimeSuite, dead_children
from tork_core.testing.waiting import soon

_GRACE = 0.3
_SPARE = 3
"""Descriptors that a runtime may open and keep, whatever the number of tasks."""
_LEAVE = (
    "setsid sleep {token} & (setsid sh -c 'sleep {token} & sleep {token}' &) & "
    '(env -i "$(command -v setsid)" "$(command -v sleep)" {token} >/dev/null 2>&1 &); '
)
_WAIT = "echo ready; while :; do sleep 0.05; done"


class StartPromises(RuntimeSuite):
    """Entering the context prepares, calling the function starts, leaving clears up."""

    async def test_nothing_starts_before_start_is_called(self, runtime: Runtime) -> None:
        log = CollectedLog()
        async with self.trial(runtime, "echo started; sleep {token}", log=log) as trial:
            async with runtime.prepare(trial.execution):
                # Time for a process to start and print: another task does so.
                assert await self.log_of(runtime, "echo other") == b"other\n"
                self.nothing_is_left_of(trial)
                assert log.data == b""
            self.nothing_is_left_of(trial)

    async def test_leaving_without_a_start_leaves_nothing(self, runtime: Runtime) -> None:
        tasks = asyncio.all_tasks()
        async with self.trial(runtime, "sleep {token}") as trial:
            async with runtime.prepare(trial.execution):
                pass
            self.nothing_is_left_of(trial)
            assert asyncio.all_tasks() <= tasks

    async def test_leaving_by_an_error_while_it_runs_stops_it(self, runtime: Runtime) -> None:
        log = CollectedLog()
        async with self.trial(runtime, "echo ready; sleep {token}", log=log, grace=_GRACE) as trial:
            run = None
            try:
                async with runtime.prepare(trial.execution) as start:
                    run = asyncio.ensure_future(start())
                    await self.printed(log, "ready", run)
                    raise InterruptedError
            except InterruptedError:
                self.nothing_is_left_of(trial)
            assert run is not None
            await soon(asyncio.wait([run]), within=self.patience)

    async def test_it_returns_when_the_main_process_has_ended(self, runtime: Runtime) -> None:
        script = 'exec >&- 2>&-; sleep 0.3; printf late > "$TORK_OUTPUT"'
        assert await self.output_of(runtime, script) == "late"


class EndPromises(RuntimeSuite):
    """What a task leaves in the background ends with it."""

    async def test_a_background_process_that_holds_the_log_is_killed(
        self, runtime: Runtime
    ) -> None:
        loop = asyncio.get_running_loop()
        log = CollectedLog()
        async with self.trial(runtime, "sleep {token} & echo done", log=log, grace=_GRACE) as trial:
            before = loop.time()
            await soon(trial.run(), within=self.patience)
            taken = loop.time() - before
            self.nothing_is_left_of(trial)
        assert log.data == b"done\n"
        assert taken < self.patience / 2, f"the end came after {taken:.1f} s"

    async def test_what_the_background_prints_at_once_is_logged(self, runtime: Runtime) -> None:
        script = "(sleep 0.2; echo from behind) & echo main"
        assert await self.log_of(runtime, script) == b"main\nfrom behind\n"

    async def test_a_background_process_that_floods_the_log_is_killed(
        self, runtime: Runtime
    ) -> None:
        async with self.trial(runtime, "yes $TORK_TASK_ID & echo done", grace=_GRACE) as trial:
            await soon(trial.run(), within=self.patience)
            self.nothing_is_left_of(trial)

    async def test_processes_that_left_the_group_end_with_the_task(self, runtime: Runtime) -> None:
        script = _LEAVE + "sleep 0.1; echo done"
        async with self.trial(runtime, script, grace=_GRACE) as trial:
            await soon(trial.run(), within=self.patience)
            self.nothing_is_left_of(trial)

    async def test_a_failed_task_leaves_nothing(self, runtime: Runtime) -> None:
        async with self.trial(runtime, "sleep {token} >/dev/null 2>&1 & exit 1") as trial:
            run = trial.begin()
            await soon(asyncio.wait([run]), within=self.patience)
            assert run.exception() is not None
            self.nothing_is_left_of(trial)

    async def test_many_tasks_leave_nothing(self, runtime: Runtime) -> None:
        await self.log_of(runtime, "true")
        tasks, files, dead = asyncio.all_tasks(), _open_files(), dead_children()
        scripts = ("true", "echo x; exit 1", "sleep {token} & true", "kill -9 $$", "echo y")
        for script in scripts * 2:
            async with self.trial(runtime, script, grace=_GRACE) as trial:
                run = trial.begin()
                await soon(asyncio.wait([run]), within=self.patience)
                self.nothing_is_left_of(trial)
                run.exception()
        assert asyncio.all_tasks() <= tasks
        assert _open_files() <= files + _SPARE
        assert set(dead_children()) <= set(dead)


class CancelPromises(RuntimeSuite):
    """Cancelling the call stops the task: SIGTERM, the grace, SIGKILL."""

    async def test_cancelling_asks_first(self, runtime: Runtime) -> None:
        log = CollectedLog()
        script = f"trap 'sleep 0.2; echo tidied; exit 0' TERM; {_WAIT}"
        async with self.trial(runtime, script, log=log) as trial:
            run = trial.begin()
            await self.printed(log, "ready", run)
            await self.cancel(run)
            assert log.has("tidied"), f"it was killed before its grace was over: {log.data!r}"
            self.nothing_is_left_of(trial)

    async def test_cancelling_kills_after_the_grace(self, runtime: Runtime) -> None:
        loop = asyncio.get_running_loop()
        log = CollectedLog()
        async with self.trial(runtime, f"trap '' TERM; {_WAIT}", log=log, grace=_GRACE) as trial:
            run = trial.begin()
            await self.printed(log, "ready", run)
            before = loop.time()
            await self.cancel(run)
            assert loop.time() - before >= _GRACE * 0.9, "the grace was cut short"
            self.nothing_is_left_of(trial)

    async def test_cancelling_again_kills_at_once(self, runtime: Runtime) -> None:
        log = CollectedLog()
        script = f"trap 'echo asked' TERM; {_WAIT}"
        async with self.trial(runtime, script, log=log, grace=10 * self.patience) as trial:
            run = trial.begin()
            await self.printed(log, "ready", run)
            run.cancel()
            await self.printed(log, "asked", run)
            await self.cancel(run)
            self.nothing_is_left_of(trial)

    async def test_cancelling_stops_the_whole_group(self, runtime: Runtime) -> None:
        log = CollectedLog()
        script = "sleep {token} & (sleep {token}; true) & echo ready; wait"
        async with self.trial(runtime, script, log=log) as trial:
            run = trial.begin()
            await self.printed(log, "ready", run)
            await self.cancel(run)
            self.nothing_is_left_of(trial)

    async def test_cancelling_gives_the_whole_group_its_grace(self, runtime: Runtime) -> None:
        log = CollectedLog()
        child = "trap 'sleep 0.2; echo child tidied; exit 0' TERM; echo ready; " + _WAIT
        script = f"sh -c \"{child}\" & trap 'exit 0' TERM; wait"
        async with self.trial(runtime, script, log=log) as trial:
            run = trial.begin()
            await self.printed(log, "ready", run)
            await self.cancel(run)
            assert log.has("child tidied"), log.data

    async def test_cancelling_stops_processes_that_left_the_group(self, runtime: Runtime) -> None:
        log = CollectedLog()
        script = f"{_LEAVE} trap '' TERM; sleep 0.1; {_WAIT}"
        async with self.trial(runtime, script, log=log, grace=_GRACE) as trial:
            run = trial.begin()
            await self.printed(log, "ready", run)
            await self.cancel(run)
            self.nothing_is_left_of(trial)

    async def test_cancelling_stops_a_task_whose_log_is_not_taken(self, runtime: Runtime) -> None:
        log = _StuckLog()
        async with self.trial(runtime, "yes $TORK_TASK_ID", log=log, grace=_GRACE) as trial:
            run = trial.begin()
            await soon(log.stuck.wait(), within=self.patience)
            await self.cancel(run)
            self.nothing_is_left_of(trial)

    async def test_cancelling_at_any_moment_leaves_nothing(self, runtime: Runtime) -> None:
        await self.log_of(runtime, "true")
        tasks, files, dead = asyncio.all_tasks(), _open_files(), dead_children()
        for turns in [*range(12), 15, 20, 30, 50, 80, 120]:
            script = "echo ready; (setsid sleep {token} &); head -c 100000 /dev/zero; sleep 0.01"
            async with self.trial(runtime, script, grace=_GRACE) as trial:
                run = trial.begin()
                for turn in range(turns):
                    await asyncio.sleep(0 if turn < 10 else 0.0002)
                run.cancel()
                await soon(asyncio.wait([run]), within=self.patience)
                assert run.cancelled() or run.exception() is None
                self.nothing_is_left_of(trial)
        assert asyncio.all_tasks() <= tasks
        assert _open_files() <= files + _SPARE
        assert set(dead_children()) <= set(dead)


class _StuckLog:
    """A log that takes nothing any more."""

    def __init__(self) -> None:
        self.stuck = asyncio.Event()

    async def write(self, data: bytes) -> None:
        self.stuck.set()
        await asyncio.Event().wait()

    async def warn(self, text: str) -> None: ...


def _open_files() -> int:
    return len(os.listdir("/proc/self/fd"))
