"""One job, taken through its life by decisions alone, and what must hold after each of them.

The rows are kept by the in-memory datastore's store, which is synchronous; its clock stands still
until a test lets time pass.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta

from tork_memory.rows import EncodedChange
from tork_memory.store import MemoryStore

from tork_core.coordinator.decisions.draft import MissingTasks, Outcome
from tork_core.coordinator.decisions.fold import fold
from tork_core.coordinator.decisions.inputs import (
    Cancelled,
    Claimed,
    Input,
    Lost,
    Nudged,
    Reported,
    Restarted,
    Ripened,
    Submitted,
    Unclaimed,
    tasks_of,
)
from tork_core.coordinator.decisions.rules import Rules
from tork_core.errors import InvalidJob
from tork_core.expressions import BUILTINS
from tork_core.interfaces.datastore import HeldTask
from tork_core.interfaces.environment import Environment
from tork_core.model.job import Claim, Event, Job, Task, TaskId, TaskRecord
from tork_core.model.messages import ReportItem
from tork_core.model.spec import JobSpec, TaskSpec
from tork_core.model.states import ENDED_JOB, TaskState

EPOCH = 1_800_000_000.0
JOB = "01a3b8b6f80000000000000000000001"


def rules(
    *,
    admit_task: Callable[[TaskSpec], TaskSpec] = lambda spec: spec,
    lost_limit: int = 5,
    restart_limit: int = 100,
) -> Rules:
    """Rules with the language's own functions."""
    return Rules(
        functions=BUILTINS,
        admit_task=admit_task,
        lost_limit=lost_limit,
        restart_limit=restart_limit,
    )


def job(*tasks: TaskSpec | str, **fields: object) -> JobSpec:
    """A job of tasks; a text is a task that runs it."""
    specs = [TaskSpec(run=task) if isinstance(task, str) else task for task in tasks]
    return JobSpec(tasks=specs, **fields)  # type: ignore[arg-type]


def refuse_poison(spec: TaskSpec) -> TaskSpec:
    """Task middleware that refuses a task of one name."""
    if spec.name == "poison":
        raise InvalidJob("poison is not allowed here", path="$.name")
    return spec


class Story:
    """A job under one id; :meth:`decide` folds, commits and checks.

    ``looked_for`` says which tasks the last decision wanted to see.
    """

    def __init__(self, spec: JobSpec, given: Rules | None = None) -> None:
        self.spec = spec
        self.rules = given or rules()
        self.seconds = EPOCH
        self.store = MemoryStore(Environment(clock=lambda: self.seconds))
        self.looked_for: set[TaskId] = set()
        self.ended: list[HeldTask] = []
        """What the last commit has ended set-wise."""

    # -- reading

    @property
    def now(self) -> datetime:
        """The datastore's time."""
        return self.store.now()

    @property
    def job(self) -> Job:
        """The job as it is stored."""
        view = self.store.view(JOB, ())
        assert view is not None
        return view.job

    @property
    def tasks(self) -> list[Task]:
        """All instances of the job's tasks, in the order in which they came to be."""
        return [item.task for item in self._records]

    @property
    def specs(self) -> list[TaskSpec]:
        """The rendered specifications, in the order of the tasks."""
        return [item.spec for item in self._records]

    @property
    def _records(self) -> list[TaskRecord]:
        record = self.store.record(JOB)
        assert record is not None
        return sorted(record.tasks, key=lambda item: (item.task.position, item.task.retry))

    @property
    def newest(self) -> Task:
        """The newest instance at the job's position."""
        found = [task for task in self.tasks if task.position == self.job.position]
        return max(found, key=lambda task: task.retry)

    @property
    def events(self) -> list[Event]:
        """The job's events."""
        return self.store.events(JOB, 0, 10_000)

    @property
    def states(self) -> list[str]:
        """The states of the job's tasks."""
        return [task.state.value for task in self.tasks]

    # -- time

    def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        self.seconds += seconds

    # -- deciding

    def decide(self, *inputs: Input) -> Outcome:
        """Fold the inputs, commit what follows, and check what must hold whatever they were."""
        outcome = self.fold(*inputs)
        before = self.store.view(JOB, ())
        known = {task.id: task for task in self.tasks} if before else {}
        numbered = len(self.events)
        self.ended = []
        if outcome.change is not None:
            ended = self.store.write(EncodedChange(outcome.change))
            assert ended is not None, "a commit of what was just loaded conflicts"
            self.ended = ended
            assert outcome.change.base == (before.job.version if before else 0)
            assert self.job.version == outcome.change.base + 1
        elif before is not None:
            assert self.job.version == before.job.version
        if outcome.change is not None:
            self._check(before.job if before else None, known, self.events[numbered:])
        return outcome

    def fold(self, *inputs: Input) -> Outcome:
        """Fold the inputs as the shell does, with as many loads as it takes; commit nothing."""
        self.looked_for = {found for item in inputs for found in tasks_of(item)}
        while True:
            view = self.store.view(JOB, self.looked_for)
            try:
                return fold(JOB, view, inputs, self.now, self.rules, self.looked_for)
            except MissingTasks as missing:
                assert not set(missing.task_ids) <= self.looked_for
                self.looked_for |= set(missing.task_ids)

    def _check(self, was: Job | None, known: dict[TaskId, Task], new: Sequence[Event]) -> None:
        job, tasks = self.job, self.tasks
        first = was.events + 1 if was else 1
        assert [event.number for event in new] == list(range(first, job.events + 1))
        if was is not None and was.state.ended:
            assert job.state is was.state, "the state of an ended job has changed"
        active = [task for task in tasks if not task.state.ended]
        if job.state.ended:
            assert not active, "an ended job has an active task"
            assert job.due is None
        else:
            assert active or job.position == 0, "an active job has no active task"
            assert job.due is not None
        assert job.state not in ENDED_JOB or job.completed_at or job.failed_at or job.cancelled_at
        for task in tasks:
            self._check_task(known.get(task.id), task)

    def _check_task(self, was: Task | None, task: Task) -> None:
        if task.state is TaskState.RUNNING:
            assert task.claim is not None
            assert task.started_at is not None
            assert task.due is None
        if task.state in (TaskState.SCHEDULED, TaskState.PENDING):
            assert task.claim is None
            assert task.due is not None
        if was is None:
            return
        if was.state.ended:
            assert task == was, "a task that had ended has changed"
        assert task.attempt >= was.attempt
        if task.attempt == was.attempt and was.claim is not None:
            assert task.claim == was.claim, "the claim has changed within an attempt"

    # -- what may happen

    def submit(self) -> Outcome:
        """Submit the job."""
        return self.decide(Submitted(JOB, self.spec))

    def cancel(self) -> Outcome:
        """Cancel the job."""
        return self.decide(Cancelled(JOB))

    def nudge(self) -> Outcome:
        """Believe that the job stands still."""
        return self.decide(Nudged(JOB))

    def ripen(self, task: Task) -> Outcome:
        """Believe that a PENDING task's time has come."""
        return self.decide(Ripened(JOB, task.id))

    def claim(self, task: Task | None = None, node: str = "w1", number: int = 1) -> Outcome:
        """Claim a task, the newest one if none is given."""
        return self.decide(claimed(task or self.newest, node, number))

    def complete(self, output: str | None = None, node: str = "w1", number: int = 1) -> Outcome:
        """Report the newest task completed."""
        return self.decide(completed(self.newest, output, node, number))

    def fail(self, error: str = "exit code 1", node: str = "w1", number: int = 1) -> Outcome:
        """Report the newest task failed."""
        return self.decide(failed(self.newest, error, node, number))

    def run_task(self, output: str | None = None) -> Outcome:
        """Claim and complete the newest task."""
        self.claim()
        return self.complete(output)


def claimed(task: Task, node: str = "w1", number: int = 1, beat: int = 0) -> Claimed:
    """A worker asks for the task's attempt."""
    return Claimed(JOB, task.id, task.attempt, Claim(node=node, number=number, beat=beat))


def completed(task: Task, output: str | None = None, node: str = "w1", number: int = 1) -> Reported:
    """A worker reports success."""
    return _reported(task, node, number, output=output)


def failed(task: Task, error: str = "exit code 1", node: str = "w1", number: int = 1) -> Reported:
    """A worker reports failure."""
    return _reported(task, node, number, error=error)


def handed_back(
    task: Task, node: str = "w1", number: int = 1, reason: str | None = "its worker is leaving"
) -> Reported:
    """A worker gives the attempt back."""
    return _reported(task, node, number, error=reason, back=True)


def lost(task: Task, node: str = "w1", number: int = 1, reason: str = "w1 is gone") -> Lost:
    """The worker of the attempt is gone."""
    return Lost(JOB, task.id, task.attempt, Claim(node=node, number=number), reason)


def restarted(task: Task, since: datetime) -> Restarted:
    """The process that everything ran in has ended, and the next one began at this time."""
    return Restarted(JOB, task.id, since)


def unclaimed(task: Task, published_before: datetime | None = None) -> Unclaimed:
    """The message of the task is presumed lost."""
    at = published_before or task.published_at
    assert at is not None
    return Unclaimed(JOB, task.id, at)


def _reported(
    task: Task,
    node: str,
    number: int,
    *,
    output: str | None = None,
    error: str | None = None,
    back: bool = False,
) -> Reported:
    item = ReportItem(
        job_id=JOB,
        task_id=task.id,
        attempt=task.attempt,
        number=number,
        output=output,
        error=error,
        handed_back=back,
        log_parts=None if back else 2,
    )
    return Reported(JOB, task.id, Claim(node=node, number=number), item)


def verdicts(outcome: Outcome) -> list[tuple[str, int, str]]:
    """What workers are told: node, number of the claim, verdict."""
    return [(order.claim.node, order.claim.number, order.verdict.value) for order in outcome.orders]


def sent(outcome: Outcome) -> list[tuple[int, int, bool]]:
    """The task messages that go out: position, attempt, whether it is a copy."""
    return [(item.task.position, item.task.attempt, item.ask) for item in outcome.dispatches]


def changes_nothing(outcome: Outcome) -> bool:
    """Whether nothing is written and no task is sent."""
    return outcome.change is None and not outcome.dispatches


SECOND = timedelta(seconds=1)
