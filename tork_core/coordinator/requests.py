"""What users ask for: submissions and cancels, decided in batches, each answered exactly."""

from __future__ import annotations

import asyncio
from datetime import datetime

import msgspec

from tork_core.coordinator.deciding import Decided, Decider
from tork_core.coordinator.decisions.draft import Outcome
from tork_core.coordinator.decisions.inputs import Cancelled, Input, Submitted
from tork_core.coordinator.publishing import Publisher
from tork_core.errors import Busy, Conflict, NotFound, TorkError, Unavailable
from tork_core.interfaces.datastore import Datastore
from tork_core.interfaces.environment import Environment
from tork_core.model.ids import job_id_from_key, new_job_id
from tork_core.model.job import JobId
from tork_core.model.spec import JobSpec
from tork_core.model.states import JobState
from tork_core.supervision import retrying

OVERLAP = 4
BATCH = 200


class Accepted(msgspec.Struct, frozen=True):
    """An accepted submission: the job's id; ``repeated``: it had been submitted before."""

    job_id: JobId
    repeated: bool = False


class _Request(msgspec.Struct, eq=False):
    answer: asyncio.Future[Accepted]
    spec: JobSpec | None = None
    key: str | None = None
    job_id: JobId = ""

    def input(self) -> Input:
        if self.spec is None:
            return Cancelled(self.job_id)
        return Submitted(self.job_id, self.spec)


class Requests:
    """Takes requests, at most ``limit`` of them waiting at any time."""

    def __init__(
        self,
        datastore: Datastore,
        decider: Decider,
        publisher: Publisher,
        environment: Environment,
        *,
        limit: int = 10_000,
    ) -> None:
        self._datastore = datastore
        self._decider = decider
        self._publisher = publisher
        self._environment = environment
        self._limit = limit
        self._waiting: list[_Request] = []
        self._arrived = asyncio.Event()
        self._closed = False

    async def submit(self, spec: JobSpec, key: str | None = None) -> Accepted:
        """Store a job and take its first step; returns when that is committed.

        With an idempotency ``key`` the same submission is one job, however often it is made.
        Raises Busy if too much is waiting, Conflict if the key was used for another job, and
        Unavailable if it is not known whether the job was stored.
        """
        return await self._ask(_Request(self._future(), spec=spec, key=key))

    async def cancel(self, job_id: JobId) -> None:
        """Cancel a job; raises NotFound, or Conflict if it has ended."""
        await self._ask(_Request(self._future(), job_id=job_id))

    async def run(self) -> None:
        """Answer requests until the loop is cancelled."""
        room = asyncio.Semaphore(OVERLAP)
        async with asyncio.TaskGroup() as sends:
            while True:
                await self._arrived.wait()
                batch = self._waiting[:BATCH]
                del self._waiting[:BATCH]
                if not self._waiting:
                    self._arrived.clear()
                try:
                    decided = await self._decide(batch)
                except Unavailable as error:
                    _fail(batch, error)
                    continue
                except BaseException:
                    _fail(batch, Unavailable("coordinator", "stopped before it had an answer"))
                    raise
                await room.acquire()
                send = retrying(
                    "publish",
                    lambda decided=decided: self._publisher.publish(decided),
                    self._environment,
                )
                task = sends.create_task(send)
                task.add_done_callback(lambda _: room.release())

    def close(self) -> None:
        """Answer what still waits, and what comes from here on: nothing of it has happened."""
        self._closed = True
        _fail(self._waiting, Unavailable("coordinator", "is stopping"))
        self._waiting.clear()

    def _future(self) -> asyncio.Future[Accepted]:
        return asyncio.get_running_loop().create_future()

    async def _ask(self, request: _Request) -> Accepted:
        if self._closed:
            raise Unavailable("coordinator", "has stopped")
        if len(self._waiting) >= self._limit:
            raise Busy(f"{self._limit} requests are waiting already; try again shortly")
        self._waiting.append(request)
        self._arrived.set()
        return await request.answer

    async def _decide(self, batch: list[_Request]) -> Decided:
        now = (await self._datastore.load({})).now
        by_job: dict[JobId, list[_Request]] = {}
        for request in batch:
            request.job_id = request.job_id or self._name(request, now)
            by_job.setdefault(request.job_id, []).append(request)
        inputs = {job: [found.input() for found in asked] for job, asked in by_job.items()}
        decided = await self._decider.decide(inputs)
        for job_id, failures in decided.failures.items():
            for place, error in failures.items():
                problem = TorkError(f"the job could not be handled: {error}")
                _fail([by_job[job_id][place]], problem)
        for outcome in decided.outcomes:
            _answer(by_job[outcome.job_id], outcome)
        return decided

    def _name(self, request: _Request, now: datetime) -> JobId:
        if request.key is not None:
            return job_id_from_key(request.key)
        return new_job_id(now, self._environment.random)


def _answer(requests: list[_Request], outcome: Outcome) -> None:
    """Tell everyone who asked something of a job what became of it."""
    fresh = outcome.change is not None and outcome.change.spec is not None
    for request in requests:
        if request.answer.done():
            continue
        if request.spec is None:
            _answer_cancel(request, outcome)
        elif outcome.spec != request.spec:
            request.answer.set_exception(
                Conflict("this idempotency key was used for another job; use a new one")
            )
        else:
            request.answer.set_result(Accepted(request.job_id, repeated=not fresh))
            fresh = False


def _answer_cancel(request: _Request, outcome: Outcome) -> None:
    if outcome.spec is None:
        request.answer.set_exception(NotFound(f"there is no job {request.job_id}"))
    elif outcome.change is None or outcome.change.job.state is not JobState.CANCELLED:
        request.answer.set_exception(Conflict("job is not running"))
    else:
        request.answer.set_result(Accepted(request.job_id))


def _fail(requests: list[_Request], error: TorkError) -> None:
    for request in requests:
        if not request.answer.done():
            request.answer.set_exception(error)
