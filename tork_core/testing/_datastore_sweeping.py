"""Promises about what the sweeper asks for: due jobs and tasks, what waits, what runs where."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import pytest

from tork_core.interfaces.datastore import Datastore, Due, Waiting
from tork_core.model.job import Claim, JobId, TaskId
from tork_core.model.states import JobState, TaskState
from tork_core.testing._datastore_base import (
    HOUR,
    SECOND,
    DatastoreSuite,
    next_change,
    running,
    scheduled,
)
from tork_core.testing.waiting import eventually

SOON = timedelta(seconds=0.5)


class DuePromises(DatastoreSuite):
    """See :meth:`tork_core.interfaces.datastore.Datastore.due`."""

    async def test_a_job_is_due_when_its_time_has_come(self, datastore: Datastore) -> None:
        now = await self.now(datastore)
        past, _ = await self.submit(datastore, due=now - SECOND)
        await self.submit(datastore, due=now + HOUR)
        await self.submit(datastore, due=None)
        due = await datastore.due(10)
        assert due.jobs == [past]
        assert due.now >= now

    async def test_nothing_is_due_before_its_time(self, datastore: Datastore) -> None:
        time = await self.now(datastore) + SOON
        job_id, (task_id,) = await self.submit(
            datastore, {"state": TaskState.PENDING, "due": time}, due=time
        )
        early: list[Due] = []

        async def look() -> Due:
            due = await datastore.due(10)
            if due.now < time:
                early.append(due)
            return due

        def all_due(due: Due) -> bool:
            return due.jobs == [job_id] and due.tasks == [(job_id, task_id)]

        await eventually(look, all_due, within=self.patience)
        assert early
        assert not any(due.jobs or due.tasks for due in early)

    async def test_the_longest_overdue_come_first(self, datastore: Datastore) -> None:
        now = await self.now(datastore)
        order = [3, 1, 5, 2, 4]
        found: dict[int, tuple[JobId, TaskId]] = {}
        for seconds in order:
            time = now - seconds * SECOND
            job_id, (task_id,) = await self.submit(
                datastore, {"state": TaskState.PENDING, "due": time}, due=time
            )
            found[seconds] = job_id, task_id
        wanted = [found[seconds] for seconds in (5, 4, 3, 2, 1)]
        for limit in (2, 5, 100):
            due = await datastore.due(limit)
            assert due.tasks == wanted[:limit]
            assert due.jobs == [job_id for job_id, _ in wanted[:limit]]

    async def test_a_due_time_can_be_moved(self, datastore: Datastore) -> None:
        now = await self.now(datastore)
        job_id, (task_id,) = await self.submit(
            datastore, {"state": TaskState.PENDING, "due": now - SECOND}, due=now - SECOND
        )
        for time in (now + HOUR, now - 2 * SECOND, None, now - SECOND):
            await self.update(datastore, job_id, due=time)
            await self.update(datastore, job_id, task_id, due=time)
            due = await datastore.due(10)
            listed = time is not None and time < now
            assert due.jobs == [job_id] * listed
            assert due.tasks == [(job_id, task_id)] * listed

    @pytest.mark.parametrize("state", [JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED])
    async def test_an_ended_job_is_never_due(self, datastore: Datastore, state: JobState) -> None:
        time = await self.now(datastore) - SECOND
        job_id, _ = await self.submit(datastore, due=time)
        await self.update(datastore, job_id, state=state)
        assert (await datastore.due(10)).jobs == []

    async def test_only_pending_tasks_are_due(self, datastore: Datastore) -> None:
        time = await self.now(datastore) - SECOND
        states = [state for state in TaskState if state is not TaskState.PENDING]
        job_id, (task_id, *_) = await self.submit(
            datastore,
            {"state": TaskState.PENDING, "due": time},
            *({"state": state, "due": time} for state in states),
        )
        assert (await datastore.due(10)).tasks == [(job_id, task_id)]
        await self.update(datastore, job_id, task_id, state=TaskState.SKIPPED)
        assert (await datastore.due(10)).tasks == []


class ActivePromises(DatastoreSuite):
    """See :meth:`tork_core.interfaces.datastore.Datastore.active`."""

    async def test_active_tasks_are_listed_by_job_and_id(self, datastore: Datastore) -> None:
        assert await datastore.active(None, 10) == []
        wanted: list[tuple[JobId, TaskId]] = []
        for _ in range(3):
            job_id, tasks = await self.submit(datastore, *({"state": state} for state in TaskState))
            wanted += [
                (job_id, task_id)
                for task_id, state in zip(tasks, TaskState, strict=True)
                if not state.ended
            ]
        wanted.sort()
        assert await datastore.active(None, 100) == wanted
        assert await datastore.active(wanted[4], 100) == wanted[5:]
        assert await datastore.active(wanted[-1], 100) == []
        pages: list[tuple[JobId, TaskId]] = []
        while page := await datastore.active(pages[-1] if pages else None, 5):
            assert len(page) <= 5
            pages += page
        assert pages == wanted

    async def test_a_task_that_has_ended_is_active_no_more(self, datastore: Datastore) -> None:
        job_id, (one, two) = await self.submit(datastore, running("n", 1), running("n", 2))
        await self.update(datastore, job_id, one, state=TaskState.COMPLETED)
        assert await datastore.active(None, 10) == [(job_id, two)]
        change = next_change(await self.view(datastore, job_id), state=JobState.CANCELLED)
        change.end_active = TaskState.CANCELLED
        await self.write(datastore, change)
        assert await datastore.active(None, 10) == []


class WaitingPromises(DatastoreSuite):
    """See ``waiting`` and ``overdue``."""

    async def test_waiting_tasks_are_summed_up_by_queue_and_priority(
        self, datastore: Datastore
    ) -> None:
        now = await self.now(datastore)

        def row(queue: str, priority: int, seconds: int) -> dict[str, Any]:
            published = now - seconds * SECOND
            return scheduled(due=now - SECOND, published=published, queue=queue, priority=priority)

        rows = [("b", 0, 10), ("a", 9, 20), ("b", 0, 30), ("a", 0, 40), ("b", 0, 20)]
        await self.submit(datastore, *(row(*values) for values in rows))
        assert await datastore.waiting() == [
            Waiting(queue="a", priority=0, oldest=now - 40 * SECOND),
            Waiting(queue="a", priority=9, oldest=now - 20 * SECOND),
            Waiting(queue="b", priority=0, oldest=now - 30 * SECOND),
        ]

    async def test_what_is_not_due_or_not_scheduled_does_not_wait(
        self, datastore: Datastore
    ) -> None:
        now = await self.now(datastore)
        old = now - HOUR
        states = [state for state in TaskState if state is not TaskState.SCHEDULED]
        job_id, tasks = await self.submit(
            datastore,
            scheduled(due=now + HOUR, published=old),
            scheduled(due=None, published=old),
            *(scheduled(due=old, published=old) | {"state": state} for state in states),
        )
        assert await datastore.waiting() == []
        assert await self.overdue(datastore) == []
        await self.update(datastore, job_id, tasks[0], due=now - SECOND)
        assert [waiting.oldest for waiting in await datastore.waiting()] == [old]
        assert await self.overdue(datastore) == [(job_id, tasks[0])]

    async def test_a_task_does_not_wait_before_its_due_time(self, datastore: Datastore) -> None:
        now = await self.now(datastore)
        time = now + SOON
        await self.submit(datastore, scheduled(due=time, published=now - HOUR))
        while True:
            waiting = await datastore.waiting()
            overdue = await self.overdue(datastore)
            if await self.now(datastore) >= time:
                break
            assert (waiting, overdue) == ([], [])
        await self.passed(datastore, time)
        assert len(await datastore.waiting()) == len(await self.overdue(datastore)) == 1

    async def test_the_newest_claim_of_a_queue_and_priority_is_known(
        self, datastore: Datastore
    ) -> None:
        now = await self.now(datastore)

        def row(seconds: int, **fields: Any) -> dict[str, Any]:
            return scheduled(due=now - SECOND, published=now - seconds * SECOND, **fields)

        job_id, tasks = await self.submit(
            datastore,
            row(50),
            row(40),
            row(30),
            row(20, queue="other"),
            row(10, priority=1),
        )

        async def newest() -> datetime | None:
            return (await datastore.waiting())[0].newest_claimed

        assert await newest() is None
        for number in (3, 4, 2, 1):
            await self.update(datastore, job_id, tasks[number], **running("n", number))
        assert await newest() == now - 30 * SECOND
        await self.update(datastore, job_id, tasks[2], state=TaskState.COMPLETED)
        assert await newest() == now - 30 * SECOND

    async def test_a_claim_recorded_with_the_end_counts_too(self, datastore: Datastore) -> None:
        now = await self.now(datastore)
        waiting = scheduled(due=now - SECOND, published=now - HOUR)
        job_id, tasks = await self.submit(
            datastore, waiting, scheduled(due=now - SECOND, published=now - SECOND)
        )
        await self.update(
            datastore,
            job_id,
            tasks[1],
            state=TaskState.COMPLETED,
            claim=Claim(node="n", number=1),
        )
        assert [item.newest_claimed for item in await datastore.waiting()] == [now - SECOND]

    async def test_the_oldest_overdue_tasks_come_first(self, datastore: Datastore) -> None:
        now = await self.now(datastore)
        job_id, tasks = await self.submit(
            datastore,
            *(
                scheduled(due=now - seconds * SECOND, published=now - (100 - seconds) * SECOND)
                for seconds in (20, 60, 40, 10)
            ),
            scheduled(due=now - SECOND, published=now - HOUR, queue="other"),
            scheduled(due=now - SECOND, published=now - HOUR, priority=1),
        )
        order = [(job_id, tasks[number]) for number in (3, 0, 2, 1)]
        assert await self.overdue(datastore) == order
        assert await self.overdue(datastore, limit=2) == order[:2]
        assert await self.overdue(datastore, before=now - 60 * SECOND) == order[:3]
        assert await self.overdue(datastore, before=now - 61 * SECOND) == order[:2]

    async def test_a_task_that_is_sent_again_waits_anew(self, datastore: Datastore) -> None:
        now = await self.now(datastore)
        job_id, (task_id, other) = await self.submit(
            datastore,
            scheduled(due=now - SECOND, published=now - 9 * SECOND),
            scheduled(due=now - SECOND, published=now - 5 * SECOND),
        )
        assert (await datastore.waiting())[0].oldest == now - 9 * SECOND
        await self.update(datastore, job_id, task_id, published_at=now - 2 * SECOND, sent=1)
        assert await self.overdue(datastore) == [(job_id, other), (job_id, task_id)]
        await self.update(datastore, job_id, task_id, due=now + HOUR)
        assert await self.overdue(datastore) == [(job_id, other)]
        assert (await datastore.waiting())[0].oldest == now - 5 * SECOND

    async def overdue(
        self, datastore: Datastore, *, before: datetime | None = None, limit: int = 10
    ) -> list[tuple[JobId, TaskId]]:
        """What is overdue in the default queue."""
        before = before or await self.now(datastore)
        return await datastore.overdue("default", 0, published_before=before, limit=limit)


class RunningPromises(DatastoreSuite):
    """See :meth:`tork_core.interfaces.datastore.Datastore.running`, and what ends a wait."""

    async def test_running_tasks_are_found_by_the_node_of_their_claim(
        self, datastore: Datastore
    ) -> None:
        job_id, tasks = await self.submit(
            datastore,
            running("n-1", 7, attempt=3),
            running("n-2", 1),
            running("n-3", 1),
            {"state": TaskState.SCHEDULED},
        )
        held = {item.task_id: item for item in await datastore.running(["n-1", "n-2", "n-4"])}
        assert set(held) == {tasks[0], tasks[1]}
        assert held[tasks[0]].job_id == job_id
        assert held[tasks[0]].attempt == 3
        assert held[tasks[0]].claim == Claim(node="n-1", number=7, beat=1)
        assert await datastore.running([]) == []

    async def test_a_task_that_has_ended_or_was_taken_back_runs_no_more(
        self, datastore: Datastore
    ) -> None:
        job_id, tasks = await self.submit(datastore, running("n", 1), running("n", 2))
        await self.update(datastore, job_id, tasks[0], state=TaskState.COMPLETED)
        assert [item.task_id for item in await datastore.running(["n"])] == [tasks[1]]
        await self.update(
            datastore, job_id, tasks[1], state=TaskState.SCHEDULED, claim=None, attempt=2
        )
        assert await datastore.running(["n"]) == []
        await self.update(datastore, job_id, tasks[1], **running("m"))
        assert [item.attempt for item in await datastore.running(["n", "m"])] == [2]

    async def test_what_a_set_wise_end_ends_is_due_nowhere(self, datastore: Datastore) -> None:
        now = await self.now(datastore)
        old = now - SECOND
        job_id, _ = await self.submit(
            datastore,
            {"state": TaskState.PENDING, "due": old},
            scheduled(due=old, published=old),
            running("n"),
        )
        change = next_change(await self.view(datastore, job_id), state=JobState.CANCELLED)
        change.end_active = TaskState.CANCELLED
        await self.write(datastore, change)
        assert (await datastore.due(10)).tasks == []
        assert await datastore.waiting() == []
        assert await datastore.running(["n"]) == []
