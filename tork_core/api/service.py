"""What may be asked of a process that coordinates: the one way in for jobs, and out for all text.

The engine hands it to programs, the routes to the network. Whatever leaves has been through the
chain's ``show`` functions: secrets are hidden.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import aclosing, asynccontextmanager
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from tork_core.api.accepting import read_submission
from tork_core.coordinator.coordinator import Coordinator
from tork_core.coordinator.following import MissingLog, News, follow, wait_for_end
from tork_core.coordinator.requests import Accepted
from tork_core.errors import Busy, Conflict, NotFound, Unavailable
from tork_core.expressions import FunctionTable
from tork_core.interfaces.broker import Broker, Depth
from tork_core.interfaces.datastore import Datastore, JobPage, JobView, LogPage
from tork_core.middleware.chain import Chain, shown_event
from tork_core.model.answers import JobAnswer, TaskAnswer, accepted_answer, job_answer
from tork_core.model.job import Event, Job, JobId, JobRecord, LogPart, Task, TaskId
from tork_core.model.messages import HEARTBEAT, SEED_HEARTBEAT
from tork_core.model.node import Node, NodeState
from tork_core.model.problems import quoted
from tork_core.model.reading import Format
from tork_core.model.spec import JobSpec
from tork_core.model.states import TaskState
from tork_core.model.value_rules import WORKER_QUEUE_PREFIX, special_queue
from tork_core.observing import Observation, observe

T = TypeVar("T")

LARGE = 4 * 1024
"""Bytes of a job above which reading it would hold up the loop for too long."""

MOST_READ = 64 * 2**20
"""Bytes of large jobs that may wait to be read; what comes then is refused. They come faster than
they are read, and each would wait, and take its memory, for longer."""

MANY = 200
"""Tasks of a job above which showing it would."""

REST = 3.0
"""How many times as long as it took to see what secrets a job has by now its follower rests: a new
task may bring others, and looking at all tasks for each takes the square of their number."""

LONGEST_REST = 1.0
"""Seconds of rest at the most; what happens in them is told together."""

RECENT = timedelta(minutes=5)
"""How long a node is shown after its last heartbeat."""

HEALTH_MARK = "health"
"""The mark that is moved to see whether the datastore can be written."""

HEALTH_PATIENCE = 5.0
"""Seconds in which a service has to answer to count as there."""


class JobService:
    """Jobs, their logs and events, and the cluster they run on."""

    def __init__(
        self,
        coordinator: Coordinator,
        broker: Broker,
        datastore: Datastore,
        chain: Chain,
        functions: FunctionTable,
        news: News,
        runtime_health: Callable[[], Awaitable[str | None]] | None = None,
    ) -> None:
        self._coordinator = coordinator
        self._broker = broker
        self._datastore = datastore
        self._chain = chain
        self._functions = functions
        self._news = news
        self._runtime_health = runtime_health
        # One thread: what is large waits for what is large, and for nothing else.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="tork-large")
        self._unread = 0

    def close(self) -> None:
        """End the thread for what is large."""
        self._thread.shutdown(wait=False, cancel_futures=True)

    # -- jobs

    async def submit(
        self,
        job: JobSpec | str | bytes,
        *,
        format: Format = "yaml",
        inputs: Mapping[str, str] | None = None,
        key: str | None = None,
    ) -> Accepted:
        """Accept a job: a specification, or the text of a job file in ``format``.

        Returns when it is stored. ``inputs`` go over those of the job; ``key`` makes it one job,
        however often it is submitted. Raises InvalidJob with what is wrong with it, Busy if too
        much is waiting, Conflict if the key was used for another job, and Unavailable if it is not
        known whether it was stored.
        """
        spec = await self._read(job, format)
        if inputs:
            spec = msgspec.structs.replace(spec, inputs={**(spec.inputs or {}), **inputs})
        return await self._coordinator.submit(self._chain.admit_job(spec), key)

    async def accept(
        self, job: bytes, *, format: Format, key: str | None = None
    ) -> tuple[JobAnswer, bool]:
        """Accept a job as :meth:`submit` does; return it as it was accepted (PENDING, and nothing
        of it done yet), and whether it had been accepted before."""
        spec = self._chain.admit_job(await self._read(job, format))
        accepted = await self._coordinator.submit(spec, key)
        loaded = await self._datastore.load({accepted.job_id: ()})
        view = loaded.views.get(accepted.job_id)
        # It may have ended, and be kept no more.
        stored = view.job if view is not None else Job(id=accepted.job_id, created_at=loaded.now)
        shown = await self._apart(
            len(spec.tasks), lambda: self._chain.show_job(accepted_answer(stored, spec))
        )
        return shown, accepted.repeated

    async def check(self, job_id: JobId) -> None:
        """Raise NotFound if there is no such job."""
        await self._view(job_id)

    async def cancel(self, job_id: JobId) -> None:
        """Cancel a job with all of its tasks; raises NotFound, or Conflict if it has ended."""
        await self._coordinator.cancel(job_id)

    async def job(self, job_id: JobId) -> JobAnswer:
        """Return a job with its execution; raises NotFound."""
        record = await self._stored(job_id)
        shown = await self._shown(record)
        unserved = await self._unserved(record)
        if not unserved:
            return shown
        names = {
            task.queue: None
            for stored, task in zip(record.tasks, shown.execution, strict=True)
            if _waits(stored.task) and stored.task.queue in unserved and task.queue
        }
        return msgspec.structs.replace(shown, unserved_queues=list(names))

    async def task(self, task_id: TaskId) -> TaskAnswer:
        """Return one instance of a task; raises NotFound."""
        record = await self._datastore.task(task_id)
        if record is None:
            raise NotFound(f"there is no task {task_id}")
        shown = await self._shown(record)
        return next(task for task in shown.execution if task.id == task_id)

    async def jobs(
        self, *, until: tuple[datetime, JobId] | None, offset: int, limit: int
    ) -> tuple[int, list[JobAnswer]]:
        """Return how many jobs there are, and a page of them in brief, the newest first."""
        page: JobPage = await self._datastore.jobs(until=until, offset=offset, limit=limit)
        shown: list[JobAnswer] = []
        for record in page.jobs:
            shown.append(await self._shown(record))
            await asyncio.sleep(0)  # A page may hold a hundred large jobs.
        return page.total, shown

    async def wait(self, job_id: JobId) -> JobAnswer:
        """Return the job when it has ended; raises NotFound."""
        await wait_for_end(self._news, self._datastore, job_id)
        return await self.job(job_id)

    # -- events and logs

    async def events(self, job_id: JobId, *, after: int, limit: int) -> list[Event]:
        """Return a job's events numbered above ``after``; raises NotFound."""
        events = await self._datastore.events(job_id, after=after, limit=limit)
        # Loaded after the events, so that it knows the secrets of every task they are about.
        show = await self._text_of(await self._stored(job_id))
        return [shown_event(event, show) for event in events]

    async def follow(
        self, job_id: JobId, *, after: int = 0, after_part: int = 0
    ) -> AsyncGenerator[Event | LogPart | MissingLog]:
        """Yield a job's events numbered above ``after`` and its log, live, until it has ended.

        The whole log of an attempt comes before the event of its end; parts up to the cursor
        ``after_part`` are left out. Raises NotFound.
        """
        clock = asyncio.get_running_loop().time
        record = await self._stored(job_id)
        if record.job.state.ended and after >= record.job.events:
            return
        show = await self._text_of(record)
        rested = 0.0
        found = follow(self._news, self._datastore, job_id, after=after)
        async with aclosing(found):
            async for item in found:
                if isinstance(item, LogPart):
                    if item.cursor > after_part:
                        yield shown_part(item, show)
                elif isinstance(item, Event):
                    if item.number > record.job.events:
                        # It may be about a task that is new, and brings secrets of its own.
                        await asyncio.sleep(rested - clock())
                        began = clock()
                        record = await self._stored(job_id)
                        show = await self._text_of(record)
                        rested = clock() + min(REST * (clock() - began), LONGEST_REST)
                    yield shown_event(item, show)
                else:
                    yield item

    async def job_log(
        self, job_id: JobId, *, until: int | None, offset: int, limit: int
    ) -> LogPage:
        """Return a page of the log of a job, the newest part first; raises NotFound."""
        return await self._log(job_id, None, until, offset, limit)

    async def task_log(
        self, task_id: TaskId, *, until: int | None, offset: int, limit: int
    ) -> LogPage:
        """Return a page of the log of a task, the newest part first; raises NotFound."""
        record = await self._datastore.task(task_id)
        if record is None:
            raise NotFound(f"there is no task {task_id}")
        return await self._log(record.job.id, task_id, until, offset, limit)

    async def _log(
        self, job_id: JobId, task_id: TaskId | None, until: int | None, offset: int, limit: int
    ) -> LogPage:
        page = await self._datastore.log_page(
            job_id, task_id=task_id, until=until, offset=offset, limit=limit
        )
        # The worker has hidden what its task knew; this adds what the job's specification says, and
        # the outputs that are secrets by their names, which come with a job in brief.
        record = await self._datastore.task(page.parts[0].task_id) if page.parts else None
        if record is None:
            await self.check(job_id)
            return LogPage(page.total, [])
        show = await self._text_of(record)
        return LogPage(page.total, [shown_part(part, show) for part in page.parts])

    # -- the cluster

    async def nodes(self) -> list[Node]:
        """Return the nodes that were heard of lately."""
        now, nodes = await self._datastore.nodes()
        return [
            node
            for node in nodes
            if node.last_heartbeat_at is not None and now - node.last_heartbeat_at <= RECENT
        ]

    async def queues(self) -> list[Depth]:
        """Return every queue there is, and those that are served and hold nothing, by name."""
        found = {depth.name: depth for depth in await self._broker.queues()}
        served = {name for node in await self.nodes() if _works(node) for name in node.queues}
        for name in served:
            found.setdefault(name, Depth(name))
        return [found[name] for name in sorted(found)]

    async def queue(self, name: str) -> Depth:
        """Return one queue, also by the seed's spelling of ``heartbeat``; raises NotFound."""
        wanted = HEARTBEAT if name == SEED_HEARTBEAT else name
        for depth in await self.queues():
            if depth.name == wanted:
                return depth
        raise NotFound(f"there is no queue {quoted(name)}")

    async def delete_queue(self, name: str) -> None:
        """Delete a queue of tasks with the messages that wait in it.

        The tasks are not lost: while their jobs live, they are sent again. Raises NotFound, and
        Conflict for a queue of the engine itself.
        """
        if special_queue(name):
            raise Conflict(f"{quoted(name)} is a queue of the engine itself; it cannot be deleted")
        await self.queue(name)
        await self._broker.delete(name)

    @asynccontextmanager
    async def observe(self, queues: Sequence[str]) -> AsyncGenerator[Observation]:
        """Give copies of what passes through these queues, as they are: with secrets and outputs.

        Raises NotFound for the own queue of a worker that is not there.
        """
        for name in queues:
            if name.startswith(WORKER_QUEUE_PREFIX):
                await self.queue(name)
        async with observe(self._broker, queues) as observation:
            yield observation

    async def health(self) -> str | None:
        """Return what is wrong, None if everything answers."""
        checks: list[tuple[str, Callable[[], Awaitable[object]]]] = [
            ("datastore", self._read_and_write),
            ("broker", lambda: self._broker.depth(HEARTBEAT)),
        ]
        for name, check in checks:
            try:
                async with asyncio.timeout(HEALTH_PATIENCE):
                    await check()
            except Unavailable as error:
                return str(error)
            except TimeoutError:
                return f"{name}: no answer within {HEALTH_PATIENCE:g} s"
        return await self._runtime_problem()

    async def _read_and_write(self) -> None:
        """Use the datastore as a commit does: one on a full disk still answers what it holds.

        Who asks often writes no more than once a second.
        """
        now = (await self._datastore.load({})).now
        await self._datastore.move_mark(HEALTH_MARK, int(now.timestamp()))

    async def _runtime_problem(self) -> str | None:
        if self._runtime_health is None:
            return None
        try:
            async with asyncio.timeout(HEALTH_PATIENCE):
                problem = await self._runtime_health()
        except TimeoutError:
            problem = f"no answer within {HEALTH_PATIENCE:g} s"
        return None if problem is None else f"runtime: {problem}"

    # --

    async def _read(self, job: JobSpec | str | bytes, format: Format) -> JobSpec:
        if isinstance(job, JobSpec) or len(job) <= LARGE:
            return read_submission(job, format, self._functions)
        if self._unread + len(job) > MOST_READ:
            raise Busy("too many large jobs are being read already; try again shortly")
        self._unread += len(job)
        try:
            return await self._aside(lambda: read_submission(job, format, self._functions))
        finally:
            self._unread -= len(job)

    async def _unserved(self, record: JobRecord) -> set[str]:
        """Return the queues in which tasks of a job wait though no worker serves them."""
        waiting = {item.task.queue for item in record.tasks if _waits(item.task)}
        return {name for name in waiting if not (await self._broker.depth(name)).consumers}

    async def _stored(self, job_id: JobId) -> JobRecord:
        record = await self._datastore.job(job_id)
        if record is None:
            raise _no_job(job_id)
        return record

    async def _view(self, job_id: JobId) -> JobView:
        view = (await self._datastore.load({job_id: ()})).views.get(job_id)
        if view is None:
            raise _no_job(job_id)
        return view

    async def _shown(self, record: JobRecord) -> JobAnswer:
        """Return a job as readers may see it."""
        return await self._apart(
            len(record.spec.tasks) + len(record.tasks),
            lambda: self._chain.show_job(job_answer(record)),
        )

    async def _text_of(self, record: JobRecord) -> Callable[[str], str]:
        """Return the function that makes other text about a job fit to be seen."""
        return await self._apart(
            len(record.spec.tasks) + len(record.tasks),
            lambda: self._chain.text_of(job_answer(record)),
        )

    async def _apart(self, tasks: int, call: Callable[[], T]) -> T:
        """Call what looks at so many tasks."""
        return call() if tasks <= MANY else await self._aside(call)

    async def _aside(self, call: Callable[[], T]) -> T:
        """Call what takes long in a thread, so that others are answered meanwhile."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, call)


def shown_part(part: LogPart, show: Callable[[str], str]) -> LogPart:
    """Return a log part as readers may see it."""
    return msgspec.structs.replace(part, contents=show(part.contents))


def _waits(task: Task) -> bool:
    return task.state is TaskState.SCHEDULED


def _works(node: Node) -> bool:
    return node.state in (NodeState.UP, NodeState.DOWN)


def _no_job(job_id: JobId) -> NotFound:
    return NotFound(f"there is no job {job_id}")
