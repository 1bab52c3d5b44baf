"""Promises about what people look through: pages of jobs and logs, tasks by their ids."""

from __future__ import annotations

from datetime import timedelta

from tork_core.interfaces.datastore import Datastore
from tork_core.model.job import JobId, LogPart
from tork_core.model.states import JobState, TaskState
from tork_core.testing._datastore_base import DatastoreSuite, new_job
from tork_core.testing._datastore_reading import part


class ListingPromises(DatastoreSuite):
    """See ``jobs`` and ``task``."""

    async def test_jobs_are_listed_by_creation_and_id_the_newest_first(
        self, datastore: Datastore
    ) -> None:
        assert (await datastore.jobs()).total == 0
        now = await self.now(datastore)
        ages = (3, 1, 2, 1, 1, 5)
        changes = [new_job(now - timedelta(seconds=age), {}) for age in ages]
        await self.write(datastore, *changes)
        wanted = sorted(
            ((change.job.created_at, change.job.id) for change in changes), reverse=True
        )
        page = await datastore.jobs(limit=100)
        assert page.total == 6
        assert [(item.job.created_at, item.job.id) for item in page.jobs] == wanted
        page = await datastore.jobs(offset=1, limit=3)
        assert (page.total, [item.job.id for item in page.jobs]) == (
            6,
            [id for _, id in wanted[1:4]],
        )
        page = await datastore.jobs(offset=5, limit=3)
        assert [item.job.id for item in page.jobs] == [wanted[5][1]]
        assert (await datastore.jobs(offset=6)).jobs == []
        # A job stays where it is, whatever becomes of it.
        await self.update(datastore, wanted[5][1], state=JobState.COMPLETED)
        page = await datastore.jobs(limit=100)
        assert [item.job.id for item in page.jobs] == [id for _, id in wanted]
        assert page.jobs[5].job.state is JobState.COMPLETED

    async def test_pages_of_jobs_stay_while_jobs_arrive(
        self, datastore: Datastore, second: Datastore
    ) -> None:
        now = await self.now(datastore)
        changes = [new_job(now - timedelta(seconds=number // 2), {}) for number in range(7)]
        await self.write(datastore, *changes)
        whole = (await datastore.jobs(limit=100)).jobs
        until = whole[0].job.created_at, whole[0].job.id
        seen: list[JobId] = []
        for offset in range(0, 8, 2):
            await self.write(second, new_job(now + timedelta(seconds=1 + offset), {}))
            page = await datastore.jobs(until=until, offset=offset, limit=2)
            assert page.total == 7
            seen += [item.job.id for item in page.jobs]
        assert seen == [item.job.id for item in whole]
        assert (await datastore.jobs()).total == 11
        gone = until[0], until[1] + "~"
        assert (await datastore.jobs(until=gone)).total == 7
        assert (await datastore.jobs(until=(now - timedelta(days=1), "x"))).jobs == []

    async def test_a_listed_job_has_the_tasks_that_its_result_and_error_come_from(
        self, datastore: Datastore
    ) -> None:
        job_id, tasks = await self.submit(
            datastore,
            {"state": TaskState.COMPLETED, "output": "42", "position": 3},
            {"state": TaskState.COMPLETED, "output": "43"},
            {"state": TaskState.FAILED, "error": "why", "position": 1},
            {"state": TaskState.RUNNING},
        )
        await self.update(datastore, job_id, variables={"out": tasks[0]})
        [listed] = (await datastore.jobs()).jobs
        whole = await datastore.job(job_id)
        assert whole is not None
        assert (listed.spec, listed.job) == (whole.spec, whole.job)
        brief = {tasks[0], tasks[2]}
        assert listed.tasks == [item for item in whole.tasks if item.task.id in brief]

    async def test_a_task_is_found_by_its_id_alone(self, datastore: Datastore) -> None:
        job_id, tasks = await self.submit(
            datastore,
            {"state": TaskState.FAILED},
            {"state": TaskState.RUNNING},
            {"state": TaskState.RUNNING},
        )
        await self.submit(datastore, {"state": TaskState.RUNNING})
        found = await datastore.task(tasks[1])
        whole = await datastore.job(job_id)
        assert found is not None
        assert whole is not None
        assert (found.spec, found.job) == (whole.spec, whole.job)
        assert found.tasks == whole.tasks[:2]
        assert await datastore.task("no-such-task") is None


class LogPagePromises(DatastoreSuite):
    """See ``log_page``."""

    async def test_pages_of_a_log_go_back_in_time(self, datastore: Datastore) -> None:
        job_id, (one, two) = await self.submit(datastore, {}, {})
        await datastore.append_log(
            [part(job_id, task, number) for number in range(1, 6) for task in (one, two)]
        )
        whole = (await datastore.log(job_id))[::-1]
        page = await datastore.log_page(job_id, limit=100)
        assert (page.total, page.parts) == (10, whole)
        seen: list[LogPart] = []
        for offset in range(0, 12, 3):
            page = await datastore.log_page(job_id, offset=offset, limit=3)
            assert page.total == 10
            seen += page.parts
        assert seen == whole
        assert (await datastore.log_page("no-such-job")).parts == []

    async def test_pages_of_one_tasks_log(self, datastore: Datastore) -> None:
        job_id, (one, two) = await self.submit(datastore, {}, {})
        await datastore.append_log(
            [part(job_id, task, number) for number in range(1, 6) for task in (one, two)]
        )
        mine = (await datastore.log(job_id, task_id=two))[::-1]
        page = await datastore.log_page(job_id, task_id=two, offset=1, limit=2)
        assert (page.total, page.parts) == (5, mine[1:3])
        page = await datastore.log_page(job_id, task_id="no-such-task")
        assert (page.total, page.parts) == (0, [])

    async def test_pages_of_a_log_stay_while_it_grows(self, datastore: Datastore) -> None:
        job_id, (task_id,) = await self.submit(datastore, {})
        await datastore.append_log([part(job_id, task_id, number) for number in range(1, 6)])
        whole = (await datastore.log(job_id))[::-1]
        seen: list[LogPart] = []
        for offset in range(0, 6, 2):
            await datastore.append_log([part(job_id, task_id, 10 + offset)])
            page = await datastore.log_page(job_id, until=whole[0].cursor, offset=offset, limit=2)
            assert page.total == 5
            seen += page.parts
        assert seen == whole
