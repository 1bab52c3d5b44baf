"""Promises about loading and committing: copies, compare-and-set, all of a change or none."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from datetime import UTC, datetime, timedelta

import pytest

from tork_core.errors import Unavailable
from tork_core.interfaces.datastore import Datastore
from tork_core.model.job import Claim, JobId, Task
from tork_core.model.spec import JobSpec, TaskSpec, WebhookSpec
from tork_core.model.states import JobState, TaskState
from tork_core.testing._datastore_base import (
    DatastoreSuite,
    event,
    new_job,
    new_task,
    next_change,
    running,
    unique,
)


class LoadingPromises(DatastoreSuite):
    """See :meth:`tork_core.interfaces.datastore.Datastore.load`."""

    async def test_a_job_is_loaded_as_it_was_written(
        self, datastore: Datastore, second: Datastore
    ) -> None:
        now = await self.now(datastore)
        times = [now + timedelta(microseconds=number * 1_000_001) for number in range(10)]
        change = new_job(
            now,
            {
                "state": TaskState.RUNNING,
                "name": "Füße 🦶",
                "path": "3",
                "position": 3,
                "queue": "transcoding",
                "priority": 7,
                "var": "x",
                "retry": 2,
                "attempt": 4,
                "lost": 1,
                "claim": Claim(node="n-1", number=9, beat=3),
                "scheduled_at": times[0],
                "published_at": times[1],
                "sent": 5,
                "started_at": times[2],
                "completed_at": times[3],
                "failed_at": times[4],
                "cancelled_at": times[5],
                "due": times[6],
                "output": "line\nline\n",
                "error": "",
                "log_parts": 0,
            },
            position=2,
            task_count=3,
            run=2,
            started_at=times[0],
            completed_at=times[1],
            failed_at=times[2],
            cancelled_at=times[3],
            due=times[4],
            events=8,
            variables={"x": "some-task", "ä": "other"},
            output="{}",
            error="no reason",
        )
        change.spec = JobSpec(
            name="named",
            tags=["a", "b"],
            tasks=[TaskSpec(run="echo {{ inputs.x }}", env={"B": "2", "A": "1"}, condition="no")],
            inputs={"x": "ünï"},
            secrets={"token": "hush"},
            webhooks=[WebhookSpec(url="http://localhost", condition="yes")],
        )
        await self.write(datastore, change)
        for connection in (datastore, second):
            view = await self.view(connection, change.job.id, list(change.tasks))
            assert view.spec == change.spec
            assert view.job == change.job
            assert view.tasks == change.tasks
            assert view.tasks[next(iter(change.tasks))].published_at == times[1]

    async def test_what_is_loaded_is_a_copy(self, datastore: Datastore) -> None:
        change = new_job(await self.now(datastore), {}, variables={"x": "first"})
        await self.write(datastore, change)
        job_id, task_id = change.job.id, next(iter(change.tasks))
        change.job.variables["x"] = "changed after the commit"
        change.tasks[task_id].name = "changed after the commit"
        for name in ("the first reader", "the second reader"):
            view = await self.view(datastore, job_id, [task_id])
            assert view.job.variables == {"x": "first"}
            assert view.job.error is None
            assert view.tasks[task_id].name == "step 1"
            view.job.variables["x"] = view.job.error = view.tasks[task_id].name = name

    async def test_named_tasks_are_loaded_and_no_others(self, datastore: Datastore) -> None:
        job_id, tasks = await self.submit(datastore, {}, {}, {}, {})
        other, _ = await self.submit(datastore, {})
        keys = {job_id: [tasks[2], tasks[0], "no-such-task"], other: [tasks[1]], "no-such-job": []}
        views = (await datastore.load(keys)).views
        assert set(views) == {job_id, other}
        assert set(views[job_id].tasks) == {tasks[0], tasks[2]}
        assert views[other].tasks == {}

    async def test_the_parents_of_named_tasks_are_loaded_too(self, datastore: Datastore) -> None:
        job_id, tasks = await self.submit(
            datastore,
            {"path": "1"},
            {"path": "2"},
            {"path": "2.1"},
            {"path": "2.1.1"},
            {"path": "2.1.2"},
            {"path": "2.2"},
        )
        assert set((await self.view(datastore, job_id, [tasks[4]])).tasks) == {
            tasks[4],
            tasks[2],
            tasks[1],
        }

    async def test_the_newest_parent_is_loaded(self, datastore: Datastore) -> None:
        job_id, tasks = await self.submit(datastore, {"path": "1", "state": TaskState.FAILED})
        change = next_change(await self.view(datastore, job_id))
        later = change.at + timedelta(seconds=1)
        for number, path in enumerate(("1", "1.1")):
            task = new_task(job_id, number, later, path=path)
            change.tasks[task.id] = task
            tasks.append(task.id)
        await self.write(datastore, change)
        assert set((await self.view(datastore, job_id, [tasks[2]])).tasks) == set(tasks[1:])

    async def test_an_empty_load_gives_the_time(self, datastore: Datastore) -> None:
        loaded = await datastore.load({})
        assert loaded.views == {}
        assert loaded.now.utcoffset() == timedelta(0)

    async def test_the_time_comes_with_what_is_loaded(
        self, datastore: Datastore, second: Datastore
    ) -> None:
        before = await self.now(datastore)
        job_id, _ = await self.submit(datastore, {})
        first = (await datastore.load({job_id: []})).now
        assert first >= before
        assert await self.passed(second, first) > first
        assert abs(first - datetime.now(UTC)) < timedelta(days=1)

    async def test_active_tasks_are_counted(self, datastore: Datastore) -> None:
        states = list(TaskState)
        job_id, tasks = await self.submit(datastore, *({"state": state} for state in states))
        assert (await self.view(datastore, job_id)).counts.active == 4
        active = tasks[states.index(TaskState.RUNNING)]
        await self.update(datastore, job_id, active, state=TaskState.COMPLETED)
        assert (await self.view(datastore, job_id, [active])).counts.active == 3


class CommittingPromises(DatastoreSuite):
    """See :meth:`tork_core.interfaces.datastore.Datastore.commit`."""

    async def trace(self, datastore: Datastore, job_id: JobId, tasks: Collection[str]) -> object:
        """All that a change could have left behind."""
        loaded = await datastore.load({job_id: tasks})
        return (
            loaded.views.get(job_id),
            await datastore.job(job_id),
            await datastore.specs([(job_id, task) for task in tasks]),
            await datastore.events(job_id),
            (await datastore.due(100)).tasks,
            await datastore.waiting(),
            await datastore.running(["n"]),
        )

    async def test_a_change_on_an_older_version_leaves_no_trace(self, datastore: Datastore) -> None:
        now = await self.now(datastore)
        job_id, (task_id,) = await self.submit(datastore, running("n"))
        stale = await self.view(datastore, job_id, [task_id])
        await self.update(datastore, job_id, output="first")
        change = next_change(stale, output="second", events=1)
        change.tasks = {
            task_id: stale.tasks[task_id],
            "new": Task(
                id="new",
                job_id=job_id,
                path="2",
                position=2,
                created_at=now,
                state=TaskState.PENDING,
                due=now,
            ),
        }
        change.tasks[task_id].state = TaskState.COMPLETED
        change.specs = {task_id: TaskSpec(run="second"), "new": TaskSpec(run="second")}
        change.events = [event(job_id, 1, now)]
        before = await self.trace(datastore, job_id, list(change.tasks))
        committed = await datastore.commit([change])
        assert committed.conflicts == {job_id}
        assert committed.ended == []
        assert await self.trace(datastore, job_id, list(change.tasks)) == before

    async def test_a_conflicting_change_ends_no_task(self, datastore: Datastore) -> None:
        job_id, tasks = await self.submit(datastore, running("n"), {})
        stale = await self.view(datastore, job_id)
        await self.update(datastore, job_id)
        change = next_change(stale)
        change.end_active = TaskState.CANCELLED
        before = await self.trace(datastore, job_id, tasks)
        committed = await datastore.commit([change])
        assert (committed.conflicts, committed.ended) == ({job_id}, [])
        assert await self.trace(datastore, job_id, tasks) == before

    async def test_a_new_job_that_exists_already_is_a_conflict(self, datastore: Datastore) -> None:
        first = new_job(await self.now(datastore), {}, output="first")
        await self.write(datastore, first)
        again = new_job(first.at, {}, id=first.job.id, output="second")
        again.spec = JobSpec(name="second", tasks=[])
        before = await self.trace(datastore, first.job.id, list(again.tasks))
        assert (await datastore.commit([again])).conflicts == {first.job.id}
        assert await self.trace(datastore, first.job.id, list(again.tasks)) == before

    async def test_a_change_of_a_job_that_does_not_exist_is_a_conflict(
        self, datastore: Datastore
    ) -> None:
        change = new_job(await self.now(datastore), {}, version=4)
        change.base, change.spec = 3, None
        assert (await datastore.commit([change])).conflicts == {change.job.id}
        assert (await datastore.load({change.job.id: []})).views == {}
        assert await datastore.job(change.job.id) is None

    async def test_a_conflict_spares_the_other_jobs_of_the_batch(
        self, datastore: Datastore
    ) -> None:
        ids = [(await self.submit(datastore, {}))[0] for _ in range(9)]
        views = (await datastore.load({job_id: [] for job_id in ids})).views
        for job_id in ids[::3]:
            await self.update(datastore, job_id, output="first")
        changes = [next_change(views[job_id], output="second") for job_id in ids]
        new = new_job(changes[0].at, {}, output="second")
        committed = await datastore.commit([*changes, new])
        assert committed.conflicts == set(ids[::3])
        after = (await datastore.load({job_id: [] for job_id in [*ids, new.job.id]})).views
        for job_id, view in after.items():
            assert view.job.output == ("first" if job_id in ids[::3] else "second")
            assert view.job.version == (1 if job_id == new.job.id else 2)

    async def test_of_commits_at_the_same_time_one_wins(
        self, datastore: Datastore, second: Datastore
    ) -> None:
        ids = [(await self.submit(datastore, {}))[0] for _ in range(5)]
        keys: dict[JobId, list[str]] = {job_id: [] for job_id in ids}
        for _ in range(4):
            loaded = await asyncio.gather(*(c.load(keys) for c in (datastore, second) * 2))
            names = [unique("writer") for _ in loaded]
            results = await asyncio.gather(
                *(
                    connection.commit([next_change(seen.views[i], output=name) for i in order])
                    for connection, seen, name, order in zip(
                        (datastore, second) * 2, loaded, names, (ids, ids[::-1]) * 2, strict=True
                    )
                )
            )
            views = (await datastore.load(keys)).views
            for job_id in ids:
                winners = [
                    name
                    for name, result in zip(names, results, strict=True)
                    if job_id not in result.conflicts
                ]
                assert winners == [views[job_id].job.output]

    async def test_an_empty_commit_is_fine(self, datastore: Datastore) -> None:
        committed = await datastore.commit([])
        assert (committed.conflicts, committed.ended) == (set(), [])

    async def test_a_batch_of_many_jobs_is_written(self, datastore: Datastore) -> None:
        now = await self.now(datastore)
        changes = [new_job(now, {}, {}) for _ in range(300)]
        await self.write(datastore, *changes)
        keys = {change.job.id: list(change.tasks) for change in changes}
        views = (await datastore.load(keys)).views
        assert {job_id: view.tasks for job_id, view in views.items()} == {
            change.job.id: change.tasks for change in changes
        }

    async def test_rows_are_replaced_and_others_stay(self, datastore: Datastore) -> None:
        job_id, tasks = await self.submit(datastore, {}, {})
        await self.update(
            datastore, job_id, tasks[0], state=TaskState.PENDING, output="new", attempt=2
        )
        view = await self.view(datastore, job_id, tasks)
        assert set(view.tasks) == set(tasks)
        assert (view.tasks[tasks[0]].output, view.tasks[tasks[0]].attempt) == ("new", 2)
        assert view.tasks[tasks[0]].state is TaskState.PENDING
        assert view.tasks[tasks[1]].state is TaskState.CREATED
        assert view.job.version == 2

    @pytest.mark.parametrize(
        ("state", "field"),
        [
            (TaskState.CANCELLED, "cancelled_at"),
            (TaskState.FAILED, "failed_at"),
            (TaskState.COMPLETED, "completed_at"),
        ],
    )
    async def test_a_set_wise_end_ends_every_active_task_that_is_not_written(
        self, datastore: Datastore, state: TaskState, field: str
    ) -> None:
        now = await self.now(datastore)
        rows = [{"state": state, "due": now} for state in TaskState]
        job_id, tasks = await self.submit(datastore, *rows, {"state": TaskState.PENDING})
        before = await self.view(datastore, job_id, tasks)
        change = next_change(before, state=JobState.CANCELLED)
        change.end_active, change.at = state, now + timedelta(seconds=7)
        change.tasks[tasks[-1]] = before.tasks[tasks[-1]]
        change.tasks[tasks[-1]].output = "written by itself"
        await self.write(datastore, change)
        after = await self.view(datastore, job_id, tasks)
        for task_id in tasks[:-1]:
            old, new = before.tasks[task_id], after.tasks[task_id]
            if old.state.ended:
                assert new == old
            else:
                assert (new.state, new.due) == (state, None)
                assert getattr(new, field) == change.at
                assert new.name == old.name
        assert after.tasks[tasks[-1]] == change.tasks[tasks[-1]]
        assert after.counts.active == 1

    async def test_a_set_wise_end_gives_back_the_claims_to_stop(self, datastore: Datastore) -> None:
        claim = Claim(node="n-1", number=5, beat=2)
        job_id, tasks = await self.submit(
            datastore,
            {"state": TaskState.RUNNING, "claim": claim, "attempt": 3},
            {"state": TaskState.COMPLETED, "claim": claim},
            {"state": TaskState.SCHEDULED},
            {"state": TaskState.RUNNING, "claim": Claim(node="n-2", number=1)},
            {"state": TaskState.RUNNING, "claim": Claim(node="n-2", number=2)},
        )
        spared = await self.view(datastore, job_id, [tasks[4]])
        change = next_change(spared)
        change.end_active, change.tasks = TaskState.CANCELLED, spared.tasks
        other = new_job(change.at, running("n-3"))
        committed = await self.write(datastore, other, change)
        assert sorted(
            (held.job_id, held.task_id, held.attempt, held.claim.key) for held in committed.ended
        ) == sorted([(job_id, tasks[0], 3, ("n-1", 5)), (job_id, tasks[3], 1, ("n-2", 1))])
        view = await self.view(datastore, job_id, tasks)
        assert view.tasks[tasks[0]].claim == claim

    async def test_a_set_wise_end_of_many_tasks(self, datastore: Datastore) -> None:
        job_id, _ = await self.submit(datastore, *(running("n", number) for number in range(1500)))
        change = next_change(await self.view(datastore, job_id))
        change.end_active = TaskState.CANCELLED
        assert len((await self.write(datastore, change)).ended) == 1500
        assert (await self.view(datastore, job_id)).counts.active == 0
        assert await datastore.running(["n"]) == []

    async def test_a_cut_connection_raises_unavailable(self, second: Datastore) -> None:
        now = await self.now(second)
        await self.cut(second)
        with pytest.raises(Unavailable):
            await second.load({})
        with pytest.raises(Unavailable):
            await second.commit([new_job(now)])
        with pytest.raises(Unavailable):
            await second.due(1)

    async def test_a_commit_of_unknown_outcome_is_whole_or_nothing_for_each_job(
        self, datastore: Datastore, second: Datastore
    ) -> None:
        now = await self.now(datastore)
        changes = [new_job(now, {}, {}, {}) for _ in range(50)]
        for change in changes:
            change.events = [event(change.job.id, 1, now)]
        committing = asyncio.create_task(second.commit(changes))
        for _ in range(7):
            await asyncio.sleep(0)
        await self.cut(second)
        await asyncio.wait([committing])
        if (error := committing.exception()) is not None:
            assert isinstance(error, Unavailable)
        for change in changes:
            view = (await datastore.load({change.job.id: list(change.tasks)})).views.get(
                change.job.id
            )
            events = await datastore.events(change.job.id)
            assert view is not None or error is not None
            assert events == (change.events if view else [])
            assert view is None or view.tasks == change.tasks
