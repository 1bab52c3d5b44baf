"""The way into the decisions: all that came in for one job, in order, becomes one change."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime

from tork_core.coordinator.decisions.cancelling import cancel
from tork_core.coordinator.decisions.claiming import claim
from tork_core.coordinator.decisions.draft import Draft, Order, Outcome, Verdict
from tork_core.coordinator.decisions.ending import lose, report
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
)
from tork_core.coordinator.decisions.recovering import nudge, resend
from tork_core.coordinator.decisions.restarting import restart
from tork_core.coordinator.decisions.rules import Rules
from tork_core.coordinator.decisions.stepping import ripen
from tork_core.coordinator.decisions.submitting import new_view, submit
from tork_core.interfaces.datastore import JobView
from tork_core.model.job import JobId, TaskId


def fold(
    job_id: JobId,
    view: JobView | None,
    inputs: Sequence[Input],
    now: datetime,
    rules: Rules,
    asked: Collection[TaskId] = (),
) -> Outcome:
    """Decide what follows from ``inputs``, in their order, for one job.

    ``view`` is the job as it was loaded, None if it does not exist; ``asked`` are the tasks that
    were looked for. Raises MissingTasks when the decision needs more of them. A job or task that
    has ended takes nothing more, and an input that was handled before changes nothing: so a
    duplicate publishes nothing but the answer to its worker.
    """
    if view is None:
        first = next((item for item in inputs if isinstance(item, Submitted)), None)
        if first is None:
            return _unknown_job(job_id, inputs)
        view = new_view(first, now)
        inputs = [first, *(item for item in inputs if item is not first)]
    draft = Draft(view, now, rules, asked)
    for item in inputs:
        _apply(draft, item)
    return draft.outcome()


def _apply(draft: Draft, item: Input) -> None:
    match item:
        case Claimed():
            claim(draft, item)
        case Reported():
            report(draft, item)
        case Submitted():
            submit(draft)
        case Cancelled():
            cancel(draft)
        case Lost():
            lose(draft, item)
        case Restarted():
            restart(draft, item)
        case Unclaimed():
            resend(draft, item)
        case Ripened():
            ripen(draft, item)
        case Nudged():
            nudge(draft)


def _unknown_job(job_id: JobId, inputs: Sequence[Input]) -> Outcome:
    """A job that was deleted, or never stored: its claims are told to stop."""
    claims = [item.claim for item in inputs if isinstance(item, Claimed | Reported)]
    orders = [Order(found, Verdict.STOPPED) for found in claims]
    return Outcome(job_id, None, None, [], orders)
