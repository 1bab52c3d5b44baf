"""The settings that decisions obey."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import msgspec

from tork_core.expressions import FunctionTable
from tork_core.model.spec import TaskSpec


def _unchanged(spec: TaskSpec) -> TaskSpec:
    return spec


class Rules(msgspec.Struct, frozen=True, kw_only=True):
    """What an engine decides by, beside the state.

    ``admit_task`` is the chain of task middleware at the stage ``schedule``. ``patience`` is how
    long a message may be on its way before the sweeper looks for it; ``resend_delay`` is the first
    of the doubling intervals between copies; ``idle_check`` how long a job may lie untouched
    before the sweeper looks at it.
    """

    functions: FunctionTable
    admit_task: Callable[[TaskSpec], TaskSpec] = _unchanged
    lost_limit: int = 5
    patience: timedelta = timedelta(seconds=5)
    resend_delay: timedelta = timedelta(seconds=10)
    resend_limit: timedelta = timedelta(minutes=10)
    idle_check: timedelta = timedelta(minutes=1)
