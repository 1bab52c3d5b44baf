"""Each promise of the contract finds the runtime that breaks it."""

from __future__ import annotations

import pytest
from tork_shell.runtime import ShellRuntime

from tests.runtime import broken
from tork_core.errors import TaskFailed
from tork_core.interfaces.runtime import Runtime
from tork_core.testing.runtime import RuntimeContract


class Impatient(RuntimeContract):
    """A runtime that does not come to an end keeps us waiting for this long, each time."""

    patience = 1.0
    honours = RuntimeContract.honours | {"limits"}


BROKEN: list[tuple[type[broken.PlainRuntime], str]] = [
    (broken.StartsEarly, "nothing_starts_before_start_is_called"),
    (broken.ReturnsBeforeTheEnd, "it_returns_when_the_main_process_has_ended"),
    (broken.KillsOnlyTheMainProcess, "cancelling_stops_the_whole_group"),
    (broken.IgnoresCancellation, "cancelling_kills_after_the_grace"),
    (broken.KillsWithoutAsking, "cancelling_asks_first"),
    (broken.NeverKills, "cancelling_kills_after_the_grace"),
    (broken.CutsTheGraceShort, "cancelling_kills_after_the_grace"),
    (broken.EndsTheGraceWithTheMainProcess, "cancelling_gives_the_whole_group_its_grace"),
    (broken.TakesASecondCancellationForTheEnd, "cancelling_again_kills_at_once"),
    (broken.LosesTheOutput, "the_output_is_returned_exactly"),
    (broken.StripsTheOutput, "the_output_is_returned_exactly"),
    (broken.LosesTheEndOfTheLog, "the_log_has_what_was_printed_last"),
    (broken.KeepsTheLogUntilTheEnd, "the_log_comes_while_the_task_runs"),
    (broken.ReadsAheadOfTheLog, "a_slow_log_holds_the_task_back_and_memory_is_bounded"),
    (broken.ReordersTheLog, "both_streams_come_in_the_order_of_writing"),
    (broken.DecodesTheLog, "the_log_has_every_byte_as_it_was"),
    (broken.ShowsTheWorkersEnvironment, "the_environment_is_what_was_given_and_nothing_else"),
    (broken.InheritsDescriptors, "no_descriptors_are_inherited"),
    (broken.InheritsDescriptors, "no_signal_is_ignored_or_blocked"),
    (broken.HidesTheExitCode, "an_exit_code_is_named"),
]
"""Runtimes with a fault, and a promise that the plain runtime without it keeps."""

TOO_PLAIN = [
    "leaving_by_an_error_while_it_runs_stops_it",
    "an_output_past_the_limit_fails_the_task",
    "an_output_that_is_no_plain_file_is_not_followed",
    "bytes_of_the_output_that_are_no_text_are_replaced",
    "the_error_carries_the_end_of_the_log",
    "a_signal_that_ended_the_task_is_named",
    "a_variable_too_long_for_the_kernel_fails_the_task",
    "the_first_line_of_a_script_is_honoured",
    "a_background_process_that_holds_the_log_is_killed",
    "processes_that_left_the_group_end_with_the_task",
    "cancelling_stops_processes_that_left_the_group",
    "cancelling_at_any_moment_leaves_nothing",
]
"""Promises that the plain runtime breaks."""


@pytest.mark.parametrize(
    ("kind", "promise"), BROKEN, ids=[f"{kind.__name__}-{promise}" for kind, promise in BROKEN]
)
async def test_a_broken_promise_is_found(kind: type[broken.PlainRuntime], promise: str) -> None:
    await broken_by(kind(), promise)


@pytest.mark.parametrize("promise", dict.fromkeys(promise for _, promise in BROKEN))
async def test_the_fault_is_what_breaks_it(promise: str) -> None:
    await kept_by(broken.PlainRuntime(), promise)


@pytest.mark.parametrize("promise", TOO_PLAIN)
async def test_what_a_plain_runtime_does_not_think_of_is_found(promise: str) -> None:
    await broken_by(broken.PlainRuntime(), promise)


async def test_descriptors_left_open_are_found(shell: ShellRuntime) -> None:
    await broken_by(broken.LeavesDescriptorsOpen(shell), "many_tasks_leave_nothing")


@pytest.mark.parametrize(
    "promise", ["fifty_tasks_run_at_once", "an_output_that_was_never_written_is_empty"]
)
async def test_mixed_up_tasks_are_found(shell: ShellRuntime, promise: str) -> None:
    await broken_by(broken.MixesUpTasks(shell), promise)


LIMITS: list[tuple[type[broken.Wrapped], str]] = [
    (broken.ForgetsLimits, "a_task_killed_for_memory_says_so_with_the_limit"),
    (broken.ForgetsLimits, "a_busy_task_gets_no_more_than_its_cpus"),
    (broken.LetsChildrenEscape, "a_task_that_fails_for_a_child_killed_for_memory_says_so_too"),
    (broken.SaysNothingOfMemory, "a_task_killed_for_memory_says_so_with_the_limit"),
    (broken.SaysNothingOfMemory, "a_task_that_fails_for_a_child_killed_for_memory_says_so_too"),
    (broken.FailsWithAnyChild, "a_task_may_go_on_without_a_child_killed_for_memory"),
]


@pytest.mark.parametrize(("kind", "promise"), LIMITS)
@pytest.mark.usefixtures("cgroups")
async def test_limits_that_do_not_hold_are_found(
    shell: ShellRuntime, kind: type[broken.Wrapped], promise: str
) -> None:
    await broken_by(kind(shell), promise)


async def kept_by(runtime: Runtime, promise: str) -> None:
    await getattr(RuntimeContract(), f"test_{promise}")(runtime)


async def broken_by(runtime: Runtime, promise: str) -> None:
    with pytest.raises((AssertionError, TaskFailed, OSError, UnicodeDecodeError)):
        await getattr(Impatient(), f"test_{promise}")(runtime)
