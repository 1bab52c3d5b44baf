"""What the parts of the datastore's contract have in common: fixtures, and making changes."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, ClassVar

import msgspec
import pytest

from tork_core.interfaces.datastore import Committed, Datastore, JobChange, JobView
from tork_core.model.job import Claim, Event, Job, JobId, Task, TaskId
from tork_core.model.spec import JobSpec, TaskSpec
from tork_core.model.states import JobState, TaskState
from tork_core.testing.waiting import eventually

HOUR = timedelta(hours=1)
SECOND = timedelta(seconds=1)
SPEC = JobSpec(name="sample", tasks=[TaskSpec(name="step", run="true")])


class DatastoreSuite:
    """Fixtures that a subclass gives, and the steps that the promises are written in."""

    pytestmark = pytest.mark.asyncio

    patience: ClassVar[float] = 10.0
    """The longest wait, in seconds, for what must happen."""

    @pytest.fixture
    async def datastore(self) -> Datastore:
        """A connection to an empty datastore."""
        raise NotImplementedError("give a fixture `datastore`: a connection to an empty datastore")

    @pytest.fixture
    async def second(self) -> Datastore:
        """Another connection to the same datastore, as another process would have it."""
        raise NotImplementedError("give a fixture `second`: a connection to the same datastore")

    async def cut(self, datastore: Datastore) -> None:
        """Cut a connection as a failing network would."""
        raise NotImplementedError("override `cut`: cut this connection")

    async def now(self, datastore: Datastore) -> datetime:
        """The datastore's time."""
        return (await datastore.load({})).now

    async def passed(self, datastore: Datastore, moment: datetime) -> datetime:
        """Wait until the datastore's time is past a moment, and return it."""
        return await eventually(
            lambda: self.now(datastore), lambda now: now > moment, within=self.patience
        )

    async def view(
        self, datastore: Datastore, job_id: JobId, tasks: Sequence[TaskId] = ()
    ) -> JobView:
        """Load a job that must be there."""
        views = (await datastore.load({job_id: tasks})).views
        assert job_id in views
        return views[job_id]

    async def write(self, datastore: Datastore, *changes: JobChange) -> Committed:
        """Commit changes that must not conflict."""
        committed = await datastore.commit(changes)
        assert committed.conflicts == set()
        return committed

    async def submit(
        self, datastore: Datastore, *tasks: Mapping[str, Any], **job: Any
    ) -> tuple[JobId, list[TaskId]]:
        """Store a new job whose rows have these fields; return the ids."""
        change = new_job(await self.now(datastore), *tasks, **job)
        await self.write(datastore, change)
        return change.job.id, list(change.tasks)

    async def update(
        self, datastore: Datastore, job_id: JobId, task_id: TaskId | None = None, **fields: Any
    ) -> Committed:
        """Load a job, set fields of one of its tasks (or of the job) and write it."""
        view = await self.view(datastore, job_id, [task_id] if task_id else [])
        change = next_change(view)
        row = view.tasks[task_id] if task_id else change.job
        for name, value in fields.items():
            setattr(row, name, value)
        if task_id:
            change.tasks[task_id] = view.tasks[task_id]
        return await self.write(datastore, change)


def unique(prefix: str) -> str:
    """An id that nothing else has."""
    return f"{prefix}-{secrets.token_hex(8)}"


def new_task(job_id: JobId, number: int, now: datetime, **fields: Any) -> Task:
    """A task row: CREATED and at top level unless the fields say otherwise."""
    given: dict[str, Any] = {"path": str(number), "position": number, "name": f"step {number}"}
    given |= fields
    return Task(id=given.pop("id", None) or unique("task"), job_id=job_id, created_at=now, **given)


def new_job(now: datetime, *tasks: Mapping[str, Any], **fields: Any) -> JobChange:
    """The change that stores a new job with tasks whose rows have these fields."""
    given: dict[str, Any] = {"state": JobState.RUNNING, "version": 1} | fields
    job = Job(id=given.pop("id", None) or unique("job"), created_at=now, **given)
    rows = [new_task(job.id, number, now, **task) for number, task in enumerate(tasks, 1)]
    return JobChange(
        job=job,
        base=0,
        at=now,
        spec=SPEC,
        tasks={task.id: task for task in rows},
        specs={task.id: TaskSpec(name=task.name, run="true") for task in rows},
    )


def next_change(view: JobView, **fields: Any) -> JobChange:
    """The change that follows on a view: the job's version moves, the fields are set."""
    job = msgspec.structs.replace(view.job, version=view.job.version + 1, **fields)
    return JobChange(job=job, base=view.job.version, at=job.created_at, tasks={})


def event(job_id: JobId, number: int, now: datetime, **fields: Any) -> Event:
    """An event of a job."""
    return Event(job_id=job_id, number=number, at=now, state="RUNNING", **fields)


def scheduled(*, due: datetime | None, published: datetime, **fields: Any) -> dict[str, Any]:
    """Fields of a SCHEDULED task."""
    return {
        "state": TaskState.SCHEDULED,
        "queue": "default",
        "scheduled_at": published,
        "published_at": published,
        "due": due,
        **fields,
    }


def running(node: str, number: int = 1, **fields: Any) -> dict[str, Any]:
    """Fields of a RUNNING task, claimed by a node."""
    return {
        "state": TaskState.RUNNING,
        "claim": Claim(node=node, number=number, beat=1),
        **fields,
    }
