"""Load, fold, commit: the loop from inputs to what is committed, conflicts included."""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Mapping, Sequence
from datetime import datetime

import msgspec
import structlog

from tork_core.coordinator.decisions.draft import MissingTasks, Outcome
from tork_core.coordinator.decisions.fold import fold
from tork_core.coordinator.decisions.inputs import Input, tasks_of
from tork_core.coordinator.decisions.rules import Rules
from tork_core.interfaces.datastore import Datastore, HeldTask, JobView
from tork_core.interfaces.environment import Environment
from tork_core.model.job import JobId, TaskId

_log = structlog.get_logger()

PATIENT_CONFLICTS = 2
"""After so many conflicts on one job its lock is taken before it is decided again."""

LOCK_SECONDS = 5.0

TURN = 0.05
"""Seconds after which others get their turn between the jobs of a batch: some take long to decide,
by their templates."""

Inputs = Mapping[JobId, Sequence[Input]]


class Decided(msgspec.Struct):
    """What became of a batch: its outcomes, all committed; the claims that set-wise ends have
    ended; and of each job the inputs (by their place) whose decision raised."""

    outcomes: list[Outcome] = []
    ended: list[HeldTask] = []
    failures: dict[JobId, dict[int, Exception]] = {}


class Decider:
    """Decides batches against one datastore."""

    def __init__(
        self, datastore: Datastore, rules: Rules, environment: Environment, holder: str
    ) -> None:
        self._datastore = datastore
        self._rules = rules
        self._environment = environment
        self._holder = holder

    async def decide(self, inputs: Inputs) -> Decided:
        """Decide and commit, job by job; a conflict is decided again for its job alone.

        Raises Unavailable when the datastore is away; then part of the batch may have been
        committed, and to decide it again is safe.
        """
        decided = Decided()
        todo = await self._attempt(inputs, decided)
        conflicts = 1
        while todo:
            if conflicts < PATIENT_CONFLICTS:
                todo = await self._attempt(todo, decided)
            else:
                for job_id in todo:
                    await self._alone(job_id, inputs[job_id], decided)
                break
            conflicts += 1
        return decided

    async def _attempt(self, inputs: Inputs, decided: Decided) -> Inputs:
        """Decide once; returns the inputs of the jobs on which another commit came first."""
        outcomes = await self._fold(inputs, decided)
        changes = [found.change for found in outcomes if found.change is not None]
        if not changes:
            decided.outcomes += outcomes
            return {}
        committed = await self._datastore.commit(changes)
        decided.ended += committed.ended
        conflicts = committed.conflicts
        if not conflicts:
            decided.outcomes += outcomes
            return {}
        decided.outcomes += [found for found in outcomes if found.job_id not in conflicts]
        return {job_id: items for job_id, items in inputs.items() if job_id in conflicts}

    async def _alone(self, job_id: JobId, items: Sequence[Input], decided: Decided) -> None:
        """Decide for a contended job under its lock, which keeps other deciders away."""
        name = f"job:{job_id}"
        while not await self._lock(name):  # noqa: ASYNC110 -- who has it may be another process
            await asyncio.sleep(0.01 + self._environment.random.random() * 0.04)
        try:
            while await self._attempt({job_id: items}, decided):
                _log.info("job.contended", job=job_id)
        finally:
            await self._datastore.release(name, self._holder)

    async def _lock(self, name: str) -> bool:
        return await self._datastore.lease(name, self._holder, LOCK_SECONDS)

    async def _fold(self, inputs: Inputs, decided: Decided) -> list[Outcome]:
        """Fold every job's inputs; load again, with more tasks, where a decision needs them."""
        outcomes: list[Outcome] = []
        asked: dict[JobId, Collection[TaskId]] = {
            job_id: {found: None for item in items for found in tasks_of(item)}
            for job_id, items in inputs.items()
        }
        clock = asyncio.get_running_loop().time
        while asked:
            loaded = await self._datastore.load(asked)
            more: dict[JobId, Collection[TaskId]] = {}
            since = clock()
            for job_id, tasks in asked.items():
                if clock() - since > TURN:
                    await asyncio.sleep(0)
                    since = clock()
                view, now, rules = loaded.views.get(job_id), loaded.now, self._rules
                try:
                    outcomes.append(fold(job_id, view, inputs[job_id], now, rules, tasks))
                except MissingTasks as missing:
                    more[job_id] = dict.fromkeys((*tasks, *missing.task_ids))
                except Exception:  # noqa: BLE001 -- one job's fault must not stop others
                    _log.exception("decision.failed", job=job_id)
                    good, bad = _sound(job_id, view, inputs[job_id], now, rules, tasks)
                    decided.failures[job_id] = bad
                    outcomes.append(fold(job_id, view, good, now, rules, tasks))
            asked = more
        return outcomes


def _sound(
    job_id: JobId,
    view: JobView | None,
    items: Sequence[Input],
    now: datetime,
    rules: Rules,
    asked: Collection[TaskId],
) -> tuple[list[Input], dict[int, Exception]]:
    """Tell the inputs that can be decided from those that cannot, which are few or one."""
    good: list[Input] = []
    bad: dict[int, Exception] = {}
    for place, item in enumerate(items):
        try:
            fold(job_id, view, [*good, item], now, rules, asked)
        except Exception as error:  # noqa: BLE001 -- it is told of by whoever asked
            bad[place] = error
        else:
            good.append(item)
    return good, bad
