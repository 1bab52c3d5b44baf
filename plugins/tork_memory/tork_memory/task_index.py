"""Tasks by what is asked of them: PENDING by due time, SCHEDULED by lane, RUNNING by node."""

from __future__ import annotations

from collections.abc import Collection
from datetime import datetime

from tork_core.interfaces.datastore import HeldTask, Waiting
from tork_core.model.states import TaskState
from tork_memory.indexes import Lane, TaskKey, TimeIndex
from tork_memory.rows import TaskEntry

LANES = 4_096
"""Beyond so many pairs of queue and priority those without tasks are forgotten."""


class TaskIndex:
    """Where each task stands; a task is taken out before its row changes and put in after."""

    def __init__(self) -> None:
        self.due: TimeIndex[TaskKey] = TimeIndex()
        self._lanes: dict[tuple[str, int], Lane] = {}
        self._crowded = LANES
        self._running: dict[str, dict[TaskKey, HeldTask]] = {}

    def add(self, task: TaskEntry) -> None:
        """Put a task where its row says."""
        state, claim = task.state, task.claim
        if claim is not None:
            self._lane(task).claimed(task.published)
            if state is TaskState.RUNNING:
                held = HeldTask(task.job_id, task.id, task.attempt, claim)
                self._running.setdefault(claim.node, {})[task.key] = held
        if task.due is not None:
            if state is TaskState.PENDING:
                self.due.set(task.key, task.due)
            elif state is TaskState.SCHEDULED:
                self._lane(task).set(task.key, task.due, task.published)

    def remove(self, task: TaskEntry) -> None:
        """Take a task out of wherever it stands."""
        state = task.state
        if state is TaskState.RUNNING:
            if task.claim is not None:
                held = self._running[task.claim.node]
                del held[task.key]
                if not held:
                    del self._running[task.claim.node]
        elif task.due is not None:
            if state is TaskState.PENDING:
                self.due.discard(task.key)
            elif state is TaskState.SCHEDULED:
                self._lane(task).discard(task.key)

    def waiting(self, now: datetime) -> list[Waiting]:
        """Sum up the due SCHEDULED tasks, by queue and priority."""
        sums = (self._lanes[name].waiting(*name, now) for name in sorted(self._lanes))
        return [waiting for waiting in sums if waiting is not None]

    def overdue(
        self, queue: str, priority: int, now: datetime, published: datetime, limit: int
    ) -> list[TaskKey]:
        """The due SCHEDULED tasks of a queue and priority that were published by a time."""
        lane = self._lanes.get((queue, priority))
        return lane.overdue(now, published, limit) if lane else []

    def running(self, nodes: Collection[str]) -> list[HeldTask]:
        """The RUNNING tasks that these nodes have claimed."""
        return [
            held
            for node in sorted(set(nodes))
            if node in self._running
            for held in self._running[node].values()
        ]

    def claimants(self) -> list[str]:
        """The nodes that have claimed RUNNING tasks."""
        return sorted(self._running)

    def sizes(self) -> dict[str, int]:
        """How many things of each kind are held."""
        lanes = self._lanes.values()
        return {
            "due_tasks": len(self.due),
            "due_task_entries": self.due.entries,
            "scheduled": sum(len(lane) for lane in lanes),
            "scheduled_entries": sum(lane.entries for lane in lanes),
            "lanes": len(self._lanes),
            "running": sum(len(tasks) for tasks in self._running.values()),
            "running_nodes": len(self._running),
        }

    def _lane(self, task: TaskEntry) -> Lane:
        name = task.queue, task.priority
        lane = self._lanes.get(name)
        if lane is None:
            if len(self._lanes) >= self._crowded:
                self._lanes = {key: lane for key, lane in self._lanes.items() if lane}
                self._crowded = 2 * len(self._lanes) + LANES
            lane = self._lanes[name] = Lane()
        return lane
