"""What travels through the broker.

Messages are small and are JSON, so that an observer, a person among them, can read them. Each
carries the version of its format; a node refuses a version it does not know.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from datetime import datetime
from typing import TypeVar

import msgspec

from tork_core.errors import TorkError
from tork_core.model.job import JobId, LogPart, TaskId
from tork_core.model.node import Node
from tork_core.model.spec import TaskSpec
from tork_core.model.states import JobState
from tork_core.model.value_rules import WORKER_QUEUE_PREFIX

VERSION = 1

JOBS = "jobs"
PENDING = "pending"
STARTED = "started"
COMPLETED = "completed"
ERROR = "error"
HEARTBEAT = "heartbeat"
LOGS = "logs"
DEAD = "dead"
EVENTS = "events"
"""A topic, not a queue: tells observers which jobs have new events or log parts."""

DEFAULT_QUEUE = "default"
SEED_HEARTBEAT = "hearbeat"
"""The seed's spelling of ``heartbeat``: a topic under which heartbeats can be observed too."""


NODE_QUEUE = WORKER_QUEUE_PREFIX
"""Begins the names of the workers' own queues."""


def node_queue(node_id: str) -> str:
    """The queue that a worker's incarnation alone consumes."""
    return f"{NODE_QUEUE}{node_id}"


class Undecodable(TorkError):
    """A message is not of the form that its queue carries, or of a version not known here."""


class Message(msgspec.Struct, omit_defaults=True, rename="camel", kw_only=True):
    """What every message has: ``v``, and how often handling it has failed, and why.

    The version is always written: what is left out would be read as the reader's own.
    """

    v: int = msgspec.field(default_factory=lambda: VERSION)
    failures: int = 0
    reason: str | None = None


class TaskMessage(Message, kw_only=True):
    """Work for a worker: one attempt of a task, with all that is needed to run it.

    ``ask`` marks a copy that was sent again: it is never started without a grant, whatever the
    worker's setting. ``sent_at`` is the datastore's time.
    """

    job_id: JobId
    task_id: TaskId
    attempt: int
    spec: TaskSpec
    sent_at: datetime
    ask: bool = False
    secrets: list[str] = []
    """Values that must not be seen in the log, beside those of the task's own secret variables."""


class Hint(Message, kw_only=True):
    """Something may be due for a job (queue ``jobs``) or a task of it (queue ``pending``).

    A job's step is taken in the commit that it follows from, so most hints reach observers only:
    one on ``jobs`` for every state that a job enters, named by ``state``, and one on ``pending``
    for every task that was about to be scheduled.
    """

    job_id: JobId
    task_id: TaskId | None = None
    state: JobState | None = None


class ClaimItem(msgspec.Struct, omit_defaults=True, rename="camel", kw_only=True):
    """A claim within a batch of one node: its number, and the heartbeat sent before it."""

    job_id: JobId
    task_id: TaskId
    attempt: int
    number: int
    beat: int = 0


class Claims(Message, kw_only=True):
    """Queue ``started``: a worker asks to be allowed to start these."""

    node: str
    claims: list[ClaimItem]


class ReportItem(ClaimItem, kw_only=True):
    """The end of an attempt. Without ``error`` it completed; ``handed_back`` was not run to its
    end by no fault of its own. ``log_parts`` is the number of the attempt's log parts."""

    output: str | None = None
    error: str | None = None
    handed_back: bool = False
    log_parts: int | None = None


class Reports(Message, kw_only=True):
    """Queues ``completed`` and ``error``: a worker reports the ends of attempts."""

    node: str
    reports: list[ReportItem]


class Heartbeat(Message, kw_only=True):
    """Queue ``heartbeat``: a node lives, and holds these claims (from first asking until the end
    report is settled). ``node.beat`` is the heartbeat's number."""

    node: Node
    claims: list[ClaimItem] = []


class Orders(Message, kw_only=True):
    """A worker's own queue: numbers of its claims that are granted, that must not run (any more),
    and whose end is recorded. ``lost``: stop everything and come back as a new node."""

    granted: list[int] = []
    stopped: list[int] = []
    settled: list[int] = []
    lost: bool = False


class LogParts(Message, kw_only=True):
    """Queue ``logs``: pieces of logs to store."""

    parts: list[LogPart]


class Notice(Message, kw_only=True):
    """Topic ``events``: jobs with new events, those among them that have ended, and jobs with new
    log parts."""

    jobs: list[JobId] = []
    ended: list[JobId] = []
    logs: list[JobId] = []


_encode = msgspec.json.Encoder().encode
encode: Callable[[Message], bytes] = _encode

M = TypeVar("M", bound=Message)

_version = msgspec.json.Decoder(Message).decode


def _check_version(version: int, kind: type[Message]) -> None:
    if version != VERSION:
        raise Undecodable(f"version {version} of a {kind.__name__} message is not known here")


def decoder(kind: type[M]) -> Callable[[bytes], M]:
    """Return a function that decodes messages of one kind, and raises Undecodable for others."""
    decode = msgspec.json.Decoder(kind).decode
    broken = (msgspec.MsgspecError, UnicodeDecodeError, RecursionError)

    def checked(body: bytes) -> M:
        try:
            message = decode(body)
        except broken as error:
            with contextlib.suppress(*broken):
                _check_version(_version(body).v, kind)
            raise Undecodable(f"not a {kind.__name__} message: {error}") from error
        _check_version(message.v, kind)
        return message

    return checked
