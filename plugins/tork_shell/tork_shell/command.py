"""From a task to the program, the arguments and the environment that the kernel takes."""

from __future__ import annotations

import errno
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tork_core.errors import TaskFailed
from tork_core.model.scripts import interpreter_of
from tork_core.model.spec import TaskSpec

_LONGEST_STRING = 32 * os.sysconf("SC_PAGE_SIZE") - 1
"""Bytes of one argument or of one ``NAME=value`` that Linux takes (MAX_ARG_STRLEN)."""


@dataclass(frozen=True, slots=True)
class Command:
    """What to execute in ``folder``: ``program`` is the file, ``argv[0]`` what it is called by."""

    folder: bytes
    program: bytes
    argv: Sequence[bytes]
    env: Sequence[bytes]


def command_of(task: TaskSpec, env: Mapping[str, str], folder: Path, script: str) -> Command:
    """Return what to execute for a task whose ``run`` stands in the file ``script``.

    Raises TaskFailed if there is nothing to run, or nothing to run it with.
    """
    words = _words(task, script)
    program = _find(words[0], env.get("PATH", ""), folder)
    if program is None:
        hint = "; write each word of a command as an item of its own" if " " in words[0] else ""
        path = env.get("PATH", "")
        raise TaskFailed(f'command not found: "{words[0]}" is not on PATH ({path}){hint}')
    return Command(
        folder=os.fsencode(folder),
        program=_bytes(program, "the command"),
        argv=[_bytes(word, "an argument of the command") for word in words],
        env=[_variable(name, value) for name, value in env.items()],
    )


def _words(task: TaskSpec, script: str) -> list[str]:
    """A task's command line.

    As in a container, an entrypoint takes the place of what would start the script, and cmd gives
    the arguments.
    """
    if task.run is not None:
        # We follow the first line ourselves, so that a folder on a file system without exec works.
        starts = task.entrypoint or interpreter_of(task.run) or ["bash"]
        return [*starts, script, *(task.cmd or ())]
    words = [*(task.entrypoint or ()), *(task.cmd or ())]
    if not words:
        raise TaskFailed("nothing to run: the shell runtime needs run, cmd or entrypoint")
    return words


def _find(name: str, path: str, folder: Path) -> str | None:
    if "/" in name:
        return name
    for place in path.split(":") if name else ():
        candidate = os.path.join(folder, place, name)
        if os.access(candidate, os.X_OK) and os.path.isfile(candidate):
            return candidate
    return None


def _variable(name: str, value: str) -> bytes:
    if not name or "=" in name:
        raise TaskFailed(f'env: "{name}" cannot be the name of a variable')
    return _bytes(f"{name}={value}", f"the variable {name}")


def _bytes(text: str, what: str) -> bytes:
    if "\0" in text:
        raise TaskFailed(f"{what} holds a NUL character, which no process can be given")
    try:
        # As in a container: UTF-8 whatever the worker's locale. What the system gave us as other
        # bytes goes back as it came.
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise TaskFailed(f"{what} holds a character that cannot be encoded: {error}") from None


def why_not_started(command: Command, error: OSError) -> TaskFailed:
    """Say in words why the kernel would not execute a command."""
    name = os.fsdecode(command.program)
    match error.errno:
        case errno.E2BIG:
            return TaskFailed(_too_big(command))
        case errno.ENOENT if os.path.exists(os.path.join(command.folder, command.program)):
            return TaskFailed(f"cannot run {name}: the interpreter that it names does not exist")
        case errno.ENOENT:
            return TaskFailed(f"command not found: {name} does not exist")
        case errno.EACCES:
            return TaskFailed(f"cannot run {name}: it is not an executable file, or not for us")
        case errno.ENOEXEC:
            return TaskFailed(f"cannot run {name}: it is no program, and has no #! line")
        case errno.EAGAIN | errno.ENOMEM | errno.EMFILE | errno.ENFILE:
            return TaskFailed(f"the worker cannot start another process: {error.strerror}")
        case _:
            return TaskFailed(f"cannot run {name}: {error.strerror}")


def _too_big(command: Command) -> str:
    for variable in command.env:
        if len(variable) > _LONGEST_STRING:
            name, _, value = variable.partition(b"=")
            return (
                f"env: the value of {os.fsdecode(name)} is {len(value)} bytes long; one variable "
                f"may have {_LONGEST_STRING} bytes with its name: give long texts in a file"
            )
    for place, argument in enumerate(command.argv):
        if len(argument) > _LONGEST_STRING:
            return (
                f"the command's argument {place} is {len(argument)} bytes long, and may have "
                f"{_LONGEST_STRING}: give long texts in a file"
            )
    total = sum(len(text) + 1 for text in (*command.env, *command.argv))
    return (
        f"the variables and arguments are {total} bytes long together, which is more than the "
        "kernel gives to a process: give long texts in files"
    )
