"""Datastores that read records, events and logs wrongly, or store parts wrongly."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import msgspec
from flawed_datastore import FlawedDatastore, caught_by
from tork_memory.store import MemoryStore

from tork_core.errors import NotFound
from tork_core.interfaces.datastore import JobChange
from tork_core.model.job import Event, JobId, JobRecord, LogPart, TaskId
from tork_core.model.spec import TaskSpec


@caught_by("test_rendered_specifications_are_loaded_by_name")
class FindsSpecsByTaskAlone(MemoryStore):
    def specs(self, keys: Collection[tuple[JobId, TaskId]]) -> dict[TaskId, TaskSpec]:
        wanted = {task_id for _, task_id in keys}
        return super().specs(
            [(job.id, task) for job in self._jobs.values() for task in job.tasks if task in wanted]
        )


@caught_by("test_a_row_written_again_keeps_its_rendered_specification")
class DropsSpecs(FlawedDatastore):
    def before(self, change: JobChange) -> JobChange:
        entry = self.entry(change.job.id)
        for task_id in change.tasks:
            if entry is not None and task_id in entry.tasks:
                entry.tasks[task_id].spec_row = None
        return change


@caught_by("test_a_row_written_again_keeps_its_rendered_specification")
class KeepsTheFirstSpecs(FlawedDatastore):
    def before(self, change: JobChange) -> JobChange:
        return msgspec.structs.replace(change, specs=change.specs if change.base == 0 else {})


@caught_by("test_a_record_holds_all_tasks_by_position_and_creation")
class ListsTasksAsTheyCame(MemoryStore):
    def record(self, job_id: JobId) -> JobRecord | None:
        record = super().record(job_id)
        if record is not None:
            order = list(self._jobs[job_id].tasks)
            record.tasks.sort(key=lambda item: order.index(item.task.id))
        return record


@caught_by("test_a_job_that_does_not_exist_has_no_record")
class RefusesUnknownJobs(FlawedDatastore):
    async def job(self, job_id: JobId) -> JobRecord | None:
        record = await super().job(job_id)
        if record is None:
            raise NotFound(job_id)
        return record


@caught_by("test_events_are_kept_in_order")
class GivesTheLastEventAgain(FlawedDatastore):
    async def events(self, job_id: JobId, *, after: int = 0, limit: int = 1000) -> list[Event]:
        return await super().events(job_id, after=after - 1, limit=limit)


@caught_by("test_events_are_kept_in_order")
class GivesAllEvents(FlawedDatastore):
    async def events(self, job_id: JobId, *, after: int = 0, limit: int = 1000) -> list[Event]:
        return await super().events(job_id, after=after)


class SpoilsLogs(FlawedDatastore):
    def read(self, parts: list[LogPart]) -> list[LogPart]:
        """Spoil what is read."""
        return parts

    async def log(
        self, job_id: JobId, *, task_id: TaskId | None = None, after: int = 0, limit: int = 1000
    ) -> list[LogPart]:
        return self.read(await super().log(job_id, task_id=task_id, after=after, limit=limit))


@caught_by("test_log_parts_are_kept_as_they_came")
class StampsNoParts(SpoilsLogs):
    def read(self, parts: list[LogPart]) -> list[LogPart]:
        return [msgspec.structs.replace(part, created_at=None) for part in parts]


@caught_by("test_log_parts_are_kept_as_they_came")
class StripsParts(SpoilsLogs):
    def read(self, parts: list[LogPart]) -> list[LogPart]:
        return [msgspec.structs.replace(p, contents=p.contents.strip()) for p in parts]


@caught_by("test_a_log_part_is_stored_once")
class DoublesParts(FlawedDatastore):
    async def append_log(self, parts: Sequence[LogPart]) -> None:
        for log in self._shared._logs._logs.values():
            log._seen.clear()
        await super().append_log(parts)


@caught_by("test_a_log_part_is_stored_once")
class TakesLaterNumbersOnly(FlawedDatastore):
    async def append_log(self, parts: Sequence[LogPart]) -> None:
        highest: dict[TaskId, int] = {}
        for part in parts:
            newest = highest.setdefault(part.task_id, 0)
            for stored in await self.log(part.job_id, task_id=part.task_id):
                newest = max(newest, stored.number)
            if part.number > newest:
                await super().append_log([part])


@caught_by("test_parts_are_named_by_task_attempt_and_number")
class IgnoresAttempts(FlawedDatastore):
    async def append_log(self, parts: Sequence[LogPart]) -> None:
        await super().append_log([msgspec.structs.replace(part, attempt=1) for part in parts])


@caught_by("test_the_log_of_one_task_is_read_alone")
class ReadsTheWholeLog(FlawedDatastore):
    async def log(
        self, job_id: JobId, *, task_id: TaskId | None = None, after: int = 0, limit: int = 1000
    ) -> list[LogPart]:
        return await super().log(job_id, after=after, limit=limit)


@caught_by("test_cursors_grow_and_pages_meet")
class ReadsPartsTwice(FlawedDatastore):
    async def log(
        self, job_id: JobId, *, task_id: TaskId | None = None, after: int = 0, limit: int = 1000
    ) -> list[LogPart]:
        parts = await super().log(job_id, task_id=task_id, after=after - 1, limit=limit)
        return [] if parts and parts[-1].cursor == after else parts


@caught_by("test_a_reader_that_goes_on_misses_nothing")
class OrdersByNumber(FlawedDatastore):
    async def log(
        self, job_id: JobId, *, task_id: TaskId | None = None, after: int = 0, limit: int = 1000
    ) -> list[LogPart]:
        parts = await super().log(job_id, task_id=task_id, limit=10_000)
        numbered = [msgspec.structs.replace(part, cursor=part.number) for part in parts]
        numbered.sort(key=lambda part: part.cursor)
        return [part for part in numbered if part.cursor > after][:limit]


@caught_by("test_parts_of_unknown_jobs_are_dropped")
class KeepsPartsOfUnknownJobs(MemoryStore):
    def append_log(self, parts: Sequence[LogPart]) -> None:
        for part in parts:
            self._logs.append(part, self.now(), ended=False)
