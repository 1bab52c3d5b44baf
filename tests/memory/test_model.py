"""The in-memory datastore against a naive model that scans everything, in any order of steps."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from datetime import datetime, timedelta
from typing import Any, TypeVar

import msgspec
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule
from tork_memory.datastore import MemoryDatastore
from tork_memory.store import MemoryStore

from tork_core.interfaces.datastore import JobChange
from tork_core.interfaces.environment import Environment
from tork_core.model.job import Claim, Event, Job, LogPart, Task
from tork_core.model.spec import JobSpec, TaskSpec
from tork_core.model.states import JobState, TaskState

T = TypeVar("T")

KEPT = 3
JOBS = st.sampled_from([f"job-{number}" for number in range(6)])
NUMBERS = st.integers(0, 3)
QUEUES = st.sampled_from(["a", "b"])
SECONDS = st.one_of(st.none(), st.integers(-3, 3))
TASKS = st.fixed_dictionaries(
    {
        "number": NUMBERS,
        "state": st.sampled_from(TaskState),
        "queue": QUEUES,
        "priority": st.integers(0, 1),
        "due": SECONDS,
        "published": SECONDS,
        "node": st.sampled_from([None, "n", "m"]),
    }
)


class Model:
    """Jobs, tasks, events and logs in plain dictionaries."""

    def __init__(self) -> None:
        self.jobs: dict[str, Job] = {}
        self.tasks: dict[str, dict[str, Task]] = {}
        self.events: dict[str, list[Event]] = {}
        self.feed: list[Event] = []
        self.logs: dict[str, list[LogPart]] = {}
        self.ended: list[str] = []
        self.claimed: dict[tuple[str, int], datetime] = {}

    def commit(self, change: JobChange) -> list[str] | None:
        job_id = change.job.id
        version = self.jobs[job_id].version if job_id in self.jobs else 0
        if version != change.base:
            return None
        self.jobs[job_id] = change.job
        tasks = self.tasks.setdefault(job_id, {})
        claims: list[str] = []
        for task in tasks.values():
            if change.end_active and task.id not in change.tasks and not task.state.ended:
                if task.state is TaskState.RUNNING and task.claim:
                    claims.append(task.id)
                task.state, task.due, task.cancelled_at = change.end_active, None, change.at
        tasks.update(change.tasks)
        for task in change.tasks.values():
            if task.claim:
                lane = task.queue, task.priority
                published = task.published_at or task.created_at
                self.claimed[lane] = max(self.claimed.get(lane, published), published)
        self.events.setdefault(job_id, []).extend(change.events)
        self.feed += change.events
        self.logs.setdefault(job_id, [])
        if change.job.state.ended and job_id not in self.ended:
            self.ended.append(job_id)
        elif not change.job.state.ended and job_id in self.ended:
            self.ended.remove(job_id)
        for gone in self.ended[:-KEPT]:
            for kept in (self.jobs, self.tasks, self.events, self.logs):
                kept.pop(gone)
            self.feed = [event for event in self.feed if event.job_id != gone]
        self.ended = self.ended[-KEPT:]
        return claims

    def all_tasks(self, state: TaskState) -> list[Task]:
        return [
            task for tasks in self.tasks.values() for task in tasks.values() if task.state is state
        ]


class DatastoreMachine(RuleBasedStateMachine):
    """Commits, log parts and moves of the clock, with everything compared after each."""

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.seconds = 1_700_000_000.0
        environment = Environment(clock=lambda: self.seconds)
        self.datastore = MemoryDatastore(MemoryStore(environment, kept_jobs=KEPT))
        self.model = Model()

    def teardown(self) -> None:
        self.loop.close()

    def do(self, call: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(call)

    def at(self, now: datetime, seconds: int | None) -> datetime | None:
        return None if seconds is None else now + timedelta(seconds=seconds)

    @rule(
        job_id=JOBS,
        state=st.sampled_from(JobState),
        due=SECONDS,
        tasks=st.lists(TASKS, max_size=3),
        end=st.sampled_from([None, None, TaskState.CANCELLED]),
        stale=st.sampled_from([0, 0, 0, 0, 1]),
    )
    def commit(
        self,
        job_id: str,
        state: JobState,
        due: int | None,
        tasks: list[dict[str, Any]],
        end: TaskState | None,
        stale: int,
    ) -> None:
        loaded = self.do(self.datastore.load({job_id: []}))
        now, view = loaded.now, loaded.views.get(job_id)
        base = max((view.job.version if view else 0) - stale, 0)
        job = Job(id=job_id, created_at=now, version=base + 1, state=state, due=self.at(now, due))
        rows = {row["number"]: self.task(job_id, now, row) for row in tasks}
        number = len(self.model.events.get(job_id, [])) + 1
        change = JobChange(
            job=job,
            base=base,
            at=now,
            spec=JobSpec(tasks=[]) if base == 0 else None,
            tasks={task.id: task for task in rows.values()},
            specs={task.id: TaskSpec(run="true") for task in rows.values()},
            end_active=end,
            events=[Event(job_id=job_id, number=number, at=now, state=state.value)],
        )
        committed = self.do(self.datastore.commit([change]))
        claims = self.model.commit(msgspec.structs.replace(change))
        assert (job_id in committed.conflicts) == (claims is None)
        assert sorted(held.task_id for held in committed.ended) == sorted(claims or [])

    def task(self, job_id: str, now: datetime, row: dict[str, Any]) -> Task:
        return Task(
            id=f"{job_id}/{row['number']}",
            job_id=job_id,
            path=str(row["number"]),
            position=row["number"],
            created_at=now,
            state=row["state"],
            queue=row["queue"],
            priority=row["priority"],
            due=self.at(now, row["due"]),
            published_at=self.at(now, row["published"]),
            claim=Claim(node=row["node"], number=1) if row["node"] else None,
        )

    @rule(job_id=JOBS, task=NUMBERS, attempt=st.integers(1, 2), number=st.integers(1, 5))
    def append_log(self, job_id: str, task: int, attempt: int, number: int) -> None:
        part = LogPart(
            job_id=job_id, task_id=f"{job_id}/{task}", attempt=attempt, number=number, contents="x"
        )
        self.do(self.datastore.append_log([part, part]))
        kept = self.model.logs.get(job_id)
        if kept is not None and part not in kept:
            kept.append(part)

    @rule(seconds=st.sampled_from([0.5, 1, 3, -2]))
    def move_the_clock(self, seconds: float) -> None:
        self.seconds += seconds

    @invariant()
    def jobs_agree(self) -> None:
        keys = {f"job-{n}": [f"job-{n}/{t}" for t in range(4)] for n in range(6)}
        views = self.do(self.datastore.load(keys)).views
        assert set(views) == set(self.model.jobs)
        for job_id, view in views.items():
            assert view.job == self.model.jobs[job_id]
            assert view.tasks == self.model.tasks[job_id]
            active = [task for task in view.tasks.values() if not task.state.ended]
            assert view.counts.active == len(active)
            assert self.do(self.datastore.events(job_id)) == self.model.events[job_id]
            parts = self.do(self.datastore.log(job_id))
            bare = [msgspec.structs.replace(part, created_at=None, cursor=0) for part in parts]
            assert bare == self.model.logs[job_id]

    @invariant()
    def the_feed_agrees(self) -> None:
        items = self.do(self.datastore.feed(0, 1000))
        assert [item.event for item in items] == self.model.feed
        for number, item in enumerate(items):
            rest = items[number + 1 :]
            assert self.do(self.datastore.feed(item.position, 2)) == rest[:2]

    @invariant()
    def due_agrees(self) -> None:
        for limit in (1, 100):
            due = self.do(self.datastore.due(limit))
            jobs = sorted(
                (job.due, job.id)
                for job in self.model.jobs.values()
                if job.due and job.due <= due.now and not job.state.ended
            )
            tasks = sorted(
                (task.due, (task.job_id, task.id))
                for task in self.model.all_tasks(TaskState.PENDING)
                if task.due and task.due <= due.now
            )
            assert due.jobs == [job_id for _, job_id in jobs][:limit]
            assert due.tasks == [key for _, key in tasks][:limit]

    @invariant()
    def waiting_agrees(self) -> None:
        now = self.do(self.datastore.load({})).now
        lanes: dict[tuple[str, int], list[tuple[datetime, tuple[str, str]]]] = {}
        for task in self.model.all_tasks(TaskState.SCHEDULED):
            if task.due and task.due <= now:
                published = task.published_at or task.created_at
                lane = lanes.setdefault((task.queue, task.priority), [])
                lane.append((published, (task.job_id, task.id)))
        waiting = self.do(self.datastore.waiting())
        assert [(w.queue, w.priority) for w in waiting] == sorted(lanes)
        for summed in waiting:
            lane = sorted(lanes[summed.queue, summed.priority])
            assert summed.oldest == lane[0][0]
            assert summed.newest_claimed == self.model.claimed.get((summed.queue, summed.priority))
            for limit, before in ((1, lane[-1][0]), (100, lane[len(lane) // 2][0])):
                overdue = self.datastore.overdue(
                    summed.queue, summed.priority, published_before=before, limit=limit
                )
                assert self.do(overdue) == [key for when, key in lane if when <= before][:limit]

    @invariant()
    def running_agrees(self) -> None:
        for nodes in (["n"], ["m", "n"]):
            held = self.do(self.datastore.running(nodes))
            assert sorted(item.task_id for item in held) == sorted(
                task.id
                for task in self.model.all_tasks(TaskState.RUNNING)
                if task.claim and task.claim.node in nodes
            )


TestDatastoreMachine = DatastoreMachine.TestCase
TestDatastoreMachine.settings = settings(max_examples=60, stateful_step_count=30, deadline=None)
