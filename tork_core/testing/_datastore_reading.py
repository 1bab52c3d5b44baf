"""Promises about what is read beside views: rendered specifications, records, events, logs."""

from __future__ import annotations

import asyncio
from datetime import timedelta

from tork_core.interfaces.datastore import Datastore
from tork_core.model.job import Event, JobId, LogPart, TaskId
from tork_core.model.spec import TaskSpec
from tork_core.testing._datastore_base import (
    SPEC,
    DatastoreSuite,
    event,
    new_task,
    next_change,
)


class ReadingPromises(DatastoreSuite):
    """See ``specs``, ``job`` and ``events``."""

    async def test_rendered_specifications_are_loaded_by_name(self, datastore: Datastore) -> None:
        job_id, tasks = await self.submit(datastore, {}, {}, {})
        other, (alien,) = await self.submit(datastore, {})
        assert await datastore.specs([(job_id, alien), ("nowhere", "nothing")]) == {}
        assert await datastore.specs([(job_id, tasks[1]), (other, alien)]) == {
            tasks[1]: TaskSpec(name="step 2", run="true"),
            alien: TaskSpec(name="step 1", run="true"),
        }

    async def test_a_row_written_again_keeps_its_rendered_specification(
        self, datastore: Datastore
    ) -> None:
        job_id, (task_id,) = await self.submit(datastore, {})
        await self.update(datastore, job_id, task_id, attempt=2)
        assert set(await datastore.specs([(job_id, task_id)])) == {task_id}
        change = next_change(await self.view(datastore, job_id, [task_id]))
        change.tasks = (await self.view(datastore, job_id, [task_id])).tasks
        change.specs = {task_id: TaskSpec(run="another")}
        await self.write(datastore, change)
        assert await datastore.specs([(job_id, task_id)]) == {task_id: TaskSpec(run="another")}

    async def test_a_record_holds_all_tasks_by_position_and_creation(
        self, datastore: Datastore
    ) -> None:
        job_id, tasks = await self.submit(
            datastore, {"position": 2}, {"position": 10}, {"position": 1}
        )
        change = next_change(await self.view(datastore, job_id))
        for seconds in (9, 3):
            later = change.at + timedelta(seconds=seconds)
            task = new_task(job_id, 2, later)
            change.tasks[task.id] = task
            change.specs[task.id] = TaskSpec(run=f"after {seconds}")
            tasks.append(task.id)
        await self.write(datastore, change)
        record = await datastore.job(job_id)
        assert record is not None
        assert record.spec == SPEC
        assert record.job.version == 2
        assert [item.task.id for item in record.tasks] == [tasks[i] for i in (2, 0, 4, 3, 1)]
        assert [item.spec.run for item in record.tasks][1:4] == ["true", "after 3", "after 9"]

    async def test_a_job_that_does_not_exist_has_no_record(self, datastore: Datastore) -> None:
        assert await datastore.job("no-such-job") is None

    async def test_events_are_kept_in_order(self, datastore: Datastore) -> None:
        job_id, (task_id,) = await self.submit(datastore, {})
        other, _ = await self.submit(datastore, {})
        written: list[Event] = []
        for first in (1, 4, 7):
            change = next_change(await self.view(datastore, job_id))
            change.events = [
                event(job_id, number, change.at, task_id=task_id, name="ü", attempt=number)
                for number in range(first, first + 3)
            ]
            written += change.events
            await self.write(datastore, change)
        assert await datastore.events(job_id) == written
        assert await datastore.events(job_id, after=4) == written[4:]
        assert await datastore.events(job_id, after=2, limit=3) == written[2:5]
        assert await datastore.events(job_id, after=9) == []
        assert await datastore.events(other) == []
        assert await datastore.events("no-such-job") == []


class LogPromises(DatastoreSuite):
    """See ``append_log`` and ``log``."""

    async def test_log_parts_are_kept_as_they_came(self, datastore: Datastore) -> None:
        job_id, (task_id,) = await self.submit(datastore, {})
        before = await self.now(datastore)
        parts = [part(job_id, task_id, number, f"Zeile {number} ✓\n") for number in (1, 2, 3)]
        await datastore.append_log(parts)
        after = await self.now(datastore)
        stored = await datastore.log(job_id)
        assert [item.contents for item in stored] == [item.contents for item in parts]
        assert [(item.task_id, item.attempt, item.number) for item in stored] == [
            (task_id, 1, number) for number in (1, 2, 3)
        ]
        for item in stored:
            assert item.created_at is not None
            assert before <= item.created_at <= after

    async def test_a_log_part_is_stored_once(self, datastore: Datastore, second: Datastore) -> None:
        job_id, (task_id,) = await self.submit(datastore, {})
        parts = [part(job_id, task_id, number) for number in (1, 2, 3)]
        await datastore.append_log([parts[0], parts[0], parts[2]])
        await second.append_log(parts)
        await asyncio.gather(datastore.append_log(parts), second.append_log(parts))
        stored = await datastore.log(job_id)
        assert sorted(item.number for item in stored) == [1, 2, 3]
        assert len({item.cursor for item in stored}) == 3

    async def test_parts_are_named_by_task_attempt_and_number(self, datastore: Datastore) -> None:
        job_id, (one, two) = await self.submit(datastore, {}, {})
        await datastore.append_log(
            [
                part(job_id, one, 1, "a"),
                part(job_id, two, 1, "b"),
                part(job_id, one, 1, "c", attempt=2),
                part(job_id, one, 2, "d"),
            ]
        )
        assert [item.contents for item in await datastore.log(job_id)] == ["a", "b", "c", "d"]

    async def test_the_log_of_one_task_is_read_alone(self, datastore: Datastore) -> None:
        job_id, (one, two) = await self.submit(datastore, {}, {})
        await datastore.append_log(
            [part(job_id, task, number) for number in (1, 2, 3) for task in (one, two)]
        )
        whole = await datastore.log(job_id)
        mine = [item for item in whole if item.task_id == two]
        assert await datastore.log(job_id, task_id=two) == mine
        assert await datastore.log(job_id, task_id=two, after=mine[0].cursor, limit=1) == mine[1:2]
        assert await datastore.log(job_id, task_id="no-such-task") == []
        assert await datastore.log("no-such-job") == []

    async def test_cursors_grow_and_pages_meet(self, datastore: Datastore) -> None:
        job_id, (task_id,) = await self.submit(datastore, {})
        await datastore.append_log([part(job_id, task_id, number) for number in range(1, 11)])
        whole = await datastore.log(job_id)
        cursors = [item.cursor for item in whole]
        assert cursors == sorted(set(cursors))
        assert cursors[0] > 0
        pages: list[LogPart] = []
        while page := await datastore.log(job_id, after=pages[-1].cursor if pages else 0, limit=3):
            assert len(page) <= 3
            pages += page
        assert pages == whole

    async def test_a_reader_that_goes_on_misses_nothing(
        self, datastore: Datastore, second: Datastore
    ) -> None:
        job_id, tasks = await self.submit(datastore, {}, {})
        read: list[LogPart] = []
        for base in range(1, 60, 6):
            writes = [
                asyncio.create_task(
                    connection.append_log(
                        [part(job_id, task, number) for number in numbers for task in tasks]
                    )
                )
                for connection, numbers in (
                    (datastore, (base + 5, base + 1, base)),
                    (second, (base + 2, base + 4, base + 3, base)),
                )
            ]
            while True:
                done = all(write.done() for write in writes)
                read += await datastore.log(job_id, after=read[-1].cursor if read else 0, limit=5)
                await asyncio.sleep(0)
                if done:
                    break
            await asyncio.gather(*writes)
        while more := await datastore.log(job_id, after=read[-1].cursor, limit=50):
            read += more
        for task in tasks:
            numbers = [item.number for item in read if item.task_id == task]
            assert sorted(numbers) == list(range(1, 61))

    async def test_parts_of_unknown_jobs_are_dropped(self, datastore: Datastore) -> None:
        job_id, (task_id,) = await self.submit(datastore, {})
        await datastore.append_log(
            [part("no-such-job", task_id, 1), part(job_id, task_id, 1, "kept")]
        )
        assert await datastore.log("no-such-job") == []
        assert [item.contents for item in await datastore.log(job_id)] == ["kept"]


def part(
    job_id: JobId, task_id: TaskId, number: int, contents: str = "text\n", *, attempt: int = 1
) -> LogPart:
    """A log part as a worker sends it."""
    return LogPart(
        job_id=job_id, task_id=task_id, attempt=attempt, number=number, contents=contents
    )
