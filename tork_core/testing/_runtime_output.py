"""Promises about a task's result: its output, or the error that it failed with."""

from __future__ import annotations

import pytest

from tork_core.errors import TaskFailed
from tork_core.interfaces.runtime import Runtime
from tork_core.testing._runtime_base import RuntimeSuite
from tork_core.testing.waiting import soon

_PRINT_VALUE = 'printf %s "$VALUE" > "$TORK_OUTPUT"'
_SECRET = "what-only-others-may-read"


class OutputPromises(RuntimeSuite):
    """See :data:`tork_core.interfaces.runtime.Start`."""

    async def test_the_output_is_returned_exactly(self, runtime: Runtime) -> None:
        for text in ("one", "two\nlines\n", "grüße ✓ 😀", " \t\n\n", "trailing\r\n", "x" * 60_000):
            assert await self.output_of(runtime, _PRINT_VALUE, VALUE=text) == text

    async def test_the_output_file_is_there_and_empty_at_the_start(self, runtime: Runtime) -> None:
        script = 'test -f "$TORK_OUTPUT" && test ! -s "$TORK_OUTPUT" && echo so it is'
        for _ in range(3):
            assert await self.log_of(runtime, script) == b"so it is\n"

    async def test_an_output_that_was_never_written_is_empty(self, runtime: Runtime) -> None:
        assert await self.output_of(runtime, _PRINT_VALUE, VALUE="of another task") != ""
        assert await self.output_of(runtime, "true") == ""

    async def test_an_output_that_was_moved_into_place_is_read(self, runtime: Runtime) -> None:
        script = 'printf moved > "$TORK_OUTPUT.new"; mv "$TORK_OUTPUT.new" "$TORK_OUTPUT"'
        assert await self.output_of(runtime, script) == "moved"
        assert await self.output_of(runtime, "true") == ""

    async def test_bytes_of_the_output_that_are_no_text_are_replaced(
        self, runtime: Runtime
    ) -> None:
        script = r"""printf 'a\377b\000c\303\251\303' > "$TORK_OUTPUT" """
        assert await self.output_of(runtime, script) == "a\ufffdbcé\ufffd"

    async def test_an_output_as_long_as_the_limit_is_returned(self, runtime: Runtime) -> None:
        script = 'head -c 1000 /dev/zero | tr "\\0" x > "$TORK_OUTPUT"'
        async with self.trial(runtime, script, output_limit=1000) as trial:
            assert await soon(trial.run(), within=self.patience) == "x" * 1000

    async def test_an_output_past_the_limit_fails_the_task(self, runtime: Runtime) -> None:
        script = 'head -c 1001 /dev/zero > "$TORK_OUTPUT"'
        failed = await self.failure_of(runtime, script, output_limit=1000)
        assert "1000" in failed.message

    async def test_an_output_that_is_no_plain_file_is_not_followed(self, runtime: Runtime) -> None:
        away = f'echo {_SECRET} > secret; rm "$TORK_OUTPUT"; '
        for trick in (
            'ln -s "$PWD/secret" "$TORK_OUTPUT"',
            'ln "$PWD/secret" "$TORK_OUTPUT"',
            'mkfifo "$TORK_OUTPUT"',
            'mkdir "$TORK_OUTPUT"',
            "ln -s /dev/zero $TORK_OUTPUT",
            "true",
        ):
            async with self.trial(runtime, away + trick) as trial:
                try:
                    output = await soon(trial.run(), within=self.patience)
                except TaskFailed as failed:
                    output = failed.message
                assert _SECRET not in output, f"{trick}: what it points to was read"
                assert "\0" not in output
            assert await self.output_of(runtime, "true") == "", f"{trick}: spoilt the next task"

    async def test_an_exit_code_is_named(self, runtime: Runtime) -> None:
        failed = await self.failure_of(runtime, "exit 3")
        assert failed.exit_code == 3
        assert failed.message == "exit code 3"

    async def test_the_error_carries_the_end_of_the_log(self, runtime: Runtime) -> None:
        count = "i=0; while [ $i -lt 3000 ]; do echo line $i; i=$((i+1)); done"
        script = f"{count}; echo problem >&2; exit 1"
        failed = await self.failure_of(runtime, script)
        lines = failed.log_tail.splitlines()
        assert lines[-2:] == ["line 2999", "problem"]
        assert len(lines) <= 20

    async def test_the_error_is_short_whatever_was_printed(self, runtime: Runtime) -> None:
        script = "head -c 1000000 /dev/zero | tr '\\0' x; exit 1"
        failed = await self.failure_of(runtime, script)
        assert 100 < len(failed.log_tail) < 50_000

    async def test_a_signal_that_ended_the_task_is_named(self, runtime: Runtime) -> None:
        failed = await self.failure_of(runtime, "kill -KILL $$")
        if self.names_signals:
            assert "SIGKILL" in failed.message
            assert failed.exit_code == -9
        else:
            assert "137" in failed.message

    async def test_a_failed_task_has_no_output(self, runtime: Runtime) -> None:
        failed = await self.failure_of(runtime, f"{_PRINT_VALUE}; exit 1", VALUE="half of it")
        assert failed.exit_code == 1

    async def test_a_command_that_does_not_exist_fails_the_task(self, runtime: Runtime) -> None:
        if "cmd" not in self.honours:
            pytest.skip("the runtime does not honour cmd")
        failed = await self.failure_of(runtime, self.words(cmd=["no-such-command-anywhere"]))
        assert "no-such-command-anywhere" in failed.message

    async def test_a_variable_too_long_for_the_kernel_fails_the_task(
        self, runtime: Runtime
    ) -> None:
        failed = await self.failure_of(runtime, "true", LARGE="x" * 200_000)
        assert "LARGE" in failed.message

    async def test_a_variable_with_a_nul_fails_the_task(self, runtime: Runtime) -> None:
        failed = await self.failure_of(runtime, "true", BROKEN="a\0b")
        assert "BROKEN" in failed.message
