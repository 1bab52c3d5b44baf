"""The engine: puts a configuration's parts together, opens them, and closes them.

A job's way leads from here through the coordinator (``coordinator/``, its decisions are in
``coordinator/decisions/``) and the broker's queues to the worker (``worker/``) and its runtime, and
back. What may be asked of it is in ``api/service.py``, for programs and the network alike.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from enum import StrEnum
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import structlog

from tork_core import logs
from tork_core.api.service import JobService
from tork_core.coordinator.coordinator import Coordinator
from tork_core.coordinator.decisions.rules import Rules
from tork_core.coordinator.following import MissingLog, News
from tork_core.coordinator.observer_limits import Limited
from tork_core.errors import Unavailable, UsageError
from tork_core.interfaces.broker import Broker
from tork_core.interfaces.datastore import Datastore
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.provider import Provider, RuntimeProvider
from tork_core.interfaces.runtime import Runtime
from tork_core.middleware.chain import Chain
from tork_core.model.answers import JobAnswer
from tork_core.model.job import Event, JobId, LogPart
from tork_core.model.reading import Format
from tork_core.model.spec import JobSpec, LimitsSpec
from tork_core.observing import Observation, observe
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

T = TypeVar("T")

SETTLING = 5.0
"""Seconds that an engine which closes waits for its observers to be told what has happened."""


class Role(StrEnum):
    """What an engine does. Coordinators and workers apart meet on a broker that is shared."""

    STANDALONE = "standalone"
    COORDINATOR = "coordinator"
    WORKER = "worker"


class Engine:
    """A coordinator and a worker in this process, for as long as the context is open::

        async with Engine(RuntimeChoice(type="shell")) as engine:
            job_id = await engine.submit("tasks: [{run: echo hello}]")
            job = await engine.wait(job_id)

    Settings that are not given have their defaults: in-memory broker and datastore, and the
    runtime ``docker``. With a ``role`` it is one of the two alone. Opening raises UsageError for
    an unknown broker, datastore or runtime, PluginError for a broken plugin, and Unavailable if a
    service cannot be reached.
    """

    def __init__(
        self,
        *settings: Settings,
        configuration: Configuration | None = None,
        registry: Registry | None = None,
        environment: Environment | None = None,
        role: Role = Role.STANDALONE,
    ) -> None:
        if configuration is not None and settings:
            raise UsageError("give an engine a configuration, or settings, and not both")
        self.role = role
        self._configuration = configuration or Configuration.of(*settings)
        self._registry = registry
        self._environment = environment or Environment()
        self._stack = AsyncExitStack()
        self._broker: Broker | None = None
        self._alone = False
        """Whether no process and no message of before this start can be left."""
        self._coordinator: Coordinator | None = None
        self._worker: Worker | None = None
        self._news: News | None = None
        self._service: JobService | None = None
        self._drained = asyncio.Event()
        self._closing = asyncio.Event()
        self._work: asyncio.Task[None] | None = None

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

    # -- opening

    async def _open(self, stack: AsyncExitStack) -> None:
        configuration = self._configuration
        if not structlog.is_configured():
            # structlog's own default writes to standard output, which is the embedder's.
            logs.configure(configuration[LoggingSettings], default="warning")
        registry = self._registry or load()
        registry.check()
        disabled = configuration[MiddlewareSettings].disabled
        chain = Chain.of(Limited(registry), disabled=disabled)
        brokers = registry.broker(configuration[BrokerChoice].type)
        if self.role is not Role.STANDALONE and not brokers.shared:
            raise UsageError(
                f"a {self.role} alone needs a broker that others can reach, and {brokers.name} is "
                "within this process; choose another with --broker, or run standalone"
            )
        if self.role is not Role.COORDINATOR:
            await _check_limits(registry.runtime(configuration[RuntimeChoice].type), configuration)
        datastore: Datastore | None = None
        if self.role is not Role.WORKER:
            datastores = registry.datastore(configuration[DatastoreChoice].type)
            self._alone = datastores.durable and not datastores.shared and not brokers.shared
            # Before the runtime: once this has opened, every earlier process is dead, and the
            # runtime finds what its tasks have left.
            datastore = await self._opened(stack, datastores)
        broker = self._broker = await self._opened(stack, brokers)
        runtime: Runtime | None = None
        if self.role is not Role.COORDINATOR:
            runtime = await self._open_worker(stack, registry, chain, broker)
        if datastore is not None:
            self._open_coordinator(stack, registry, chain, broker, datastore, runtime)
        await stack.enter_async_context(self._running())

    async def _open_worker(
        self, stack: AsyncExitStack, registry: Registry, chain: Chain, broker: Broker
    ) -> Runtime:
        configuration = self._configuration
        runtimes = registry.runtime(configuration[RuntimeChoice].type)
        runtime = await self._opened(stack, runtimes)
        problem = await runtime.health()
        if problem is not None:
            raise Unavailable(f"runtime {runtimes.name}", problem)
        self._worker = Worker(
            broker,
            Offer(runtimes.name, runtime, runtimes.honours, runtimes.ignores),
            self._environment,
            configuration[WorkerSettings],
            configuration[CoordinatorSettings],
            admit=lambda spec: chain.admit_task("run", spec),
            open_filter=chain.open_log,
        )
        if self._alone:
            # Nothing of an earlier attempt is left when a new one begins.
            await self._worker.remove_leftovers()
        return runtime

    def _open_coordinator(
        self,
        stack: AsyncExitStack,
        registry: Registry,
        chain: Chain,
        broker: Broker,
        datastore: Datastore,
        runtime: Runtime | None,
    ) -> None:
        configuration = self._configuration
        cluster = configuration[CoordinatorSettings]
        rules = Rules(
            functions=registry.functions,
            admit_task=lambda spec: chain.admit_task("schedule", spec),
            log_secrets=chain.log_secrets,
            lost_limit=cluster.lost_limit,
            restart_limit=cluster.restart_limit,
        )
        disabled = configuration[MiddlewareSettings].disabled
        watched = chain.observes or any(
            item.name not in disabled for item in registry.node_middleware
        )
        self._coordinator = Coordinator(
            broker,
            datastore,
            rules,
            self._environment,
            cluster,
            observer=chain if watched else None,
            alone=self._alone,
        )
        self._news = News(broker)
        self._service = JobService(
            self._coordinator,
            broker,
            datastore,
            chain,
            registry.functions,
            self._news,
            runtime_health=runtime.health if runtime is not None else None,
        )
        stack.callback(self._service.close)

    async def _opened(self, stack: AsyncExitStack, provider: Provider[T]) -> T:
        settings = self._configuration[provider.settings]
        return await stack.enter_async_context(provider.open(settings, self._environment))

    # -- working

    @asynccontextmanager
    async def _running(self) -> AsyncGenerator[None]:
        """Work beside the caller; at the end the worker drains first."""
        self._work = work = asyncio.create_task(self._working(), name="engine")
        try:
            yield
            await self.drain()
            self._closing.set()
            await asyncio.wait([work])
        finally:
            work.cancel()
            await asyncio.wait([work])
        work.result()

    async def _working(self) -> None:
        async with asyncio.TaskGroup() as group:
            beside: list[asyncio.Task[None]] = []
            if self._coordinator is not None and self._news is not None:
                news = supervise("news", self._news.run, self._environment)
                beside = [
                    group.create_task(self._coordinator.run(), name="coordinator"),
                    group.create_task(news, name="news"),
                ]
                await self._coordinator.ready()
            if self._worker is not None:
                if not self._alone:
                    # Beside the work, and to its end: the group waits for it.
                    group.create_task(self._worker.remove_leftovers(), name="leftovers")
                await self._worker.run()
                self._drained.set()
            await self._closing.wait()
            if self._coordinator is not None:
                await self._coordinator.settle(SETTLING)
            for task in beside:
                task.cancel()

    async def ready(self) -> None:
        """Return when what this engine does has begun."""
        if self._coordinator is not None:
            await self._coordinator.ready()

    def hurry(self) -> None:
        """Give tasks that are stopped from now on no time to end by themselves."""
        if self._worker is not None:
            self._worker.hurry()

    async def drain(self) -> None:
        """Take no more tasks; return when those that run have ended, or, after the grace period,
        have been handed back. A coordinator goes on answering until the context is left."""
        if self._worker is None or self._work is None:
            return
        self._worker.drain()
        drained = asyncio.ensure_future(self._drained.wait())
        try:
            await asyncio.wait([drained, self._work], return_when=asyncio.FIRST_COMPLETED)
        finally:
            drained.cancel()

    async def ended(self) -> None:
        """Return when the engine has stopped working by itself, which only a fault makes it do."""
        if self._work is not None:
            await asyncio.wait([self._work])

    # -- queues

    @asynccontextmanager
    async def observe(self, queues: Sequence[str]) -> AsyncGenerator[Observation]:
        """Give copies of all that passes through these queues while the context is open::

            async with engine.observe(["jobs", "completed"]) as passing:
                async for passed in passing:
                    print(passed.queue, passed.message)

        Nothing is taken from the queues, and who reads too slowly loses the oldest copies. The
        messages are as they travel: secrets and outputs are in them. Iterating raises Unavailable
        when the broker is gone; entering raises UsageError if no queue is named.
        """
        if self._broker is None:
            raise UsageError("this engine is not open: nothing passes through its queues")
        async with observe(self._broker, queues) as observation:
            yield observation

    # -- jobs

    @property
    def service(self) -> JobService:
        """What may be asked of a coordinator; raises UsageError where there is none."""
        if self._service is None:
            raise UsageError("this engine is no coordinator, or is not open: it has no jobs")
        return self._service

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
        return (await self.service.submit(job, format=format, inputs=inputs, key=key)).job_id

    async def cancel(self, job_id: JobId) -> None:
        """Cancel a job with all of its tasks; raises NotFound, or Conflict if it has ended."""
        await self.service.cancel(job_id)

    async def job(self, job_id: JobId) -> JobAnswer:
        """Return a job as readers may see it, secrets hidden; raises NotFound."""
        return await self.service.job(job_id)

    async def wait(self, job_id: JobId) -> JobAnswer:
        """Return the job when it has ended; raises NotFound."""
        return await self.service.wait(job_id)

    async def follow(
        self, job_id: JobId, *, after: int = 0
    ) -> AsyncGenerator[Event | LogPart | MissingLog]:
        """Yield a job's events numbered above ``after`` and its log, live, until it has ended.

        The whole log of an attempt comes before the event of its end. Secrets are hidden. Raises
        NotFound.
        """
        async with aclosing(self.service.follow(job_id, after=after)) as found:
            async for item in found:
                yield item


async def _check_limits(runtime: RuntimeProvider, configuration: Configuration) -> None:
    """A worker's default limits hold, or the worker does not start."""
    worker = configuration[WorkerSettings]
    for option, limits in (
        ("--default-cpus-limit", LimitsSpec(cpus=worker.default_cpus_limit)),
        ("--default-memory-limit", LimitsSpec(memory=worker.default_memory_limit)),
    ):
        if limits == LimitsSpec():
            continue
        if "limits" not in runtime.honours:
            reason = "it does not hold tasks to limits"
        elif runtime.check_limits is None:
            continue
        else:
            settings = configuration[runtime.settings]
            reason = await asyncio.to_thread(runtime.check_limits, settings, limits)
        if reason is not None:
            raise UsageError(
                f"the runtime {runtime.name} cannot hold tasks to {option}: {reason}; leave the "
                "option out, or use another runtime"
            )
