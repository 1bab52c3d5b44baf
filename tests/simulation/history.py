"""What happened in a run, and the rules that it must have kept, checked at every write."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable

from tork_memory.rows import EncodedChange
from tork_memory.store import MemoryStore

from tork_core.interfaces.datastore import HeldTask
from tork_core.interfaces.environment import Environment
from tork_core.model.job import Claim, Job, JobId, Task, TaskId
from tork_core.model.states import JobState, TaskState

LAPSE = 25.0
"""The lease less five seconds: a worker without a confirmed heartbeat for so long has stopped."""


class Violation(AssertionError):
    """A rule of the engine was broken."""


class Start:
    """One start of a task's process."""

    def __init__(self, number: int, node: str, at: float) -> None:
        self.number = number
        self.node = node
        self.at = at


class History:
    """Records, checks, and sums up to one digest."""

    def __init__(
        self, clock: Callable[[], float], *, honest: bool = False, doubtful: bool = False
    ) -> None:
        self._clock = clock
        self._honest = honest
        self._doubtful = doubtful
        self._digest = hashlib.blake2b(digest_size=16)
        self.counts: Counter[str] = Counter()
        self.starts: dict[tuple[TaskId, int], list[Start]] = {}
        self.running: dict[int, TaskId] = {}
        self.violations: list[Violation] = []
        """All that were found: one that is raised within a node may be taken for the node's."""
        self.heartbeats: dict[str, float] = {}
        """When each node's last confirmed heartbeat was sent."""
        self.handed_over: set[str] = set()
        """Nodes that drained: what they hand back begins again by right."""
        self._attempt_nodes: dict[tuple[TaskId, int], str] = {}

    def note(self, *facts: object) -> None:
        """Add facts to the trace."""
        self._digest.update(repr((round(self._clock(), 6), *facts)).encode())

    @property
    def digest(self) -> str:
        """One value for the whole trace."""
        return self._digest.hexdigest()

    def broken(self, what: str) -> Violation:
        """Record a broken rule; what is raised within a node may be taken for the node's fault."""
        self.violations.append(Violation(what))
        return self.violations[-1]

    # -- processes

    def started(self, task_id: TaskId, attempt: int, node: str) -> int:
        """A process of an attempt was started; returns its number."""
        self.counts["starts"] += 1
        number = self.counts["starts"]
        found = self.starts.setdefault((task_id, attempt), [])
        found.append(Start(number, node, self._clock()))
        self.running[number] = task_id
        self.note("start", task_id, attempt)
        if len(found) > 1 and not self._doubtful:
            raise self.broken(f"attempt {attempt} of task {task_id} was started twice")
        return number

    def ended(self, number: int) -> None:
        """A process has ended."""
        self.running.pop(number, None)

    # -- writes

    def check_write(
        self,
        old_job: Job | None,
        job: Job,
        pairs: list[tuple[Task | None, Task]],
        active_after: int,
    ) -> None:
        """Check one write of a job: its row, its task rows, the number of its active tasks."""
        self.counts["writes"] += 1
        self.note("write", job.id, job.version, job.state.value)
        if old_job is not None and old_job.state.ended and job.state is not old_job.state:
            raise self.broken(f"job {job.id} went from {old_job.state} to {job.state}")
        if job.state.ended and active_after:
            raise self.broken(f"job {job.id} is {job.state} with {active_after} active tasks")
        if not job.state.ended and not active_after:
            raise self.broken(f"job {job.id} is {job.state} without an active task")
        for old, task in pairs:
            self._check_task(old_job, old, task)

    def _check_task(self, old_job: Job | None, old: Task | None, task: Task) -> None:
        name = f"task {task.id}"
        if old is None:
            if old_job is not None and old_job.state.ended:
                raise self.broken(f"{name} was made after its job had ended")
        else:
            if old.state.ended and (task.state is not old.state or task.output != old.output):
                raise self.broken(f"{name} went from {old.state} to {task.state}")
            if task.attempt < old.attempt:
                raise self.broken(f"{name} went back to attempt {task.attempt}")
            if task.attempt == old.attempt and _changed(old.claim, task.claim):
                raise self.broken(f"the claim of {name} changed within an attempt")
            if task.attempt > old.attempt:
                self._check_new_attempt(old)
        if task.state is TaskState.COMPLETED:
            self._check_result(task)

    def _check_new_attempt(self, old: Task) -> None:
        self.counts["new attempts"] += 1
        if not self._honest or old.claim is None or old.claim.node in self.handed_over:
            return
        last = self.heartbeats.get(old.claim.node)
        if last is not None and self._clock() - last < LAPSE:
            raise self.broken(
                f"task {old.id} got a new attempt though its worker {old.claim.node} had a "
                f"confirmed heartbeat {self._clock() - last:.1f} s ago"
            )

    def _check_result(self, task: Task) -> None:
        starts = self.starts.get((task.id, task.attempt))
        if not starts:
            raise self.broken(f"task {task.id} has a result, but attempt {task.attempt} never ran")
        mine = [start for start in starts if task.output == f"{task.id}/{start.number}"]
        if not mine:
            raise self.broken(f"task {task.id} has the result of another attempt: {task.output}")
        if task.claim is None or task.claim.node != mine[0].node:
            raise self.broken(f"task {task.id} has the result of a worker without its claim")


def _changed(old: Claim | None, new: Claim | None) -> bool:
    """Whether a claim that was recorded is another now."""
    return old is not None and (new is None or new.key != old.key)


class CheckedStore(MemoryStore):
    """The in-memory rows, with every write checked."""

    def __init__(self, environment: Environment, history: History, *, stepwise: bool) -> None:
        super().__init__(environment, stepwise=stepwise)
        self._history = history

    def write(self, encoded: EncodedChange) -> list[HeldTask] | None:
        """Write, and compare the rows before and after."""
        change = encoded.change
        job_id = change.job.id
        before = self.record(job_id)
        ended = super().write(encoded)
        if ended is None:
            self._history.counts["conflicts"] += 1
            return None
        after = self.record(job_id)
        assert after is not None
        old = {item.task.id: item.task for item in before.tasks} if before else {}
        pairs = [(old.get(item.task.id), item.task) for item in after.tasks]
        active = sum(not item.task.state.ended for item in after.tasks)
        self._history.check_write(before.job if before else None, after.job, pairs, active)
        return ended


def check_end(store: MemoryStore, history: History, job_ids: dict[JobId, bool | None]) -> None:
    """Check a finished run: every accepted job has ended as it was answered, nothing runs on.

    ``job_ids`` are the accepted jobs; True for those whose cancel was accepted, None for those
    whose cancel was never answered for sure.
    """
    for job_id, cancelled in job_ids.items():
        record = store.record(job_id)
        if record is None:
            raise Violation(f"job {job_id} was accepted and is gone")
        job = record.job
        if not job.state.ended:
            states = [f"{item.task.name} {item.task.state.value}" for item in record.tasks]
            raise Violation(f"job {job_id} is stuck: {job.state.value}, {states}")
        if cancelled and job.state is not JobState.CANCELLED:
            raise Violation(f"job {job_id} was cancelled and is {job.state}")
        if cancelled is False and job.state is JobState.CANCELLED:
            raise Violation(f"job {job_id} is CANCELLED, and nobody had cancelled it")
        _check_output(record.spec.output, job, [item.task for item in record.tasks])
    if history.running:
        raise Violation(f"{len(history.running)} processes run on after the end of their jobs")


def _check_output(template: str | None, job: Job, tasks: list[Task]) -> None:
    """The result of a completed job names the outputs of its tasks, in order."""
    if template is None or job.state is not JobState.COMPLETED:
        return
    outputs = {task.var: task.output for task in tasks if task.state is TaskState.COMPLETED}
    expected = ",".join(outputs.get(f"v{n}") or "" for n in range(1, template.count("{{") + 1))
    if job.output != expected:
        raise Violation(f"job {job.id} has the result {job.output}, and not {expected}")
