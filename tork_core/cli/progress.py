"""A job's events and log, shown as they come."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import TYPE_CHECKING, TextIO

import click

from tork_core.cli.terminal import COLOURS, clean, first_line, seconds
from tork_core.model.answers import JobAnswer
from tork_core.model.job import Event, LogPart, TaskId
from tork_core.model.states import JobState, TaskState

if TYPE_CHECKING:
    from tork_core.client import Unlogged
    from tork_core.coordinator.following import MissingLog


class Progress:
    """Writes a line for every change, and the lines of the tasks' logs under their names."""

    def __init__(self, output: TextIO) -> None:
        self._output = output
        self._names: dict[TaskId, str] = {}
        self._started: dict[TaskId, datetime] = {}
        self._pending: dict[TaskId, list[str]] = {}
        """The beginnings of lines that are not complete yet, in pieces as they came."""
        self._early: dict[TaskId, list[LogPart]] = {}
        """What a task has printed whose start was not told yet: logs and events come apart."""

    def begin(self, job: JobAnswer) -> None:
        """The job was accepted."""
        count = f"{job.task_count} task{'' if job.task_count == 1 else 's'}"
        self._line(f"job {clean(job.name or 'job')}: {count} ({job.id})", bold=True)

    def show(self, item: Event | LogPart | MissingLog | Unlogged) -> None:
        """Something happened."""
        if isinstance(item, LogPart):
            if item.task_id in self._started:
                self._log(item)
            else:
                self._early.setdefault(item.task_id, []).append(item)
        elif not isinstance(item, Event):
            name = self._names.get(item.task_id, item.task_id)
            self._line(f"  {name}: {item.parts} part(s) of the log did not come in time")
        elif item.task_id is not None:
            self._task(item, item.task_id)

    def end(self, job: JobAnswer) -> None:
        """The job has ended."""
        for task_id in [*self._early, *self._pending]:
            self._finish_line(task_id)
        took = seconds(job.created_at, job.completed_at or job.failed_at or job.cancelled_at)
        self._line(f"job {job.state.value}{took}", colour=COLOURS.get(job.state.value), bold=True)
        if job.result is not None:
            self._line(f"result: {clean(job.result)}")
        if job.state is not JobState.COMPLETED and job.error:
            self._line(f"error: {clean(first_line(job.error))}")

    def note(self, text: str) -> None:
        """Something that the user should know."""
        self._line(text, colour="yellow")

    def _task(self, event: Event, task_id: TaskId) -> None:
        name = self._names[task_id] = clean(event.name)
        again = f", attempt {event.attempt}" if event.attempt > 1 else ""
        detail = f": {clean(first_line(event.detail))}" if event.detail else ""
        if event.state == TaskState.SCHEDULED:
            if event.attempt > 1 or task_id in self._started:
                self._line(f"  {name}: scheduled again{again}{detail}", colour="yellow")
        elif event.state == TaskState.RUNNING:
            self._started[task_id] = event.at
            self._line(f"  {name}: started{again}", colour="cyan")
            self._tell_early(task_id)
        elif event.state == TaskState.PENDING:
            self._line(f"  {name}: waits{detail}", colour="yellow")
        else:
            self._finish_line(task_id)
            took = seconds(self._started.get(task_id), event.at)
            why = f"{again}{took}{detail if event.state != TaskState.COMPLETED else ''}"
            self._line(f"  {name}: {event.state}{why}", colour=COLOURS.get(event.state))

    def _log(self, part: LogPart) -> None:
        first, *others = re.split(r"[\n\r]", part.contents.replace("\r\n", "\n"))
        begun = self._pending.setdefault(part.task_id, [])
        begun.append(first)
        if others:
            *lines, rest = "".join(begun), *others
            self._log_lines(part.task_id, lines)
            self._pending[part.task_id] = [rest]

    def _tell_early(self, task_id: TaskId) -> None:
        for part in self._early.pop(task_id, ()):
            self._log(part)

    def _finish_line(self, task_id: TaskId) -> None:
        self._tell_early(task_id)
        rest = "".join(self._pending.pop(task_id, ()))
        if rest:
            self._log_lines(task_id, [rest])

    def _log_lines(self, task_id: TaskId, lines: Iterable[str]) -> None:
        name = self._names.get(task_id, "task")
        # All at once: each write to a terminal or a pipe is flushed.
        self._line("\n".join(f"  {name} | {clean(line)}" for line in lines))

    def _line(self, text: str, *, colour: str | None = None, bold: bool = False) -> None:
        styled = click.style(text, fg=colour, bold=bold) if colour or bold else text
        click.echo(styled, file=self._output)
