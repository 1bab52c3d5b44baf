"""What a heartbeat is answered, and what it shows to be lost: by the stored state alone."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from tork_core.coordinator.decisions.draft import Order, Verdict
from tork_core.coordinator.decisions.inputs import Lost
from tork_core.interfaces.datastore import HeldTask, JobView
from tork_core.model.job import Claim, JobId
from tork_core.model.messages import ClaimItem, Heartbeat
from tork_core.model.states import TaskState

LATER_BEATS = 2
"""A claim's own next heartbeat may have been put together before the claim was made."""


def answer(beat: Heartbeat, views: Mapping[JobId, JobView]) -> list[Order]:
    """Tell a node which of the claims that it lists must stop, and which are settled."""
    orders: list[Order] = []
    for item in beat.claims:
        claim = Claim(node=beat.node.id, number=item.number, beat=item.beat)
        verdict = _verdict(item, claim, views.get(item.job_id))
        if verdict is not None:
            orders.append(Order(claim, verdict))
    return orders


def _verdict(item: ClaimItem, claim: Claim, view: JobView | None) -> Verdict | None:
    task = view.tasks.get(item.task_id) if view else None
    if view is None or task is None or task.attempt != item.attempt:
        return Verdict.STOPPED
    if task.claim is not None and task.claim.key != claim.key:
        return Verdict.STOPPED
    if task.state in (TaskState.COMPLETED, TaskState.FAILED) and task.claim is not None:
        return Verdict.SETTLED
    if task.state.ended or view.job.state.ended:
        return Verdict.STOPPED
    return None


def forgotten(beat: Heartbeat, running: Iterable[HeldTask]) -> list[Lost]:
    """The tasks that are RUNNING on a node by the record, but which the node no longer lists."""
    listed = {item.number for item in beat.claims}
    return [
        Lost(
            held.job_id, held.task_id, held.attempt, held.claim, "its worker no longer knows of it"
        )
        for held in running
        if held.claim.node == beat.node.id
        and held.claim.number not in listed
        and beat.node.beat >= held.claim.beat + LATER_BEATS
    ]
