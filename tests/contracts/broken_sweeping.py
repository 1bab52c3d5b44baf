"""Datastores that answer the sweeper wrongly."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime, timedelta

import msgspec
from flawed_datastore import FlawedDatastore, caught_by
from tork_memory.indexes import Lane, TaskKey
from tork_memory.rows import TaskEntry
from tork_memory.store import MemoryStore
from tork_memory.task_index import TaskIndex

from tork_core.interfaces.datastore import Due, HeldTask, JobChange, Waiting
from tork_core.model.job import TaskId
from tork_core.model.states import JobState, TaskState

FAR = timedelta(days=1)


@caught_by("test_a_job_is_due_when_its_time_has_come", "test_nothing_is_due_before_its_time")
class IsDueBeforeItsTime(MemoryStore):
    def due(self, limit: int) -> Due:
        now = self.now()
        jobs = self._due_jobs.until(now + FAR, limit)
        return Due(now, jobs, self._tasks.due.until(now + FAR, limit))


@caught_by("test_the_longest_overdue_come_first")
class ListsTheNewestFirst(FlawedDatastore):
    async def due(self, limit: int) -> Due:
        due = await super().due(1000)
        return Due(due.now, due.jobs[::-1][:limit], due.tasks[::-1][:limit])


@caught_by("test_the_longest_overdue_come_first")
class IgnoresTheLimit(FlawedDatastore):
    async def due(self, limit: int) -> Due:
        return await super().due(1000)


@caught_by("test_a_due_time_can_be_moved")
class KeepsTheFirstDueTime(FlawedDatastore):
    def before(self, change: JobChange) -> JobChange:
        if change.base == 0:
            self._shared.first_due = change.job.due
        job = msgspec.structs.replace(change.job, due=self._shared.first_due)
        return msgspec.structs.replace(change, job=job)


@caught_by("test_a_due_time_can_be_moved")
class KeepsTheFirstDueTimeOfTasks(TaskIndex):
    def remove(self, task: TaskEntry) -> None:
        if task.state is not TaskState.PENDING:
            super().remove(task)


@caught_by("test_an_ended_job_is_never_due")
class SweepsEndedJobs(FlawedDatastore):
    async def due(self, limit: int) -> Due:
        due = await super().due(limit)
        for job_id, entry in self._shared._jobs.items():
            job = msgspec.msgpack.decode(entry.row)
            if JobState(job["state"]).ended and job.get("due"):
                due.jobs.append(job_id)
        return due


@caught_by("test_active_tasks_are_listed_by_job_and_id")
class ListsActiveTasksFromTheBeginning(FlawedDatastore):
    async def active(self, after: TaskKey | None, limit: int) -> list[TaskKey]:
        keys = await super().active(None, 1000)
        return [key for key in keys if after is None or key >= after][:limit]


@caught_by("test_active_tasks_are_listed_by_job_and_id")
class ListsActiveTasksAsTheyCame(FlawedDatastore):
    async def active(self, after: TaskKey | None, limit: int) -> list[TaskKey]:
        return [
            (entry.id, task_id)
            for entry in self._shared._jobs.values()
            for task_id in sorted(entry.active, reverse=True)
            if after is None or (entry.id, task_id) > after
        ][:limit]


@caught_by("test_a_task_that_has_ended_is_active_no_more")
class ListsTasksThatHaveEnded(FlawedDatastore):
    async def active(self, after: TaskKey | None, limit: int) -> list[TaskKey]:
        keys = sorted(
            (entry.id, task_id)
            for entry in self._shared._jobs.values()
            for task_id in entry.tasks
            if not entry.ended
        )
        return [key for key in keys if after is None or key > after][:limit]


@caught_by("test_only_pending_tasks_are_due")
class SweepsAllTasks(TaskIndex):
    def add(self, task: TaskEntry) -> None:
        super().add(task)
        if task.due is not None:
            self.due.set(task.key, task.due)


@caught_by("test_waiting_tasks_are_summed_up_by_queue_and_priority")
class LumpsPriorities(FlawedDatastore):
    async def waiting(self) -> list[Waiting]:
        lanes = {waiting.queue: waiting for waiting in await super().waiting()}
        return list(lanes.values())


@caught_by("test_waiting_tasks_are_summed_up_by_queue_and_priority")
class ListsLanesAsTheyCame(TaskIndex):
    def waiting(self, now: datetime) -> list[Waiting]:
        order = list(self._lanes)
        return sorted(super().waiting(now), key=lambda w: order.index((w.queue, w.priority)))


@caught_by(
    "test_what_is_not_due_or_not_scheduled_does_not_wait",
    "test_a_task_does_not_wait_before_its_due_time",
)
class WaitsBeforeItsTime(TaskIndex):
    def waiting(self, now: datetime) -> list[Waiting]:
        return super().waiting(now + FAR)


@caught_by("test_a_task_does_not_wait_before_its_due_time")
class IsOverdueBeforeItsTime(TaskIndex):
    def overdue(
        self, queue: str, priority: int, now: datetime, published: datetime, limit: int
    ) -> list[TaskKey]:
        return super().overdue(queue, priority, now + FAR, published, limit)


@caught_by("test_what_is_not_due_or_not_scheduled_does_not_wait")
class CountsPendingTasksAsWaiting(TaskIndex):
    def add(self, task: TaskEntry) -> None:
        super().add(task)
        if task.state is TaskState.PENDING and task.due is not None:
            self._lane(task).set(task.key, task.due, task.published)


class LastClaim(Lane):
    def claimed(self, published: datetime) -> None:
        self.newest_claimed = published


@caught_by("test_the_newest_claim_of_a_queue_and_priority_is_known")
class RemembersTheLastClaim(TaskIndex):
    def _lane(self, task: TaskEntry) -> Lane:
        return self._lanes.setdefault((task.queue, task.priority), LastClaim())


@caught_by("test_the_newest_claim_of_a_queue_and_priority_is_known")
class ForgetsTheClaimOfWhatHasEnded(TaskIndex):
    def remove(self, task: TaskEntry) -> None:
        super().remove(task)
        if task.state is TaskState.RUNNING:
            self._lane(task).newest_claimed = None

    def add(self, task: TaskEntry) -> None:
        if task.state.ended:
            task.claim = None
        super().add(task)


@caught_by("test_a_claim_recorded_with_the_end_counts_too")
class KnowsRunningTasksOnly(TaskIndex):
    def add(self, task: TaskEntry) -> None:
        before = self._lane(task).newest_claimed
        super().add(task)
        if task.state is not TaskState.RUNNING:
            self._lane(task).newest_claimed = before


@caught_by("test_the_oldest_overdue_tasks_come_first")
class OrdersByDueTime(TaskIndex):
    def overdue(
        self, queue: str, priority: int, now: datetime, published: datetime, limit: int
    ) -> list[TaskKey]:
        keys = super().overdue(queue, priority, now, published, 1000)
        lane = self._lanes[queue, priority]
        return sorted(keys, key=lambda key: lane._times[key][0])[:limit]


@caught_by("test_the_oldest_overdue_tasks_come_first")
class IgnoresWhenItWasPublished(TaskIndex):
    def overdue(
        self, queue: str, priority: int, now: datetime, published: datetime, limit: int
    ) -> list[TaskKey]:
        return super().overdue(queue, priority, now, now, limit)


class FirstTimes(Lane):
    def set(self, key: TaskKey, due: datetime, published: datetime) -> None:
        first = getattr(self, "first", {})
        self.first = first
        super().set(key, due, first.setdefault(key, published))


@caught_by("test_a_task_that_is_sent_again_waits_anew")
class KeepsTheFirstPublish(TaskIndex):
    def _lane(self, task: TaskEntry) -> Lane:
        return self._lanes.setdefault((task.queue, task.priority), FirstTimes())


@caught_by("test_running_tasks_are_found_by_the_node_of_their_claim")
class FindsTasksOfAllNodes(TaskIndex):
    def running(self, nodes: Collection[str]) -> list[HeldTask]:
        return super().running(list(self._running))


@caught_by("test_running_tasks_are_found_by_the_node_of_their_claim")
class ForgetsAttempts(TaskIndex):
    def running(self, nodes: Collection[str]) -> list[HeldTask]:
        return [msgspec.structs.replace(held, attempt=1) for held in super().running(nodes)]


@caught_by("test_a_task_that_has_ended_or_was_taken_back_runs_no_more")
class RunsForEver(FlawedDatastore):
    seen: dict[TaskId, HeldTask]

    async def running(self, nodes: Collection[str]) -> list[HeldTask]:
        self.seen = getattr(self, "seen", {})
        self.seen.update((held.task_id, held) for held in await super().running(nodes))
        return list(self.seen.values())
