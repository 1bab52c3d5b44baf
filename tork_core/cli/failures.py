"""From errors to what a user reads: a line or a few on standard error, and an exit status.

0 is success, 1 a failure, 2 wrong usage, 130 an interrupt. No traceback is shown but with
``--debug`` (or ``TORK_DEBUG=1``), which every command takes.
"""

from __future__ import annotations

import os
import select
import sys
import traceback
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, cast

import click

from tork_core.errors import InvalidJob, TorkError, UsageError

_MOST_LINES = 14
"""Lines of an error that are shown."""

INTERRUPTED = 130
PIPE_CLOSED = 141
"""What a shell reports of a program that SIGPIPE has ended."""


@dataclass
class Run:
    """What is known of one run of ``tork``, whether or not its arguments could be read."""

    debug: bool


def run(command: click.Command, arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status; nothing is raised."""
    this = Run(debug=bool(os.environ.get("TORK_DEBUG")))
    try:
        status = _run(command, arguments, this)
        sys.stdout.flush()
    except BaseException as error:  # noqa: BLE001 - the last line of defence
        return _failed(error, debug=this.debug)
    return status


def _run(command: click.Command, arguments: Sequence[str], this: Run) -> int:
    try:
        add_debug(command)
        with command.make_context("tork", list(arguments), obj=this) as ctx:
            command.invoke(ctx)
    except click.exceptions.Exit as error:
        return error.exit_code
    except click.ClickException as error:
        if this.debug:
            traceback.print_exc()
        error.show()
        return error.exit_code
    return 0


def add_debug(command: click.Command) -> click.Command:
    """Give a command, and those below it, the option ``--debug``."""
    if not any("--debug" in param.opts for param in command.params):
        command.params.append(
            click.Option(
                ["--debug"],
                is_flag=True,
                expose_value=False,
                callback=_set_debug,
                is_eager=True,
                help="Show the traceback of an error.",
            )
        )
    if isinstance(command, click.Group):
        for inner in command.commands.values():
            add_debug(inner)
    return command


def _set_debug(ctx: click.Context, param: click.Parameter, value: bool) -> None:
    this = ctx.find_root().obj
    if value and isinstance(this, Run):
        this.debug = True


def _failed(error: BaseException, *, debug: bool) -> int:
    if isinstance(error, SystemExit):
        return error.code if isinstance(error.code, int) else int(error.code is not None)
    errors = list(_leaves(error))
    if any(isinstance(leaf, BrokenPipeError) for leaf in errors) and _nobody_reads():
        return PIPE_CLOSED
    if debug:
        traceback.print_exception(error)
    if any(_is_interrupt(leaf) for leaf in errors):
        return INTERRUPTED
    lines = [line for leaf in errors for line in _lines(leaf)]
    if len(lines) > _MOST_LINES:
        lines = [*lines[:_MOST_LINES], "…"]
    click.echo("\n".join([f"Error: {lines[0]}", *lines[1:]]), err=True)
    return 2 if all(isinstance(leaf, UsageError) for leaf in errors) else 1


def _leaves(error: BaseException) -> Iterator[BaseException]:
    """Yield an error itself, or those of a group, which asyncio makes even of one."""
    if isinstance(error, BaseExceptionGroup):
        for inner in cast("BaseExceptionGroup[Any]", error).exceptions:
            yield from _leaves(inner)
    else:
        yield error


def _is_interrupt(error: BaseException) -> bool:
    # By its name, since asyncio takes longer to import than most commands take.
    cancelled = type(error).__name__ == "CancelledError"
    return cancelled or isinstance(error, click.Abort | KeyboardInterrupt)


def _lines(error: BaseException) -> list[str]:
    if isinstance(error, InvalidJob):
        return [line for problem in error.problems for line in str(problem).splitlines()]
    if isinstance(error, TorkError):
        return str(error).splitlines() or [type(error).__name__]
    if isinstance(error, OSError) and error.filename is not None:
        return [f"{error.filename}: {error.strerror}"]
    return [
        f"this is a fault in Tork or one of its plugins: {type(error).__name__}: {error}"[:2000],
        "Run it again with --debug to see where, and please report it.",
    ]


def _nobody_reads() -> bool:
    """Whether whoever read our output has seen enough. Then we end quietly, as others do."""
    output = sys.stdout.fileno()
    poll = select.poll()
    poll.register(output, 0)
    if not any(event & select.POLLERR for _, event in poll.poll(0)):
        return False  # Another pipe is broken: one to a service, perhaps.
    # Python flushes once more when it ends, and would complain.
    os.dup2(os.open(os.devnull, os.O_WRONLY), output)
    return True
