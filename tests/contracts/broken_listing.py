"""Datastores that list jobs, find tasks or page logs wrongly."""

from __future__ import annotations

from datetime import datetime

import msgspec
from flawed_datastore import FlawedDatastore, caught_by

from tork_core.errors import NotFound
from tork_core.interfaces.datastore import JobPage, LogPage
from tork_core.model.job import JobId, JobRecord, TaskId

Place = tuple[datetime, JobId]


class ListsJobs(FlawedDatastore):
    def listed(self, until: Place | None, offset: int, limit: int) -> JobPage:
        """List jobs wrongly."""
        return self._shared.jobs(until, offset, limit)

    async def jobs(
        self, *, until: Place | None = None, offset: int = 0, limit: int = 10
    ) -> JobPage:
        return self.listed(until, offset, limit)


@caught_by("test_jobs_are_listed_by_creation_and_id_the_newest_first")
class ListsTheOldestFirst(ListsJobs):
    def listed(self, until: Place | None, offset: int, limit: int) -> JobPage:
        page = super().listed(until, 0, 10_000)
        return JobPage(page.total, page.jobs[::-1][offset : offset + limit])


@caught_by("test_jobs_are_listed_by_creation_and_id_the_newest_first")
class ListsByIdAlone(ListsJobs):
    def listed(self, until: Place | None, offset: int, limit: int) -> JobPage:
        page = super().listed(until, 0, 10_000)
        jobs = sorted(page.jobs, key=lambda item: item.job.id, reverse=True)
        return JobPage(page.total, jobs[offset : offset + limit])


@caught_by("test_jobs_are_listed_by_creation_and_id_the_newest_first")
class CountsThePageAlone(ListsJobs):
    def listed(self, until: Place | None, offset: int, limit: int) -> JobPage:
        page = super().listed(until, offset, limit)
        return JobPage(len(page.jobs), page.jobs)


@caught_by("test_pages_of_jobs_stay_while_jobs_arrive")
class ShiftsPages(ListsJobs):
    def listed(self, until: Place | None, offset: int, limit: int) -> JobPage:
        return super().listed(None, offset, limit)


@caught_by("test_pages_of_jobs_stay_while_jobs_arrive")
class LeavesOutTheFirst(ListsJobs):
    def listed(self, until: Place | None, offset: int, limit: int) -> JobPage:
        page = super().listed(until, 0, 10_000)
        jobs = [item for item in page.jobs if (item.job.created_at, item.job.id) != until]
        return JobPage(page.total, jobs[offset : offset + limit])


@caught_by("test_a_listed_job_has_the_tasks_that_its_result_and_error_come_from")
class ListsWithoutTasks(ListsJobs):
    def listed(self, until: Place | None, offset: int, limit: int) -> JobPage:
        page = super().listed(until, offset, limit)
        return JobPage(page.total, [msgspec.structs.replace(i, tasks=[]) for i in page.jobs])


@caught_by("test_a_listed_job_has_the_tasks_that_its_result_and_error_come_from")
class ListsAllTasks(ListsJobs):
    def listed(self, until: Place | None, offset: int, limit: int) -> JobPage:
        page = super().listed(until, offset, limit)
        return JobPage(page.total, [self._shared.record(item.job.id) for item in page.jobs])


@caught_by("test_a_task_is_found_by_its_id_alone")
class RefusesUnknownTasks(FlawedDatastore):
    async def task(self, task_id: TaskId) -> JobRecord | None:
        found = await super().task(task_id)
        if found is None:
            raise NotFound(task_id)
        return found


@caught_by("test_a_task_is_found_by_its_id_alone")
class FindsTasksWithAllOthers(FlawedDatastore):
    async def task(self, task_id: TaskId) -> JobRecord | None:
        found = await super().task(task_id)
        return None if found is None else self._shared.record(found.job.id)


class PagesLogs(FlawedDatastore):
    def paged(
        self, job_id: JobId, task_id: TaskId | None, until: int | None, offset: int, limit: int
    ) -> LogPage:
        """Page a log wrongly."""
        return self._shared.log_page(job_id, task_id, until, offset, limit)

    async def log_page(
        self,
        job_id: JobId,
        *,
        task_id: TaskId | None = None,
        until: int | None = None,
        offset: int = 0,
        limit: int = 25,
    ) -> LogPage:
        return self.paged(job_id, task_id, until, offset, limit)


@caught_by("test_pages_of_a_log_go_back_in_time")
class PagesForward(PagesLogs):
    def paged(
        self, job_id: JobId, task_id: TaskId | None, until: int | None, offset: int, limit: int
    ) -> LogPage:
        page = super().paged(job_id, task_id, until, 0, 10_000)
        return LogPage(page.total, page.parts[::-1][offset : offset + limit])


@caught_by("test_pages_of_one_tasks_log")
class PagesTheWholeLog(PagesLogs):
    def paged(
        self, job_id: JobId, task_id: TaskId | None, until: int | None, offset: int, limit: int
    ) -> LogPage:
        return super().paged(job_id, None, until, offset, limit)


@caught_by("test_pages_of_a_log_stay_while_it_grows")
class ShiftsPagesOfLogs(PagesLogs):
    def paged(
        self, job_id: JobId, task_id: TaskId | None, until: int | None, offset: int, limit: int
    ) -> LogPage:
        return super().paged(job_id, task_id, None, offset, limit)
