"""A task's log as it is shown while it runs: lines, whatever pieces they come in."""

from __future__ import annotations

from datetime import UTC, datetime
from io import StringIO

import pytest

from tork_core.cli.progress import Progress
from tork_core.model.job import Event, LogPart
from tork_core.model.states import TaskState

NOW = datetime(2026, 1, 1, tzinfo=UTC)


class Counted(StringIO):
    """Counts how often it is flushed, which a terminal or a pipe pays for."""

    def __init__(self) -> None:
        super().__init__()
        self.flushes = 0

    def flush(self) -> None:
        self.flushes += 1
        super().flush()


def event(number: int, state: TaskState) -> Event:
    return Event(job_id="j", number=number, at=NOW, state=state, task_id="t", name="say", attempt=1)


def shown(*pieces: str) -> Counted:
    """What is written for a task that prints these."""
    output = Counted()
    progress = Progress(output)
    progress.show(event(1, TaskState.RUNNING))
    for number, text in enumerate(pieces, 1):
        progress.show(LogPart(job_id="j", task_id="t", attempt=1, number=number, contents=text))
    progress.show(event(2, TaskState.COMPLETED))
    return output


@pytest.mark.parametrize("size", [1, 2, 3, 5, 100])
def test_lines_are_the_same_however_the_log_is_cut(size: int) -> None:
    text = "one\ntwo\r\rthree\n\nthe last has no end"
    lines = ["one", "two", "", "three", "", "the last has no end"]
    pieces = [text[start : start + size] for start in range(0, len(text), size)]
    assert shown(*pieces).getvalue().splitlines() == [
        "  say: started",
        *(f"  say | {line}" for line in lines),
        "  say: COMPLETED after 0.00 s",
    ]


def test_the_lines_of_one_piece_are_written_at_once() -> None:
    output = shown("line\n" * 10_000)
    assert output.getvalue().count("  say | line\n") == 10_000
    assert output.flushes <= 5
