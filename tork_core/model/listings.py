"""The smaller answers of the API: pages, summaries, log parts, queues, nodes, health."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Generic, TypeVar

from tork_core.model.answers import Answer, JobAnswer
from tork_core.model.job import LogPart
from tork_core.model.node import Node, NodeKind, NodeState
from tork_core.model.states import JobState

T = TypeVar("T")


class Page(Answer, Generic[T], frozen=True, omit_defaults=False, kw_only=True):
    """One page of a listing; ``number`` counts from 1."""

    items: Sequence[T]
    number: int
    size: int
    total_pages: int
    total_items: int


class JobSummary(Answer, frozen=True, kw_only=True):
    """A job in a listing: without its tasks and their execution."""

    id: str
    state: JobState
    created_at: datetime
    name: str | None = None
    description: str | None = None
    tags: list[str] | None = None
    started_at: datetime | None = None
    completed_at: datetime | None = None
    failed_at: datetime | None = None
    cancelled_at: datetime | None = None
    position: int = 0
    task_count: int = 0
    inputs: dict[str, str] | None = None
    result: str | None = None
    error: str | None = None
    progress: float = 0.0


class LogPartAnswer(Answer, frozen=True, kw_only=True):
    """A piece of a task's log; the pieces of one attempt are numbered from 1 without gaps."""

    id: str
    job_id: str
    task_id: str
    attempt: int
    number: int
    contents: str
    created_at: datetime | None = None


class QueueAnswer(Answer, frozen=True, omit_defaults=False, kw_only=True):
    """A queue: messages that wait, its consumers, and messages that they are working on."""

    name: str
    size: int
    subscribers: int
    unacked: int


class PassedAnswer(Answer, frozen=True, kw_only=True):
    """What passed through a queue: ids and states, and nothing that a task was given or wrote.

    A message that tells of several tasks is shown as several of these.
    """

    queue: str
    kind: str
    at: datetime
    job_id: str | None = None
    task_id: str | None = None
    attempt: int | None = None
    state: str | None = None
    node: str | None = None
    claim: int | None = None
    """The node's own number of a claim: what grants and stops name instead of a task."""


class NodeAnswer(Answer, frozen=True, kw_only=True):
    """A worker or a coordinator: one start of a process."""

    id: str
    name: str
    kind: NodeKind
    status: NodeState
    hostname: str = ""
    version: str = ""
    queues: Mapping[str, int] | None = None
    task_count: int | None = None
    started_at: datetime | None = None
    last_heartbeat_at: datetime | None = None


class HealthAnswer(Answer, frozen=True, kw_only=True):
    """Whether all that a process needs answers."""

    status: str
    version: str
    error: str | None = None


def page_of(items: Sequence[T], *, number: int, size: int, total: int) -> Page[T]:
    """Return one page of a listing of ``total`` items."""
    return Page(
        items=items,
        number=number,
        size=size,
        total_pages=-(-total // size),
        total_items=total,
    )


def summary(job: JobAnswer) -> JobSummary:
    """Return what a listing shows of a job."""
    return JobSummary(**{name: getattr(job, name) for name in JobSummary.__struct_fields__})


def log_part_answer(part: LogPart) -> LogPartAnswer:
    """Return a log part with an id of its own."""
    return LogPartAnswer(
        id=f"{part.task_id}-{part.attempt}-{part.number}",
        job_id=part.job_id,
        task_id=part.task_id,
        attempt=part.attempt,
        number=part.number,
        contents=part.contents,
        created_at=part.created_at,
    )


def node_answer(node: Node) -> NodeAnswer:
    """Return a node as readers get it; a coordinator serves no queues of tasks."""
    worker = node.kind is NodeKind.WORKER
    return NodeAnswer(
        id=node.id,
        name=node.name,
        kind=node.kind,
        status=node.state,
        hostname=node.hostname,
        version=node.version,
        queues=node.queues if worker else None,
        task_count=node.task_count if worker else None,
        started_at=node.started_at,
        last_heartbeat_at=node.last_heartbeat_at,
    )
