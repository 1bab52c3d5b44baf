"""States of jobs and tasks, with their diagrams."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from reference_pages import NOTE
from tork_core.model.states import JOB_TRANSITIONS, TASK_TRANSITIONS

_STATES = f"""\
# States

{NOTE}
Every change of a state goes through one function that consults one table
(`tork_core/model/states.py`). A job or a task that has ended takes nothing more.
"""


def page() -> str:
    """Return the page about states."""
    parts = [_STATES]
    for title, table, about in (
        (
            "Jobs",
            JOB_TRANSITIONS,
            "A job is SCHEDULED when its first task is, RUNNING when a worker has been allowed to "
            "start one, and COMPLETED when all are COMPLETED or SKIPPED.",
        ),
        (
            "Tasks",
            TASK_TRANSITIONS,
            "From RUNNING or SCHEDULED back to SCHEDULED is a new attempt: the worker was lost, "
            "or has handed the task back. A retry is a task of its own.",
        ),
    ):
        parts.append(f"## {title}\n\n{about}\n\n{diagram(table)}\n")
    return "\n".join(parts)


def diagram(table: Mapping[StrEnum, Iterable[StrEnum]]) -> str:
    """Return a table of transitions as a Mermaid diagram; the first state is where all begins."""
    lines = ["```mermaid", "stateDiagram-v2", f"    [*] --> {next(iter(table)).value}"]
    for state, targets in table.items():
        lines += [f"    {state.value} --> {target.value}" for target in sorted(targets)]
        if not targets:
            lines.append(f"    {state.value} --> [*]")
    return "\n".join([*lines, "```"])
