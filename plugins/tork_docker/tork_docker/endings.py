"""How a task ended, in words."""

from __future__ import annotations

import re
import signal

from tork_core.errors import TaskFailed
from tork_core.interfaces.runtime import Execution
from tork_core.model.spec import TaskSpec
from tork_docker.engine import EngineError, Json
from tork_docker.plan import script_words

_INIT = re.compile(r"^\[(?:FATAL|WARN +) tini \(\d+\)\] exec (.+) failed: (.+)$", re.MULTILINE)
"""What the engine's init prints when it cannot execute a command."""
_NOT_EXECUTED = (126, 127)
_TOO_LONG = re.compile(r"exec \S+: argument list too long\s*")
"""What a container prints that cannot even execute the engine's init."""
_SIGNALLED = 128
_TOO_LONG_WORDS = "the variables or arguments are too long: give long texts in files"


def failure(task: TaskSpec, exit_code: int, state: Json, log_tail: str) -> TaskFailed:
    """Say how a task ended whose exit code is not nought; ``state`` is the engine's view of it."""
    if _TOO_LONG.fullmatch(log_tail):
        return TaskFailed(f'image "{task.image}": {_TOO_LONG_WORDS}')
    text = f"exit code {exit_code}"
    found = _INIT.search(log_tail) if exit_code in _NOT_EXECUTED else None
    if state.get("OOMKilled"):
        text = f"killed for memory: {_memory(task)} ({text})"
    elif found is not None:
        text = (
            f'cannot run "{found[1]}" in the image "{task.image}": {found[2]}{_as_words(found[1])}'
        )
        log_tail = _INIT.sub("", log_tail).strip()
    elif state.get("Error"):
        text = f"{text}: {state['Error']}"
    elif (name := _signal(exit_code)) is not None:
        text = f"{text} ({name})"
    return TaskFailed(text, exit_code=exit_code, log_tail=log_tail)


def not_started(task: TaskSpec, error: EngineError) -> TaskFailed:
    """Say why the engine would not make or start a container."""
    if error.status == 0:
        return TaskFailed(error.message)
    text = error.message
    if "argument list too long" in text:
        text = _TOO_LONG_WORDS
    elif "No command specified" in text:
        text = "nothing to run: it has no command of its own; write run, cmd or entrypoint"
    elif "bind source path does not exist" in text:
        text = f"volumes: the engine cannot see the worker's folders; see --temp-dir ({text})"
    elif "error mounting" in text and task.volumes:
        return TaskFailed(f'volumes: the image "{task.image}" has no room for one: {text}')
    elif is_about_limits(error):
        text = f"limits: {text}"
    return TaskFailed(f'image "{task.image}": {text}')


def is_about_limits(error: EngineError) -> bool:
    """Whether the engine says that limits cannot be."""
    return "memory limit" in error.message or "CPUs" in error.message


def _memory(task: TaskSpec) -> str:
    if task.limits is None or task.limits.memory is None:
        return "the host has no more of it"
    return f"it used more than its limit of {task.limits.memory}"


def no_shell(execution: Execution) -> TaskFailed:
    """Say that a script cannot be run as it is written: no ``sh`` was found."""
    image, path = execution.task.image, execution.env.get("PATH")
    if path is not None:
        return TaskFailed(
            f'command not found: in the image "{image}" there is no sh on the PATH that the task '
            f"sets ({path}); begin it with the image's own, such as /usr/bin:/bin, since variables "
            "in it are not replaced"
        )
    return TaskFailed(
        f'image "{image}": it has no sh to run the script with; begin the script with #! and '
        "the path of a program that the image has, or write cmd instead"
    )


def _as_words(command: str) -> str:
    """What to do if a whole command line was written as the name of a program."""
    return "; write each word of a command as an item of its own" if " " in command else ""


def no_interpreter(task: TaskSpec) -> TaskFailed:
    """Say that what is to run a script is not there."""
    name = script_words(task)[0]
    return TaskFailed(
        f'cannot run the script: in the image "{task.image}" there is no program "{name}", which '
        f"{'entrypoint' if task.entrypoint else 'its first line'} names"
    )


def _signal(exit_code: int) -> str | None:
    """The signal that an exit code speaks of, by the custom of shells and of Docker."""
    try:
        return signal.Signals(exit_code - _SIGNALLED).name if exit_code > _SIGNALLED else None
    except ValueError:
        return None
