"""From a task to the container that the engine is asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tork_core.errors import TaskFailed
from tork_core.interfaces.runtime import Execution
from tork_core.model.scripts import interpreter_of
from tork_core.model.spec import LimitsSpec, TaskSpec
from tork_core.model.units import parse_cpus, parse_memory
from tork_docker.volumes import mounts_of

FOLDER = "/tork"
SCRIPT = f"{FOLDER}/script"
OUTPUT = f"{FOLDER}/output"

LABEL_TASK = "tork.task"
LABEL_ATTEMPT = "tork.attempt"
LABEL_NODE = "tork.node"

_LONGEST_VARIABLE = 128 * 1024 - 1
"""Bytes of one ``NAME=value`` that Linux takes (MAX_ARG_STRLEN, with pages of 4 KiB)."""

_FEWEST_CPUS = 0.01
"""Of fewer the kernel takes no share of the engine's own period, which would be under 1 ms."""
_LONGEST_PERIOD = 1_000_000
"""Microseconds. A thousandth of it is the smallest share there is."""


@dataclass(frozen=True)
class Ground:
    """What all containers of a runtime have in common."""

    node: str
    network: str
    pids_limit: int

    def labels(self, execution: Execution) -> dict[str, str]:
        """Return what everything that is made for an attempt is marked with."""
        return {
            LABEL_TASK: execution.task_id,
            LABEL_ATTEMPT: str(execution.attempt),
            LABEL_NODE: self.node,
        }

    def config(self, execution: Execution) -> dict[str, object]:
        """Return what the engine is told of a container, but for what it executes.

        Nothing of it comes from the task but its image, variables and limits. Raises TaskFailed.
        """
        return {
            "Image": image_of(execution.task),
            "Env": _variables({**execution.env, "TORK_OUTPUT": OUTPUT}),
            "Labels": self.labels(execution),
            # One that the image declares would run beside the task, now and then.
            "Healthcheck": {"Test": ["NONE"]},
            "HostConfig": {
                "NetworkMode": self.network,
                "Privileged": False,
                "SecurityOpt": ["no-new-privileges"],
                "PidsLimit": self.pids_limit,
                "Init": True,
                "LogConfig": {"Type": "none"},
                **limits_of(execution.task.limits),
                **mounts_of(execution.volumes, self.labels(execution)),
            },
        }


def image_of(task: TaskSpec) -> str:
    """Return the image of a task. Raises TaskFailed if it names none."""
    if not task.image:
        raise TaskFailed("image is missing: the docker runtime runs every task in an image")
    return task.image


def script_words(task: TaskSpec) -> list[str]:
    """Return the command line for a task's script, by the image's own sh unless it names another.

    As in the shell runtime, an entrypoint takes the place of what would start the script, and cmd
    gives its arguments.
    """
    interpreter = task.entrypoint or interpreter_of(task.run or "") or ["sh"]
    return [*interpreter, SCRIPT, *(task.cmd or ())]


def own_words(task: TaskSpec) -> dict[str, Sequence[str]]:
    """Return what takes the place of the image's own entrypoint and command."""
    if task.run is not None:
        return {"Entrypoint": script_words(task)}
    words: dict[str, Sequence[str]] = {}
    if task.entrypoint:
        words["Entrypoint"] = task.entrypoint
    if task.cmd:
        words["Cmd"] = task.cmd
    return words


def _variables(env: Mapping[str, str]) -> list[str]:
    return [_variable(name, value) for name, value in env.items()]


def _variable(name: str, value: str) -> str:
    if not name or "=" in name:
        raise TaskFailed(f'env: "{name}" cannot be the name of a variable')
    text = f"{name}={value}"
    if "\0" in text:
        raise TaskFailed(f"the variable {name} holds a NUL character, which no process can get")
    length = len(text.encode(errors="replace"))
    if length > _LONGEST_VARIABLE:
        raise TaskFailed(
            f"env: the value of {name} is {length - len(name.encode()) - 1} bytes long; one "
            f"variable may have {_LONGEST_VARIABLE} bytes with its name: give long texts in a file"
        )
    return text


def limits_of(limits: LimitsSpec | None) -> dict[str, int]:
    """Return what the engine is told of limits. Raises TaskFailed if they are none."""
    found: dict[str, int] = {}
    if limits is None:
        return found
    try:
        if limits.cpus is not None:
            found.update(_cpus(parse_cpus(limits.cpus)))
        if limits.memory is not None:
            # No swap beside it: a limit is one number.
            found["Memory"] = found["MemorySwap"] = parse_memory(limits.memory)
    except ValueError as error:
        raise TaskFailed(f"limits: {error}") from error
    return found


def _cpus(cpus: float) -> dict[str, int]:
    if cpus < _FEWEST_CPUS:
        return {"CpuPeriod": _LONGEST_PERIOD, "CpuQuota": round(cpus * _LONGEST_PERIOD)}
    return {"NanoCpus": round(cpus * 10**9)}
