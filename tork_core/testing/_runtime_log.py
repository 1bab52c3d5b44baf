"""Promises about how a task is run, and about its log."""

from __future__ import annotations

import asyncio
import os
import signal
from pathlib import Path

import pytest

from tork_core.interfaces.runtime import Runtime
from tork_core.testing._runtime_base import CollectedLog, RuntimeSuite
from tork_core.testing.waiting import soon

_FLOOD = 50_000_000
_BOUND = 24 * 2**20


class LogPromises(RuntimeSuite):
    """See :class:`tork_core.interfaces.runtime.LogSink`."""

    async def test_both_streams_come_in_the_order_of_writing(self, runtime: Runtime) -> None:
        script = "i=0; while [ $i -lt 300 ]; do echo out $i; echo err $i >&2; i=$((i+1)); done"
        wanted = "".join(f"out {i}\nerr {i}\n" for i in range(300))
        assert await self.log_of(runtime, script) == wanted.encode()

    async def test_the_log_comes_while_the_task_runs(self, runtime: Runtime) -> None:
        log = CollectedLog()
        async with self.trial(runtime, "echo first; sleep {token}", log=log) as trial:
            run = trial.begin()
            await self.printed(log, "first", run)
            assert not run.done()
            await self.cancel(run)

    async def test_the_log_has_every_byte_as_it_was(self, runtime: Runtime) -> None:
        script = r"printf '\303'; sleep 0.05; printf '\251\377\000\r\nend'"
        assert await self.log_of(runtime, script) == b"\xc3\xa9\xff\x00\r\nend"

    async def test_the_log_has_what_was_printed_last(self, runtime: Runtime) -> None:
        script = "head -c 60000 /dev/zero | tr '\\0' x; echo end"
        for _ in range(5):
            assert await self.log_of(runtime, script) == b"x" * 60_000 + b"end\n"

    async def test_a_slow_log_holds_the_task_back_and_memory_is_bounded(
        self, runtime: Runtime
    ) -> None:
        log = SlowLog(bytes_per_second=40_000_000)
        async with self.trial(runtime, f"head -c {_FLOOD} /dev/zero", log=log) as trial:
            await soon(trial.run(), within=self.patience)
        assert log.length == _FLOOD
        grown = log.most_memory - log.first_memory
        assert grown < _BOUND, f"memory grew by {grown} bytes"

    async def test_the_log_holds_no_lines_of_the_runtime(self, runtime: Runtime) -> None:
        assert await self.log_of(runtime, "true") == b""


class ProcessPromises(RuntimeSuite):
    """What a task finds when it starts."""

    async def test_standard_input_is_at_its_end(self, runtime: Runtime) -> None:
        assert await self.log_of(runtime, "cat; echo end") == b"end\n"

    async def test_no_signal_is_ignored_or_blocked(self, runtime: Runtime) -> None:
        script = "grep -E 'Sig(Ign|Blk)' /proc/self/status"
        lines = (await self.log_of(runtime, script)).decode().splitlines()
        # Bits 31 and 32 are the C library's own signals, which no program can set.
        masks = {line[:6]: int(line.split()[1], 16) & (2**31 - 1) for line in lines}
        assert masks == {"SigIgn": 0, "SigBlk": 0}
        assert signal.getsignal(signal.SIGPIPE) is signal.SIG_IGN, "the test shows nothing"

    async def test_the_environment_is_what_was_given_and_nothing_else(
        self, runtime: Runtime
    ) -> None:
        os.environ["SECRET_OF_THE_WORKER"] = "visible"
        try:
            log = await self.log_of(runtime, "env", GIVEN="it is", **{"with.dots": "yes"})
        finally:
            del os.environ["SECRET_OF_THE_WORKER"]
        names = {line.partition("=")[0] for line in log.decode().splitlines()}
        own = {"TORK_JOB_ID", "TORK_TASK_ID", "TORK_ATTEMPT", "TORK_OUTPUT"}
        assert names >= {"GIVEN", *own}
        of_shells = {"PATH", "HOME", "PWD", "OLDPWD", "SHLVL", "_"}
        assert names - {"GIVEN", "with.dots", *own} <= of_shells | self.ambient

    async def test_values_arrive_unchanged(self, runtime: Runtime) -> None:
        for value in ("", "a b", "$HOME `id`", "'\"\\", "two\nlines\n", "grüße", "x" * 100_000):
            script = 'printf %s "$VALUE"'
            assert await self.log_of(runtime, script, VALUE=value) == value.encode()

    async def test_no_descriptors_are_inherited(self, runtime: Runtime) -> None:
        given = os.open("/dev/null", os.O_RDONLY)
        os.set_inheritable(given, True)
        try:
            log = await self.log_of(runtime, "for f in /proc/$$/fd/*; do readlink $f; done; true")
        finally:
            os.close(given)
        # A shell has its script open as well.
        places = [line for line in log.decode().splitlines() if line.startswith("/dev/null")]
        assert len(places) <= 1, f"beside standard input: {log.decode()}"

    async def test_a_script_goes_on_after_an_error(self, runtime: Runtime) -> None:
        assert await self.log_of(runtime, "false; echo after") == b"after\n"

    async def test_the_first_line_of_a_script_is_honoured(self, runtime: Runtime) -> None:
        assert await self.log_of(runtime, "#!/bin/cat\nhello $x\n") == b"#!/bin/cat\nhello $x\n"

    async def test_a_script_may_be_long(self, runtime: Runtime) -> None:
        script = f"# {'x' * 300_000}\necho end"
        assert await self.log_of(runtime, script) == b"end\n"

    async def test_a_command_is_executed_without_a_shell(self, runtime: Runtime) -> None:
        if not {"cmd", "entrypoint"} <= self.honours:
            pytest.skip("the runtime does not honour cmd and entrypoint")
        words = ["%s|", "a b", "$HOME", "*", ""]
        alone = self.words(cmd=["printf", *words])
        assert await self.log_of(runtime, alone) == b"a b|$HOME|*||"
        with_entrypoint = self.words(entrypoint=["printf", "%s-"], cmd=["a b", "c"])
        assert await self.log_of(runtime, with_entrypoint) == b"a b-c-"

    async def test_fifty_tasks_run_at_once(self, runtime: Runtime) -> None:
        script = 'printf %s "$NUMBER" > "$TORK_OUTPUT"; echo "$NUMBER"'
        numbers = [str(number) for number in range(50)]
        outputs = await asyncio.gather(
            *(self.output_of(runtime, script, NUMBER=number) for number in numbers)
        )
        assert outputs == numbers

    async def test_a_runtime_that_can_run_tasks_is_healthy(self, runtime: Runtime) -> None:
        assert await runtime.health() is None


class SlowLog:
    """A log that takes so many bytes a second, and looks how much memory this process has."""

    def __init__(self, bytes_per_second: float) -> None:
        self._rate = bytes_per_second
        self.length = 0
        self.first_memory = _memory()
        self.most_memory = 0

    async def write(self, data: bytes) -> None:
        self.length += len(data)
        self.most_memory = max(self.most_memory, _memory())
        await asyncio.sleep(len(data) / self._rate)

    async def warn(self, text: str) -> None: ...


def _memory() -> int:
    pages = Path("/proc/self/statm").read_text().split()[1]
    return int(pages) * os.sysconf("SC_PAGE_SIZE")
