"""Middleware: what plugins may change, refuse, hide, or watch.

*Admission* is pure and synchronous, may change what it is given or refuse it by raising
InvalidJob, and may be called again for the same thing. *Showing* changes what leaves the engine,
never what is stored. *Observers* are called after the commit, at least once for every event, and
see what a reader would see: secrets are hidden from them unless they declare ``raw``.

Each middleware has a ``name``, and names the ones that it comes ``before`` and ``after``. Names
that are not loaded are ignored, and what nothing orders is ordered by name.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeAlias

from tork_core.model.answers import JobAnswer, TaskAnswer
from tork_core.model.job import Event
from tork_core.model.node import Node, NodeState
from tork_core.model.spec import JobSpec, TaskSpec

Stage: TypeAlias = Literal["schedule", "run"]
"""When a task is admitted: by the coordinator, rendered, before it is sent to its queue; and by
the worker, before it is prepared."""


@dataclass(frozen=True, kw_only=True)
class Middleware:
    """What every middleware declares.

    It is called before the middleware that ``before`` names, and after what ``after`` names.
    """

    name: str
    before: tuple[str, ...] = ()
    after: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class JobEvent:
    """A job changed. ``id`` is the same whenever the event is delivered again."""

    id: str
    event: Event
    job: JobAnswer


@dataclass(frozen=True, kw_only=True)
class TaskEvent:
    """A task changed. ``id`` is the same whenever the event is delivered again.

    ``job`` is the task's job, with this task alone in its ``execution``.
    """

    id: str
    event: Event
    task: TaskAnswer
    job: JobAnswer


@dataclass(frozen=True, kw_only=True)
class NodeEvent:
    """A node came (``was`` is None), or its state changed."""

    id: str
    node: Node
    was: NodeState | None = None


AdmitJob: TypeAlias = Callable[[JobSpec], JobSpec]
ShowJob: TypeAlias = Callable[[JobAnswer], JobAnswer]
ShowText: TypeAlias = Callable[[JobAnswer], Callable[[str], str]]
ObserveJob: TypeAlias = Callable[[JobEvent], Awaitable[None]]
AdmitTask: TypeAlias = Callable[[Stage, TaskSpec], TaskSpec]
ObserveTask: TypeAlias = Callable[[TaskEvent], Awaitable[None]]
ObserveNode: TypeAlias = Callable[[NodeEvent], Awaitable[None]]


@dataclass(frozen=True, kw_only=True)
class JobMiddleware(Middleware):
    """Changes, refuses, shows or watches jobs.

    ``admit`` gets a job that is about to be accepted. ``show`` gets every answer about a job that
    leaves the engine (as stored), and ``show_text`` gives, for a job as stored, the function for
    other text about it that leaves: details of events, errors. ``observe`` gets its events.
    """

    admit: AdmitJob | None = None
    show: ShowJob | None = None
    show_text: ShowText | None = None
    observe: ObserveJob | None = None
    raw: bool = False


@dataclass(frozen=True, kw_only=True)
class TaskMiddleware(Middleware):
    """Changes, refuses or watches tasks. A task that is refused fails."""

    admit: AdmitTask | None = None
    observe: ObserveTask | None = None
    raw: bool = False


@dataclass(frozen=True, kw_only=True)
class NodeMiddleware(Middleware):
    """Watches nodes."""

    observe: ObserveNode


@dataclass(frozen=True, kw_only=True)
class TaskLogContext:
    """Whose log it is. ``env`` is the task's environment, with all values.

    ``secrets`` are further values that must not be seen, such as secret inputs of the job that
    stand in the task's variables under other names.
    """

    job_id: str
    task_id: str
    attempt: int
    env: Mapping[str, str] = field(default_factory=dict[str, str])
    secrets: tuple[str, ...] = ()


class LogFilter(Protocol):
    """Changes the log of one attempt of a task, on the worker, before it is shipped."""

    def feed(self, text: str) -> str:
        """Take the next piece and return what may be shipped now; may hold some of it back."""
        ...

    def flush(self) -> str:
        """Return what was held back: the log has ended.

        Or it is cut off here, and what is returned is not shown; lines of the engine may follow.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class LogMiddleware(Middleware):
    """Changes the logs of tasks.

    ``open`` gives the filter for an attempt, on the worker, or None where it would change nothing.
    ``values`` is asked by the coordinator when a task is sent: what of the job's own values stands
    in the rendered task and must not be seen in its log. They go to the worker with the task, and
    ``open`` finds them in ``secrets``.
    """

    open: Callable[[TaskLogContext], LogFilter | None]
    values: Callable[[JobSpec, TaskSpec], Iterable[str]] | None = None


class Offered(Protocol):
    """Where middleware comes from: what plugins offer, or a test's own."""

    @property
    def job_middleware(self) -> Sequence[JobMiddleware]:
        """Middleware for jobs, in no order."""
        ...

    @property
    def task_middleware(self) -> Sequence[TaskMiddleware]:
        """Middleware for tasks, in no order."""
        ...

    @property
    def node_middleware(self) -> Sequence[NodeMiddleware]:
        """Middleware for nodes, in no order."""
        ...

    @property
    def log_middleware(self) -> Sequence[LogMiddleware]:
        """Middleware for logs, in no order."""
        ...
