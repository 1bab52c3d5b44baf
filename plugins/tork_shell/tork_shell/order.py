"""Orders for the launcher: what a process has to do before it is the task's own.

An order lies in memory, in a file without a name that the launcher gets as its standard input. So
it can be of any length, and what cannot be carried out comes back by the same way.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Generator, Sequence
from dataclasses import replace
from pathlib import Path

from tork_core.errors import TaskFailed
from tork_shell.command import Command, why_not_started
from tork_shell.launcher import HEAD
from tork_shell.owner import Owner

_LIBRARIES = "LD_LIBRARY_PATH"


class Order:
    """An order that was written. ``file`` is the standard input of the launcher."""

    def __init__(self, file: int, command: Command) -> None:
        self.file = file
        self._command = command

    def failure(self) -> TaskFailed | None:
        """Say why the launcher did not get to execute the command, None if it did, or was killed.

        To be asked when the process has ended.
        """
        step, *number = os.pread(self.file, HEAD, 0).split() or (b"",)
        if not step:
            return None
        error = OSError(int(number[0]), os.strerror(int(number[0])))
        match step:
            case b"enter":
                return TaskFailed(f"limits: the task cannot enter its cgroup: {error.strerror}")
            case b"rights":
                return TaskFailed(f"the worker's rights cannot be given up: {error.strerror}")
            case _:
                return why_not_started(self._command, error)


@contextlib.contextmanager
def written(command: Command, entries: Sequence[bytes], owner: Owner | None) -> Generator[Order]:
    """Write an order: enter the cgroups of ``entries``, become ``owner``, execute the command.

    A command without words is not executed. Raises OSError.
    """
    uid, gid = (-1, -1) if owner is None else owner
    counts = (len(entries), len(command.argv), len(command.env), uid, gid)
    head = b" " * HEAD + " ".join(map(str, counts)).encode()
    text = b"\0".join([head, command.program, *entries, *command.argv, *command.env])
    file = os.memfd_create("tork-order", os.MFD_CLOEXEC)
    try:
        os.truncate(file, len(text))
        done = 0
        while done < len(text):
            done += os.pwrite(file, text[done:], done)
        yield Order(file, command)
    finally:
        os.close(file)


def launcher(command: Command) -> Command:
    """Return the command that carries an order out, in the folder of the one it will execute.

    The worker's own variable is what the interpreter may need to find its libraries.
    """
    program = os.fsencode(sys.executable)
    script = os.fsencode(Path(__file__).with_name("launcher.py"))
    env = [f"{_LIBRARIES}={os.environ[_LIBRARIES]}".encode()] if _LIBRARIES in os.environ else []
    return replace(command, program=program, argv=[program, b"-I", b"-S", script], env=env)
