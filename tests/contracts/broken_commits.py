"""Datastores that load and commit wrongly."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime, timedelta

import msgspec
from flawed_datastore import FlawedDatastore, caught_by
from tork_memory.rows import EncodedChange, JobEntry, TaskEntry, decode_task
from tork_memory.store import MemoryStore

from tork_core.errors import Conflict, Unavailable
from tork_core.interfaces.datastore import Committed, HeldTask, JobChange, JobView, Loaded
from tork_core.model.job import Counts, JobId, Task, TaskId
from tork_core.model.spec import JobSpec
from tork_core.model.states import TaskState

# Loading


@caught_by("test_a_job_is_loaded_as_it_was_written")
class RoundsTimes(FlawedDatastore):
    def before(self, change: JobChange) -> JobChange:
        change = msgspec.structs.replace(change, tasks=dict(change.tasks))
        for task_id, task in change.tasks.items():
            if task.published_at is not None:
                rounded = task.published_at.replace(microsecond=0)
                change.tasks[task_id] = msgspec.structs.replace(task, published_at=rounded)
        return change


@caught_by("test_what_is_loaded_is_a_copy")
class SharesWhatItLoads(FlawedDatastore):
    shown: dict[JobId, JobView]

    async def load(self, keys: Mapping[JobId, Collection[TaskId]]) -> Loaded:
        self.shown = getattr(self, "shown", {})
        loaded = await super().load(keys)
        for job_id, view in loaded.views.items():
            loaded.views[job_id] = self.shown.setdefault(job_id, view)
        return loaded


@caught_by("test_what_is_loaded_is_a_copy")
class SharesWhatWasCommitted(FlawedDatastore):
    written: dict[JobId, JobChange]

    async def commit(self, changes: Sequence[JobChange]) -> Committed:
        self.written = {change.job.id: change for change in changes}
        return await super().commit(changes)

    async def load(self, keys: Mapping[JobId, Collection[TaskId]]) -> Loaded:
        loaded = await super().load(keys)
        for job_id, view in loaded.views.items():
            view.job = self.written[job_id].job
        return loaded


@caught_by("test_named_tasks_are_loaded_and_no_others")
class LoadsAllTasks(MemoryStore):
    def view(self, job_id: JobId, task_ids: Collection[TaskId]) -> JobView | None:
        entry = self._jobs.get(job_id)
        return super().view(job_id, list(entry.tasks) if entry else [])


@caught_by("test_named_tasks_are_loaded_and_no_others")
class InventsJobs(FlawedDatastore):
    async def load(self, keys: Mapping[JobId, Collection[TaskId]]) -> Loaded:
        loaded = await super().load(keys)
        known = list(loaded.views.values())
        loaded.views.update((job_id, known[0]) for job_id in keys if job_id not in loaded.views)
        return loaded


@caught_by("test_the_parents_of_named_tasks_are_loaded_too")
class LoadsNoParents(MemoryStore):
    def view(self, job_id: JobId, task_ids: Collection[TaskId]) -> JobView | None:
        view = super().view(job_id, task_ids)
        if view is not None:
            view.tasks = {key: task for key, task in view.tasks.items() if key in task_ids}
        return view


@caught_by("test_the_newest_parent_is_loaded")
class LoadsTheFirstParent(MemoryStore):
    def _put_task(self, entry: JobEntry, task: Task, row: bytes, spec_row: bytes | None) -> None:
        first = entry.paths.get(task.path)
        super()._put_task(entry, task, row, spec_row)
        if first is not None:
            entry.paths[task.path] = first


@caught_by("test_an_empty_load_gives_the_time")
class TellsLocalTime(FlawedDatastore):
    async def load(self, keys: Mapping[JobId, Collection[TaskId]]) -> Loaded:
        loaded = await super().load(keys)
        loaded.now = loaded.now.astimezone()
        return Loaded(loaded.now.replace(tzinfo=None), loaded.views)


@caught_by("test_the_time_comes_with_what_is_loaded")
class ItsClockStands(MemoryStore):
    stands: datetime | None = None

    def now(self) -> datetime:
        self.stands = self.stands or super().now()
        return self.stands


@caught_by("test_the_time_comes_with_what_is_loaded")
class ItsClockRunsBack(MemoryStore):
    turns = 0

    def now(self) -> datetime:
        self.turns += 1
        return super().now() - timedelta(seconds=self.turns)


@caught_by("test_active_tasks_are_counted")
class CountsAllTasks(MemoryStore):
    def view(self, job_id: JobId, task_ids: Collection[TaskId]) -> JobView | None:
        view = super().view(job_id, task_ids)
        if view is not None:
            view.counts = Counts(len(self._jobs[job_id].tasks))
        return view


# Compare and set


@caught_by(
    "test_a_change_on_an_older_version_leaves_no_trace",
    "test_a_conflict_spares_the_other_jobs_of_the_batch",
)
class IgnoresVersions(FlawedDatastore):
    def before(self, change: JobChange) -> JobChange:
        if change.base and self.conflicts(change):
            self.force(change)
            change.base, change.job.version = change.job.version, change.job.version + 1
        return change


class WritesPartOfConflicts(FlawedDatastore):
    def part(self, change: JobChange) -> JobChange:
        """What is written although the change is a conflict."""
        raise NotImplementedError

    def before(self, change: JobChange) -> JobChange:
        entry = self.entry(change.job.id)
        if entry is not None and self.conflicts(change):
            version = entry.version
            part = self.part(change)
            row = msgspec.msgpack.decode(entry.row, type=type(change.job))
            self.force(msgspec.structs.replace(part, job=row))
            entry.row, entry.version = msgspec.msgpack.encode(row), version
        return change


@caught_by("test_a_change_on_an_older_version_leaves_no_trace")
class WritesTheTasksOfConflicts(WritesPartOfConflicts):
    def part(self, change: JobChange) -> JobChange:
        return msgspec.structs.replace(change, events=[], specs={}, end_active=None)


@caught_by("test_a_change_on_an_older_version_leaves_no_trace")
class WritesTheEventsOfConflicts(WritesPartOfConflicts):
    def part(self, change: JobChange) -> JobChange:
        return msgspec.structs.replace(change, tasks={}, specs={}, end_active=None)


@caught_by("test_a_conflicting_change_ends_no_task")
class EndsTheTasksOfConflicts(WritesPartOfConflicts):
    def part(self, change: JobChange) -> JobChange:
        return msgspec.structs.replace(change, tasks={}, specs={}, events=[])


@caught_by("test_a_new_job_that_exists_already_is_a_conflict")
class ReplacesJobs(FlawedDatastore):
    def before(self, change: JobChange) -> JobChange:
        if change.base == 0:
            self._shared._jobs.pop(change.job.id, None)
        return change


@caught_by("test_a_change_of_a_job_that_does_not_exist_is_a_conflict")
class InsertsUnknownJobs(FlawedDatastore):
    def before(self, change: JobChange) -> JobChange:
        if self.entry(change.job.id) is None:
            change.base, change.spec = 0, change.spec or JobSpec(tasks=[])
        return change


@caught_by("test_a_conflict_spares_the_other_jobs_of_the_batch")
class WritesAllOrNone(FlawedDatastore):
    async def commit(self, changes: Sequence[JobChange]) -> Committed:
        if any(self.conflicts(change) for change in changes):
            return Committed({change.job.id for change in changes}, [])
        return await super().commit(changes)


@caught_by("test_a_conflict_spares_the_other_jobs_of_the_batch")
class TellsOfOneConflict(FlawedDatastore):
    async def commit(self, changes: Sequence[JobChange]) -> Committed:
        committed = await super().commit(changes)
        committed.conflicts = set(sorted(committed.conflicts)[:1])
        return committed


@caught_by("test_of_commits_at_the_same_time_one_wins")
class ChecksBeforeItWrites(FlawedDatastore):
    async def commit(self, changes: Sequence[JobChange]) -> Committed:
        good = [change for change in changes if not self.conflicts(change)]
        await asyncio.sleep(0)
        for change in good:
            self.force(change)
        return Committed({c.job.id for c in changes} - {c.job.id for c in good}, [])


@caught_by("test_an_empty_commit_is_fine")
class RefusesEmptyCommits(FlawedDatastore):
    async def commit(self, changes: Sequence[JobChange]) -> Committed:
        if not changes:
            raise Conflict("nothing to write")
        return await super().commit(changes)


@caught_by("test_a_batch_of_many_jobs_is_written")
class WritesTheFirstHundred(FlawedDatastore):
    async def commit(self, changes: Sequence[JobChange]) -> Committed:
        return await super().commit(changes[:100])


@caught_by("test_rows_are_replaced_and_others_stay")
class InsertsOnly(MemoryStore):
    def _put_task(self, entry: JobEntry, task: Task, row: bytes, spec_row: bytes | None) -> None:
        if task.id not in entry.tasks:
            super()._put_task(entry, task, row, spec_row)


@caught_by("test_rows_are_replaced_and_others_stay")
class ReplacesAllTasks(FlawedDatastore):
    def before(self, change: JobChange) -> JobChange:
        entry = self.entry(change.job.id)
        if entry is not None:
            entry.tasks = {key: task for key, task in entry.tasks.items() if key in change.tasks}
        return change


@caught_by("test_a_cut_connection_raises_unavailable")
class AnswersWhenCut(FlawedDatastore):
    def close(self) -> None:
        pass


@caught_by("test_a_commit_of_unknown_outcome_is_whole_or_nothing_for_each_job")
class WritesJobsThenTasks(FlawedDatastore):
    async def commit(self, changes: Sequence[JobChange]) -> Committed:
        for change in changes:
            bare = msgspec.structs.replace(change, tasks={}, specs={}, events=[])
            self._shared.write(EncodedChange(bare))
            await asyncio.sleep(0)
            if self._closed:
                raise Unavailable("datastore", "cut")
            change.base, change.job.version = 1, 2
            self._shared.write(EncodedChange(change))
        return Committed(set(), [])


# Set-wise ends


ENDS_EVERY_OTHER = "test_a_set_wise_end_ends_every_active_task_that_is_not_written"


class EndsWrongly(MemoryStore):
    def ended(self, entry: JobEntry, task: TaskEntry, row: Task, before: Task) -> None:
        """Spoil the row of a task that was ended."""

    def _end_active(
        self, entry: JobEntry, state: TaskState, at: datetime, spared: Collection[TaskId]
    ) -> list[HeldTask]:
        before = {key: decode_task(task.row) for key, task in entry.active.items()}
        ended = super()._end_active(entry, state, at, spared)
        for key, row in before.items():
            task = entry.tasks[key]
            new = decode_task(task.row)
            self.ended(entry, task, new, row)
            task.row = msgspec.msgpack.encode(new)
        return ended


@caught_by(ENDS_EVERY_OTHER)
class EndsWhatIsWrittenToo(MemoryStore):
    def _end_active(
        self, entry: JobEntry, state: TaskState, at: datetime, spared: Collection[TaskId]
    ) -> list[HeldTask]:
        return super()._end_active(entry, state, at, [])


@caught_by(ENDS_EVERY_OTHER)
class EndsWhatHasEnded(MemoryStore):
    def _end_active(
        self, entry: JobEntry, state: TaskState, at: datetime, spared: Collection[TaskId]
    ) -> list[HeldTask]:
        entry.active = dict(entry.tasks)
        return super()._end_active(entry, state, at, spared)


@caught_by(ENDS_EVERY_OTHER)
class EndsAtItsOwnTime(EndsWrongly):
    def ended(self, entry: JobEntry, task: TaskEntry, row: Task, before: Task) -> None:
        if row.cancelled_at is not None:
            row.cancelled_at = self.now()


@caught_by(ENDS_EVERY_OTHER)
class EndsEverythingAsCancelled(MemoryStore):
    def _end_active(
        self, entry: JobEntry, state: TaskState, at: datetime, spared: Collection[TaskId]
    ) -> list[HeldTask]:
        return super()._end_active(entry, TaskState.CANCELLED, at, spared)


@caught_by(ENDS_EVERY_OTHER)
class LeavesWhatIsEndedDue(EndsWrongly):
    def ended(self, entry: JobEntry, task: TaskEntry, row: Task, before: Task) -> None:
        row.due = before.due


@caught_by("test_a_set_wise_end_gives_back_the_claims_to_stop")
class ForgetsClaimsOfWhatItEnds(EndsWrongly):
    def ended(self, entry: JobEntry, task: TaskEntry, row: Task, before: Task) -> None:
        row.claim = None


@caught_by("test_a_set_wise_end_gives_back_the_claims_to_stop")
class GivesBackNoClaims(FlawedDatastore):
    async def commit(self, changes: Sequence[JobChange]) -> Committed:
        return Committed((await super().commit(changes)).conflicts, [])


@caught_by("test_a_set_wise_end_of_many_tasks")
class EndsTheFirstThousand(MemoryStore):
    def _end_active(
        self, entry: JobEntry, state: TaskState, at: datetime, spared: Collection[TaskId]
    ) -> list[HeldTask]:
        return super()._end_active(entry, state, at, [*spared, *list(entry.active)[1000:]])


@caught_by("test_what_a_set_wise_end_ends_is_due_nowhere")
class ForgetsItsIndexes(MemoryStore):
    def _end_active(
        self, entry: JobEntry, state: TaskState, at: datetime, spared: Collection[TaskId]
    ) -> list[HeldTask]:
        kept = list(entry.active.values())
        ended = super()._end_active(entry, state, at, spared)
        for task in kept:
            task.state, task.due = TaskState.PENDING, at
            self._tasks.add(task)
        return ended
