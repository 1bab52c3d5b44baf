"""Submission: a new job is stored and takes its first step in the same commit."""

from __future__ import annotations

from datetime import datetime

from tork_core.coordinator.decisions.draft import Draft
from tork_core.coordinator.decisions.inputs import Submitted
from tork_core.coordinator.decisions.stepping import step
from tork_core.interfaces.datastore import JobView
from tork_core.model.job import Counts, Job
from tork_core.model.states import JobState


def new_view(item: Submitted, now: datetime) -> JobView:
    """A job that is not stored yet, as a view: PENDING, at version 0."""
    job = Job(id=item.job_id, created_at=now, task_count=len(item.spec.tasks))
    return JobView(spec=item.spec, job=job, tasks={}, counts=Counts())


def submit(draft: Draft) -> None:
    """Accept the job; a second submission under the same id changes nothing."""
    if draft.is_new and draft.job.position == 0:
        draft.event(JobState.PENDING.value)
        step(draft)
