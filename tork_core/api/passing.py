"""What passed through a queue, as anyone who may use the API may see it.

Only ids, numbers and states are taken from the messages. What a task was given or wrote, and what
was said about it in words, may hold secrets, and none of it is shown.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

import msgspec

from tork_core.model.listings import PassedAnswer
from tork_core.model.messages import (
    DEAD,
    NODE_QUEUE,
    PENDING,
    ClaimItem,
    Claims,
    Heartbeat,
    Hint,
    LogParts,
    Notice,
    Orders,
    ReportItem,
    Reports,
    TaskMessage,
)
from tork_core.model.states import TaskState
from tork_core.observing import Passed


def passed_answers(passed: Iterable[Passed], at: datetime) -> Iterator[PassedAnswer]:
    """Yield what each message tells of, one by one; ``at`` is when they were seen."""
    for item in passed:
        bare = PassedAnswer(queue=item.queue, kind="unknown", at=at)
        for fields in _told(item):
            yield msgspec.structs.replace(bare, **fields)


def _told(item: Passed) -> Iterator[dict[str, object]]:
    match item.message:
        case Hint() as hint:
            yield _hint(item.queue, hint)
        case TaskMessage() as task:
            yield {
                "kind": "task",
                "job_id": task.job_id,
                "task_id": task.task_id,
                "attempt": task.attempt,
                "state": TaskState.SCHEDULED,
            }
        case Claims(node=node, claims=claims):
            for claim in claims:
                yield {"kind": "claim", "node": node, **_attempt(claim)}
        case Reports(node=node, reports=reports):
            for report in reports:
                yield {"kind": "report", "node": node, "state": _end(report), **_attempt(report)}
        case Heartbeat(node=row):
            yield {"kind": "heartbeat", "node": row.id, "state": row.state}
        case Orders() as orders:
            yield from _orders(item.queue.removeprefix(NODE_QUEUE), orders)
        case LogParts(parts=parts):
            for part in parts:
                yield {
                    "kind": "log",
                    "job_id": part.job_id,
                    "task_id": part.task_id,
                    "attempt": part.attempt,
                }
        case Notice(jobs=jobs, logs=logs):
            for job_id in dict.fromkeys([*jobs, *logs]):
                yield {"kind": "news", "job_id": job_id}
        case _:
            yield {"kind": "dead" if item.queue == DEAD else "unknown"}


def _hint(queue: str, hint: Hint) -> dict[str, object]:
    if hint.task_id is None:
        return {"kind": "job", "job_id": hint.job_id, "state": hint.state}
    state = TaskState.PENDING if queue == PENDING else None
    return {"kind": "task", "job_id": hint.job_id, "task_id": hint.task_id, "state": state}


def _attempt(item: ClaimItem) -> dict[str, object]:
    return {
        "job_id": item.job_id,
        "task_id": item.task_id,
        "attempt": item.attempt,
        "claim": item.number,
    }


def _end(report: ReportItem) -> str:
    if report.handed_back:
        return "HANDED_BACK"
    return TaskState.COMPLETED if report.error is None else TaskState.FAILED


def _orders(node: str, orders: Orders) -> Iterator[dict[str, object]]:
    for state in ("granted", "stopped", "settled"):
        for number in getattr(orders, state):
            yield {"kind": "order", "node": node, "claim": number, "state": state.upper()}
    if orders.lost:
        yield {"kind": "order", "node": node, "state": "LOST"}
