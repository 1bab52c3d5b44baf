"""``tork why``: what has happened to a job, in words."""

from __future__ import annotations

import click

from tork_core.cli.server import with_json, with_server
from tork_core.cli.terminal import cell, first_line, moment
from tork_core.cli.waiting import notes
from tork_core.client import Client
from tork_core.model.job import Event
from tork_core.model.states import JobState, TaskState

_JOB = {
    JobState.PENDING: "the job was accepted",
    JobState.SCHEDULED: "the job's first task was scheduled",
    JobState.RUNNING: "the job runs",
    JobState.COMPLETED: "the job completed",
    JobState.FAILED: "the job failed",
    JobState.CANCELLED: "the job was cancelled",
}
_TASK = {
    TaskState.CREATED: "was created",
    TaskState.PENDING: "waits",
    TaskState.SCHEDULED: "was sent to its queue",
    TaskState.RUNNING: "was started",
    TaskState.COMPLETED: "completed",
    TaskState.FAILED: "failed",
    TaskState.CANCELLED: "was cancelled",
    TaskState.SKIPPED: "was skipped",
}


@click.command()
@click.argument("id")
@with_json
@with_server
def why(client: Client, id: str, as_json: bool) -> None:
    """Tell in words what has happened to a job, and what it waits for.

    \b
    Examples:
      tork why 01a210864ca2bca8f817d87af26bf9ee
      tork why 01a210864ca2bca8f817d87af26bf9ee --json | jq -r '.[].state'
    """
    answer = client.events(id)
    if as_json:
        click.echo(answer.raw)
        return
    events = answer.value
    for event in events:
        click.echo(f"{moment(event.at)}  {words(event)}")
    if events and not any(_ends(event) for event in events):
        for note in notes(client.job(id).value):
            click.echo(note)


def words(event: Event) -> str:
    """Return what an event means, in a sentence."""
    detail = f": {cell(first_line(event.detail))}" if event.detail else ""
    if event.task_id is None:
        return f"{_JOB.get(JobState(event.state), event.state)}{detail}"
    state = TaskState(event.state)
    happened = _TASK[state]
    if state is TaskState.SCHEDULED:
        if event.detail and event.detail.startswith("queue "):
            happened, detail = f"was sent to {cell(event.detail)}", ""
        else:
            happened += " again"
    if event.attempt > 1:
        happened += f" (attempt {event.attempt})"
    if event.node and state is TaskState.RUNNING:
        happened += f" on node {cell(event.node)}"
    return f'task "{cell(event.name)}" {happened}{detail}'


def _ends(event: Event) -> bool:
    return event.task_id is None and JobState(event.state).ended
