"""Cancelling: decided in the commit of the request itself, so that its answer is exact."""

from __future__ import annotations

from tork_core.coordinator.decisions.draft import Draft
from tork_core.coordinator.decisions.stepping import end_job
from tork_core.model.states import JobState


def cancel(draft: Draft) -> None:
    """End the job CANCELLED, and all of its tasks with it, unless it has ended already."""
    if not draft.job.state.ended:
        end_job(draft, JobState.CANCELLED)
