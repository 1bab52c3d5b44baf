"""The settings that decisions obey."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta

import msgspec

from tork_core.expressions import FunctionTable
from tork_core.model.spec import JobSpec, TaskSpec


def _unchanged(spec: TaskSpec) -> TaskSpec:
    return spec


def _no_secrets(_: JobSpec, __: TaskSpec) -> Sequence[str]:
    return ()


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine decides by, beside the state.

    ``admit_task`` is the chain of task middleware at the stage ``schedule``; ``log_secrets`` tells
    which values of a job must not be seen in a task's log, beside those that the worker knows of
    by the task's own variables. ``patience`` is how
    long a message may be on its way before the sweeper looks for it; ``resend_delay`` is the first
    of the doubling intervals between copies; ``idle_check`` how long a job may lie untouched
    before the sweeper looks at it.
    """

    functions: FunctionTable
    admit_task: Callable[[TaskSpec], TaskSpec] = _unchanged
    log_secrets: Callable[[JobSpec, TaskSpec], Sequence[str]] = _no_secrets
    lost_limit: int = 5
    restart_limit: int = 100
    patience: timedelta = timedelta(seconds=5)
    resend_delay: timedelta = timedelta(seconds=10)
    resend_limit: timedelta = timedelta(minutes=10)
    idle_check: timedelta = timedelta(minutes=1)
