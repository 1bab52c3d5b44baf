"""How a task ended, in words."""

from __future__ import annotations

import signal

from tork_core.errors import TaskFailed
from tork_shell.cgroups import Group


def check(exit_code: int | None, log_tail: str, group: Group | None) -> None:
    """Raise TaskFailed unless a task ended well.

    A task may go on when the kernel killed one of its processes for memory; if it fails then, that
    is why.
    """
    if exit_code is None:
        text = "no exit code: the process would not end, or other code of the worker took it"
        raise TaskFailed(text, log_tail=log_tail)
    if exit_code == 0:
        return
    text = f"exit code {exit_code}"
    if exit_code < 0:
        text = f"killed by {_name(-exit_code)} (signal {-exit_code})"
    if group is not None and (reason := group.killed_for_memory()) is not None:
        text = f"{reason} ({text})"
    raise TaskFailed(text, exit_code=exit_code, log_tail=log_tail)


def _name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"SIGRTMIN+{number - signal.SIGRTMIN}"
