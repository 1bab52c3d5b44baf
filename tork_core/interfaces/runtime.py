"""Runtimes: ways to run a task on a worker."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, runtime_checkable

from tork_core.model.spec import TaskSpec


class LogSink(Protocol):
    """Where a runtime writes what its task prints."""

    async def write(self, data: bytes) -> None:
        """Append the task's bytes to its log, in order.

        Waits while the log cannot be shipped, so that a flood is held back at its source. Bytes
        may be cut anywhere: characters over two calls are put together again.
        """
        ...

    async def warn(self, text: str) -> None:
        """Append a line of the engine's own: a warning, or the progress of a pull."""
        ...


@dataclass(kw_only=True)
class Execution:
    """What a runtime gets to run: an attempt of a task, or one of its pre and post tasks.

    ``task`` is rendered: no templates are left in it. A pre or post task comes as a task of its
    own, with the limits and volumes of the one that it belongs to, and needs no look at ``pre``
    and ``post``: the worker runs one after the other. ``env`` is the whole environment of the
    task, ``TORK_JOB_ID``, ``TORK_TASK_ID`` and ``TORK_ATTEMPT`` included; the runtime adds
    ``TORK_OUTPUT``. ``scratch`` makes, on its first call, a private folder (mode 0700), the same
    one for a task and its pre and post tasks, that the worker removes after the attempt. ``kept``
    gives a folder beside it that stays until the worker ends, for files that a runtime uses again
    for other attempts: so they too lie where ``--temp-dir`` says. Others may pass through it, and
    it holds other things: name what you make as ``tempfile.mkdtemp`` does.
    ``volumes`` is what :meth:`VolumeRuntime.volumes` gave for the task. ``output_limit`` is the
    longest output in bytes, ``grace`` how long in seconds a task that is stopped may take between
    SIGTERM and SIGKILL: to be read when the task is stopped, since a worker that is in a hurry
    lowers it.
    """

    job_id: str
    task_id: str
    attempt: int
    task: TaskSpec
    env: Mapping[str, str]
    log: LogSink
    scratch: Callable[[], Path]
    kept: Callable[[], Path]
    volumes: Mapping[str, str] = field(default_factory=dict[str, str])
    output_limit: int = 64 * 1024
    grace: float = 5.0


Start = Callable[[], Awaitable[str]]
"""Runs the prepared task to its end; returns its output or raises TaskFailed."""


class Runtime(Protocol):
    """Runs attempts of tasks. One instance serves all slots of a worker at once."""

    def prepare(self, execution: Execution) -> AbstractAsyncContextManager[Start]:
        """Prepare an attempt, and give the function that runs it.

        Entering the context does whatever may be done before the worker is allowed to start the
        task (pull an image, create a container, write the script), and starts nothing: the claim
        may yet be refused. The function it gives is then called at most once. It returns the
        task's output (what the task wrote to the file named by ``TORK_OUTPUT``), or raises
        TaskFailed with the exit code or signal and the end of the log.

        Cancelling the call stops the task: SIGTERM, ``execution.grace`` seconds, SIGKILL. When
        the context is left, in every case and also by cancellation, nothing of the attempt is
        left: no process, container, volume or file outside ``execution.scratch`` and
        ``execution.kept``.
        """
        ...

    async def health(self) -> str | None:
        """Return None if tasks can be run now, else what is wrong, in words."""
        ...


@runtime_checkable
class VolumeRuntime(Runtime, Protocol):
    """A runtime that honours ``volumes``."""

    def volumes(self, execution: Execution) -> AbstractAsyncContextManager[Mapping[str, str]]:
        """Make the temporary volumes that ``execution.task`` names, empty.

        Gives, for each path, what the runtime knows its volume by; that comes back in
        ``Execution.volumes`` for the task and each of its pre and post tasks, all of which are
        over when the context is left. Then nothing is left of the volumes. Raises TaskFailed.
        """
        ...
