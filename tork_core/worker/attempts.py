"""One attempt of a task: prepared, granted, run, reported."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

import msgspec
import structlog

from tork_core.errors import TaskFailed, TorkError
from tork_core.interfaces.middleware import LogFilter, TaskLogContext
from tork_core.interfaces.runtime import Execution, Runtime, VolumeRuntime
from tork_core.logs import hiding
from tork_core.model.messages import ReportItem, TaskMessage
from tork_core.model.scripts import unix_script
from tork_core.model.spec import LimitsSpec, TaskSpec
from tork_core.settings.core import WorkerSettings
from tork_core.worker.ledger import Holding
from tork_core.worker.scratch import Scratch, ScratchRoot
from tork_core.worker.shipping import Shipper, TaskLog
from tork_core.worker.steps import PreparedStep, Step, TailedLog, run_in_turn, steps_of

_log = structlog.get_logger()

ENGINE_FIELDS = frozenset(
    {
        "name",
        "description",
        "tags",
        "env",
        "queue",
        "pre",
        "post",
        "retry",
        "timeout",
        "var",
        "if",
        "priority",
    }
)
"""Fields that the engine itself carries out, whatever the runtime."""


class Offer(msgspec.Struct, frozen=True):
    """A runtime with what it has declared: the fields that it honours, and those it may ignore."""

    name: str
    runtime: Runtime
    honours: frozenset[str]
    ignores: frozenset[str]


def default_limits(settings: WorkerSettings) -> LimitsSpec | None:
    """The limits of tasks that set none themselves; None if there are none."""
    cpus, memory = settings.default_cpus_limit, settings.default_memory_limit
    return LimitsSpec(cpus=cpus, memory=memory) if cpus or memory else None


OpenFilter = Callable[[TaskLogContext], LogFilter | None]
"""The chain of log middleware; None where nothing has to be filtered."""

AdmitTask = Callable[[TaskSpec], TaskSpec]
"""The chain of task middleware at the stage ``run``."""


class Attempts:
    """Runs attempts through a runtime."""

    def __init__(
        self,
        offer: Offer,
        settings: WorkerSettings,
        admit: AdmitTask,
        open_filter: OpenFilter,
    ) -> None:
        self._offer = offer
        self._settings = settings
        self._admit = admit
        self._open_filter = open_filter
        self._scratch = ScratchRoot(settings.temp_dir)
        self._live: dict[int, _Ground] = {}

    async def run(self, message: TaskMessage, holding: Holding, shipper: Shipper) -> None:
        """Run the attempt to its end, and leave its report with the holding.

        Never raises for what the task does. Cancellation stops the task, and leaves no report.
        """
        try:
            task_filter = self._open_filter(_log_context(message))
        except Exception as error:  # noqa: BLE001 -- a plugin's fault fails the task, not the slot
            _log.exception("log_filter.failed")
            holding.end(_report(holding, error=_filter_failed(error)))
            return
        log = TaskLog(holding.item, shipper, task_filter, self._settings.log_limit)
        scratch = Scratch(self._scratch)
        try:
            try:
                output = await self._execute(message, holding, log, scratch)
            finally:
                await scratch.remove()
            if output is not None:
                holding.end(_report(holding, output=output, log_parts=await log.close()))
        except asyncio.CancelledError:
            _finish(log)
            raise
        except TaskFailed as error:
            await self._fail(message, holding, log, error)
        except Exception as error:  # noqa: BLE001 -- a runtime's fault fails its task, not the slot
            with hiding(lambda text: self._shown_if_possible(text, message)):
                _log.exception("runtime.failed", runtime=self._offer.name)
            text = f"runtime {self._offer.name}: {type(error).__name__}: {error}"
            await self._fail(message, holding, log, TaskFailed(text))

    async def _fail(
        self, message: TaskMessage, holding: Holding, log: TaskLog, error: TaskFailed
    ) -> None:
        try:
            parts = await log.close()
            shown = self._shown_failure(error, message)
        except Exception as fault:  # noqa: BLE001 -- what a broken filter has not seen is not shown
            _log.exception("log_filter.failed")
            parts = await log.close()
            shown = _filter_failed(fault)
        holding.end(_report(holding, error=shown, log_parts=parts))

    async def health(self) -> str | None:
        """None if the runtime can run tasks now, else what is wrong."""
        return await self._offer.runtime.health()

    def hurry(self) -> None:
        """Tasks that are stopped from now on are killed at once."""
        for ground in self._live.values():
            for execution in ground.executions:
                execution.grace = 0.0

    async def remove_leftovers(self) -> None:
        """Remove the scratch folders of workers that have died."""
        await self._scratch.remove_leftovers()

    def close(self) -> None:
        """Remove what the attempts shared; none of them runs any more."""
        self._scratch.close()

    def _shown_failure(self, error: TaskFailed, message: TaskMessage) -> str:
        """Say why an attempt failed, with the end of its log, without what must not be seen.

        The filter is told what stands before that end: a secret may have been cut in two.
        """
        text = self._shown(error.message, message)
        if not error.log_tail:
            return text
        return f"{text}\n{self._shown(error.log_tail, message, before=error.log_before)}"

    def _shown(self, text: str, message: TaskMessage, *, before: str = "") -> str:
        """Text about an attempt without what must not be seen."""
        found = self._open_filter(_log_context(message))
        if found is None:
            return text
        if before:
            found.feed(before)
        return found.feed(text) + found.flush()

    def _shown_if_possible(self, text: str, message: TaskMessage) -> str:
        try:
            return self._shown(text, message)
        except Exception as error:  # noqa: BLE001 -- it may be this very filter that has failed
            return _filter_failed(error)

    async def _execute(
        self, message: TaskMessage, holding: Holding, log: TaskLog, scratch: Scratch
    ) -> str | None:
        """Return the output; None if the attempt was not allowed to start."""
        task = self._admitted(message.spec)
        steps = steps_of(task)
        ground = _Ground(message, TailedLog(log), scratch, {}, [], set())
        self._live[id(ground)] = ground
        try:
            if len(steps) > 1 or task.volumes:
                return await self._execute_steps(task, steps, ground, holding)
            await self._warn_of_ignored(task, ground)
            async with self._offer.runtime.prepare(self._execution(task, ground)) as start:
                if not await holding.permission():
                    return None
                return await run_in_turn([PreparedStep(steps[0], start)], task.timeout, ground.log)
        finally:
            del self._live[id(ground)]

    async def _execute_steps(
        self, task: TaskSpec, steps: Sequence[Step], ground: _Ground, holding: Holding
    ) -> str | None:
        async with AsyncExitStack() as stack:
            if task.volumes and "volumes" in self._offer.honours:
                runtime = self._offer.runtime
                assert isinstance(runtime, VolumeRuntime), f"{self._offer.name} says it is one"
                volumes = runtime.volumes(self._execution(task, ground))
                ground.volumes = await stack.enter_async_context(volumes)
            prepared = [await self._prepare(stack, step, ground) for step in steps]
            if not await holding.permission():
                return None
            return await run_in_turn(prepared, task.timeout, ground.log)

    async def _prepare(self, stack: AsyncExitStack, step: Step, ground: _Ground) -> PreparedStep:
        try:
            await self._warn_of_ignored(step.task, ground)
            execution = self._execution(step.task, ground)
            start = await stack.enter_async_context(self._offer.runtime.prepare(execution))
        except TaskFailed as error:
            raise step.failed(error) from error
        return PreparedStep(step, start)

    def _execution(self, task: TaskSpec, ground: _Ground) -> Execution:
        message = ground.message
        if task.run is not None:
            task = msgspec.structs.replace(task, run=unix_script(task.run))
        execution = Execution(
            job_id=message.job_id,
            task_id=message.task_id,
            attempt=message.attempt,
            task=task,
            env={**(task.env or {}), **_identity(message)},
            log=ground.log,
            scratch=ground.scratch,
            kept=self._scratch.kept,
            volumes=ground.volumes,
            output_limit=self._settings.output_limit,
            grace=self._settings.stop_grace,
        )
        ground.executions.append(execution)
        return execution

    def _admitted(self, task: TaskSpec) -> TaskSpec:
        defaults = default_limits(self._settings)
        if defaults is not None:
            limits = (task.limits or LimitsSpec()).over(defaults)
            task = msgspec.structs.replace(task, limits=limits)
        if task.timeout is None and self._settings.default_timeout is not None:
            task = msgspec.structs.replace(task, timeout=self._settings.default_timeout)
        try:
            return self._admit(task)
        except TorkError as error:
            raise TaskFailed(str(error)) from error

    async def _warn_of_ignored(self, task: TaskSpec, ground: _Ground) -> None:
        """Tell the log, once, of each field that is ignored.

        Raises TaskFailed for one that cannot be.
        """
        offer = self._offer
        for attribute, field in _EXECUTION_FIELDS:
            if getattr(task, attribute) is None or field in offer.honours:
                continue
            if field not in offer.ignores:
                raise TaskFailed(_cannot(offer.name, field))
            if field not in ground.ignored:
                ground.ignored.add(field)
                await ground.log.warn(f"{field} is ignored by the runtime {offer.name}")


class _Ground(msgspec.Struct):
    """What all steps of an attempt share, and what they were made into."""

    message: TaskMessage
    log: TailedLog
    scratch: Scratch
    volumes: Mapping[str, str]
    executions: list[Execution]
    ignored: set[str]


def _cannot(runtime: str, field: str) -> str:
    need = ", which need a container" if field in _CONTAINER_FIELDS else ""
    return (
        f"{field}: the runtime {runtime} cannot carry out {field}{need}; remove it from the "
        "task, or use another runtime"
    )


_CONTAINER_FIELDS = frozenset({"volumes", "mounts", "networks", "sidecars", "gpus"})

_EXECUTION_FIELDS = [
    (info.name, info.encode_name)
    for info in msgspec.structs.fields(TaskSpec)
    if info.encode_name not in ENGINE_FIELDS
]


def _identity(message: TaskMessage) -> dict[str, str]:
    """What tells a task which attempt it is, to fence its effects outside."""
    return {
        "TORK_JOB_ID": message.job_id,
        "TORK_TASK_ID": message.task_id,
        "TORK_ATTEMPT": str(message.attempt),
    }


def _log_context(message: TaskMessage) -> TaskLogContext:
    return TaskLogContext(
        job_id=message.job_id,
        task_id=message.task_id,
        attempt=message.attempt,
        env=message.spec.env or {},
        secrets=tuple(message.secrets),
    )


def _finish(log: TaskLog) -> None:
    """Let all of the log of a stopped task be shipped; nobody waits, since nothing is reported."""
    try:
        log.finish()
    except Exception:  # noqa: BLE001 -- a plugin's fault is none of the stop that goes on
        _log.exception("log_filter.failed")


def _filter_failed(error: Exception) -> str:
    return f"a log filter failed ({type(error).__name__}); see the worker's own log"


def handed_back(holding: Holding, reason: str) -> ReportItem:
    """The report of an attempt that was not run to its end, by no fault of its own."""
    return _report(holding, error=reason, handed_back=True)


def _report(
    holding: Holding,
    *,
    output: str | None = None,
    error: str | None = None,
    handed_back: bool = False,
    log_parts: int | None = None,
) -> ReportItem:
    item = holding.item
    return ReportItem(
        job_id=item.job_id,
        task_id=item.task_id,
        attempt=item.attempt,
        number=item.number,
        beat=item.beat,
        output=output,
        error=error,
        handed_back=handed_back,
        log_parts=log_parts,
    )
