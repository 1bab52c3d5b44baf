"""The engine: puts a configuration's parts together, opens them, and closes them.

A job's way leads from here through the coordinator (``coordinator/``, its decisions are in
``coordinator/decisions/``) and the broker's queues to the worker (``worker/``) and its runtime, and
back.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING

import msgspec
import structlog

from tork_core import logs
from tork_core.coordinator.coordinator import Coordinator
from tork_core.coordinator.decisions.checking import check_expressions
from tork_core.coordinator.decisions.rules import Rules
from tork_core.coordinator.following import MissingLog, News, follow, wait_for_end
from tork_core.coordinator.observing import Limited
from tork_core.errors import ExpressionError, InvalidJob, NotFound, Unavailable, UsageError
from tork_core.interfaces.datastore import Datastore
from tork_core.interfaces.environment import Environment
from tork_core.middleware.chain import Chain, shown_event
from tork_core.model.answers import JobAnswer, job_answer
from tork_core.model.job import Event, JobId, LogPart
from tork_core.model.reading import Format, check_job, read_job
from tork_core.model.spec import JobSpec
from tork_core.model.states import TaskState
from tork_core.plugins import Registry, load
from tork_core.settings.configuration import Configuration
from tork_core.settings.core import (
    BrokerChoice,
    CoordinatorSettings,
    DatastoreChoice,
    LoggingSettings,
    MiddlewareSettings,
    RuntimeChoice,
    WorkerSettings,
)
from tork_core.supervision import supervise
from tork_core.worker.attempts import Offer
from tork_core.worker.worker import Worker

if TYPE_CHECKING:
    from tork_core.settings import Settings

SETTLING = 5.0
"""Seconds that an engine which closes waits for its observers to be told what has happened."""


class Engine:
    """A coordinator and a worker in this process, for as long as the context is open::

        async with Engine(RuntimeChoice(type="shell")) as engine:
            job_id = await engine.submit("tasks: [{run: echo hello}]")
            job = await engine.wait(job_id)

    Settings that are not given have their defaults: in-memory broker and datastore, and the
    runtime ``docker``. Opening raises UsageError for an unknown broker, datastore or runtime,
    PluginError for a broken plugin, and Unavailable if a service cannot be reached.
    """

    def __init__(
        self,
        *settings: Settings,
        configuration: Configuration | None = None,
        registry: Registry | None = None,
        environment: Environment | None = None,
    ) -> None:
        if configuration is not None and settings:
            raise UsageError("give an engine a configuration, or settings, and not both")
        self._configuration = configuration or Configuration.of(*settings)
        self._registry = registry
        self._environment = environment or Environment()
        self._stack = AsyncExitStack()
        self._chain = Chain()

    async def __aenter__(self) -> Engine:
        async with AsyncExitStack() as stack:
            await self._open(stack)
            self._stack = stack.pop_all()
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> bool | None:
        return await self._stack.__aexit__(kind, error, trace)

    async def _open(self, stack: AsyncExitStack) -> None:
        if not structlog.is_configured():
            # structlog's own default writes to standard output, which is the embedder's.
            logs.configure(self._configuration[LoggingSettings], default="warning")
        registry = self._registry or load()
        registry.check()
        configuration, environment = self._configuration, self._environment
        disabled = configuration[MiddlewareSettings].disabled
        self._chain = Chain.of(Limited(registry), disabled=disabled)
        watched = self._chain.observes or any(
            item.name not in disabled for item in registry.node_middleware
        )
        self._functions = registry.functions

        datastores = registry.datastore(configuration[DatastoreChoice].type)
        brokers = registry.broker(configuration[BrokerChoice].type)
        runtimes = registry.runtime(configuration[RuntimeChoice].type)
        self._datastore: Datastore = await stack.enter_async_context(
            datastores.open(configuration[datastores.settings], environment)
        )
        broker = await stack.enter_async_context(
            brokers.open(configuration[brokers.settings], environment)
        )
        runtime = await stack.enter_async_context(
            runtimes.open(configuration[runtimes.settings], environment)
        )
        problem = await runtime.health()
        if problem is not None:
            raise Unavailable(f"runtime {runtimes.name}", problem)

        cluster = configuration[CoordinatorSettings]
        rules = Rules(
            functions=self._functions,
            admit_task=lambda spec: self._chain.admit_task("schedule", spec),
            log_secrets=self._chain.log_secrets,
            lost_limit=cluster.lost_limit,
        )
        self._coordinator = Coordinator(
            broker,
            self._datastore,
            rules,
            environment,
            cluster,
            observer=self._chain if watched else None,
        )
        self._worker = Worker(
            broker,
            Offer(runtimes.name, runtime, runtimes.honours, runtimes.ignores),
            environment,
            configuration[WorkerSettings],
            cluster,
            admit=lambda spec: self._chain.admit_task("run", spec),
            open_filter=self._chain.open_log,
        )
        self._news = News(broker)
        await stack.enter_async_context(self._running())

    @asynccontextmanager
    async def _running(self) -> AsyncGenerator[None]:
        """Work beside the caller; at the end the worker drains first."""
        work = asyncio.create_task(self._work(), name="engine")
        try:
            yield
            self._worker.drain()
            await asyncio.wait([work])
        finally:
            work.cancel()
            await asyncio.wait([work])
        work.result()

    async def _work(self) -> None:
        async with asyncio.TaskGroup() as group:
            news = supervise("news", self._news.run, self._environment)
            beside = [
                group.create_task(self._coordinator.run(), name="coordinator"),
                group.create_task(news, name="news"),
            ]
            await self._coordinator.ready()
            await self._worker.run()
            await self._coordinator.settle(SETTLING)
            for task in beside:
                task.cancel()

    # -- jobs

    async def submit(
        self,
        job: JobSpec | str | bytes,
        *,
        format: Format = "yaml",
        inputs: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> JobId:
        """Accept a job: a specification, or the text of a job file in ``format``.

        Returns its id once it is stored. ``inputs`` go over those of the job; ``key`` makes it one
        job, however often it is submitted.
        Raises InvalidJob with what is wrong with it, Busy if too much is waiting, Conflict if the
        key was used for another job, and Unavailable if it is not known whether it was stored.
        """
        spec = self._read(job, format)
        if inputs:
            spec = msgspec.structs.replace(spec, inputs={**(spec.inputs or {}), **inputs})
        accepted = await self._coordinator.submit(self._chain.admit_job(spec), key)
        return accepted.job_id

    def _read(self, job: JobSpec | str | bytes, format: Format) -> JobSpec:
        if isinstance(job, JobSpec):
            check_job(job)
            for error in check_expressions(job, self._functions).errors:
                raise InvalidJob(_words(error), path=f"$.{error.field}") from error
            return job
        source = read_job(job, format=format)
        for error in check_expressions(source.spec, self._functions).errors:
            raise source.invalid(_words(error), path=error.field or "") from error
        return source.spec

    async def cancel(self, job_id: JobId) -> None:
        """Cancel a job with all of its tasks; raises NotFound, or Conflict if it has ended."""
        await self._coordinator.cancel(job_id)

    async def job(self, job_id: JobId) -> JobAnswer:
        """Return a job as readers may see it, secrets hidden; raises NotFound."""
        return self._chain.show_job(await self._stored(job_id))

    async def wait(self, job_id: JobId) -> JobAnswer:
        """Return the job when it has ended; raises NotFound."""
        await wait_for_end(self._news, self._datastore, job_id)
        return await self.job(job_id)

    async def follow(
        self, job_id: JobId, *, after: int = 0
    ) -> AsyncIterator[Event | LogPart | MissingLog]:
        """Yield a job's events numbered above ``after`` and its log, live, until it has ended.

        The whole log of an attempt comes before the event of its end. Secrets are hidden.
        """
        show: Callable[[str], str] | None = None
        async for item in follow(self._news, self._datastore, job_id, after=after):
            if not isinstance(item, Event):
                yield item
                continue
            if show is None or item.state == TaskState.SCHEDULED:
                # A task that is new may bring secrets of its own.
                show = self._chain.text_of(await self._stored(job_id))
            yield shown_event(item, show)

    async def _stored(self, job_id: JobId) -> JobAnswer:
        record = await self._datastore.job(job_id)
        if record is None:
            raise NotFound(f"there is no job {job_id}")
        return job_answer(record)


def _words(error: ExpressionError) -> str:
    """An error of an expression without its field, which the error of the job names itself."""
    return f"{error.message}; {error.hint}" if error.hint else error.message
