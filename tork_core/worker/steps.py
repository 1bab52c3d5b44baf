"""The steps of an attempt: its pre tasks, the task itself and its post tasks, one after another.

All are prepared before the first is started, so that a missing image is found before anything has
happened, and the time-out is the task's own: pulling images is not part of it.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator, Sequence

import msgspec

from tork_core.errors import TaskFailed
from tork_core.interfaces.log_tail import LogTail
from tork_core.interfaces.runtime import LogSink, Start
from tork_core.model.spec import AuxiliaryTaskSpec, TaskSpec
from tork_core.model.units import parse_duration


class Step(msgspec.Struct, frozen=True):
    """One process of an attempt. ``title`` is None for the task itself.

    ``mark`` is what the log says before the step's own lines, None where it is the only step.
    """

    task: TaskSpec
    title: str | None = None
    mark: str | None = None

    def failed(self, error: TaskFailed) -> TaskFailed:
        """Say which of the steps failed."""
        if self.title is None:
            return error
        return TaskFailed(
            f"{self.title}: {error.message}", exit_code=error.exit_code, log_tail=error.log_tail
        )


def steps_of(task: TaskSpec) -> list[Step]:
    """Return what an attempt of a task consists of, in order."""
    if not task.pre and not task.post:
        return [Step(task)]
    own = Step(task, mark=f'task "{task.name}"' if task.name else "the task itself")
    return [*_beside("pre", task.pre, task), own, *_beside("post", task.post, task)]


def _beside(
    kind: str, auxiliaries: Sequence[AuxiliaryTaskSpec] | None, task: TaskSpec
) -> Iterator[Step]:
    for number, auxiliary in enumerate(auxiliaries or (), 1):
        title = f'{kind} task "{auxiliary.name}"' if auxiliary.name else f"{kind} task {number}"
        yield Step(_as_task(auxiliary, task), title, mark=title)


def _as_task(auxiliary: AuxiliaryTaskSpec, task: TaskSpec) -> TaskSpec:
    """A pre or post task as a task of its own, within the bounds of the one it belongs to."""
    return TaskSpec(
        **msgspec.structs.asdict(auxiliary),
        limits=task.limits,
        volumes=task.volumes,
        mounts=task.mounts,
        networks=task.networks,
    )


class TailedLog:
    """A log that remembers the end of the current step's, for the error if it is out of time."""

    def __init__(self, log: LogSink) -> None:
        self._log = log
        self.tail = LogTail()

    async def begin(self, mark: str | None) -> None:
        """Begin a step; ``mark`` says which, where there are several."""
        self.tail = LogTail()
        if mark is not None:
            await self.warn(mark)

    async def write(self, data: bytes) -> None:
        """Append the step's bytes."""
        self.tail.feed(data)
        await self._log.write(data)

    async def warn(self, text: str) -> None:
        """Append a line of the engine's own."""
        await self._log.warn(text)


class PreparedStep(msgspec.Struct, frozen=True):
    """A step that may be started."""

    step: Step
    start: Start


async def run_in_turn(prepared: Sequence[PreparedStep], timeout: str | None, log: TailedLog) -> str:
    """Run steps one after another, and return the output of the task itself.

    ``timeout`` bounds all of them together, and each has its own beside it. The first that fails,
    or is out of time and has been stopped, ends them. Raises TaskFailed.
    """
    clock = asyncio.get_running_loop().time
    end = clock() + parse_duration(timeout) if timeout else math.inf
    output = ""
    for item in prepared:
        own = item.step.task.timeout if item.step.title is not None else None
        own_end = clock() + parse_duration(own) if own else math.inf
        over = own if own_end < end else timeout
        when = min(end, own_end)
        await log.begin(item.step.mark)
        result = await _run(item, when, over, log)
        if item.step.title is None:
            output = result
    return output


async def _run(item: PreparedStep, when: float, timeout: str | None, log: TailedLog) -> str:
    """Run a step until the loop's time ``when``, which is the end of the time-out as written."""
    try:
        if when == math.inf:
            return await item.start()
        return await _run_until(item, when, timeout, log)
    except TaskFailed as error:
        failed = item.step.failed(error)
        failed.log_before = log.tail.before()
        raise failed from error


async def _run_until(item: PreparedStep, when: float, timeout: str | None, log: TailedLog) -> str:
    limit = asyncio.timeout_at(when)
    try:
        async with limit:
            return await item.start()
    except TimeoutError:
        if not limit.expired():
            raise
        raise TaskFailed(f"timed out after {timeout}", log_tail=log.tail.text()) from None
