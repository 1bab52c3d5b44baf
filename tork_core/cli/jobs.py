"""``tork list``, ``get`` and ``cancel``: the jobs of a server."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import click

from tork_core.cli.server import with_json, with_server
from tork_core.cli.terminal import cell, clean, first_line, moment, print_table, seconds, state
from tork_core.cli.waiting import notes
from tork_core.client import Client
from tork_core.model.answers import JobAnswer, TaskAnswer
from tork_core.model.listings import JobSummary


@click.command("list")
@click.option("--page", type=click.IntRange(1), default=1, show_default=True, help="Which page.")
@click.option(
    "--size", type=click.IntRange(1, 100), default=20, show_default=True, help="Jobs on a page."
)
@with_json
@with_server
def list_jobs(client: Client, page: int, size: int, as_json: bool) -> None:
    """List the jobs of a server, the newest first.

    \b
    Examples:
      tork list
      tork list --page 2 --size 50
      tork list --json | jq -r '.items[] | select(.state == "FAILED") | .id'
    """
    answer = client.jobs(page=page, size=size)
    if as_json:
        click.echo(answer.raw)
        return
    found = answer.value
    rows = [_row(job) for job in found.items]
    print_table(rows, ("ID", "STATE", "DONE", "CREATED", "TOOK", "NAME"))
    if found.total_pages > 1:
        click.echo(
            f"page {found.number} of {found.total_pages}, {found.total_items} jobs", err=True
        )


def _row(job: JobSummary) -> tuple[str, ...]:
    took = seconds(job.started_at or job.created_at, _ended(job)).removeprefix(" after ")
    done = f"{job.progress:.0f} %"
    return job.id, job.state.value, done, moment(job.created_at), took or "-", job.name or "job"


@click.command()
@click.argument("id")
@with_json
@with_server
def get(client: Client, id: str, as_json: bool) -> None:
    """Show a job: its state, its tasks, its result or error, and what it waits for.

    \b
    Examples:
      tork get 01a210864ca2bca8f817d87af26bf9ee
      tork get 01a210864ca2bca8f817d87af26bf9ee --json | jq .execution
    """
    answer = client.job(id)
    if as_json:
        click.echo(answer.raw)
        return
    job = answer.value
    for name, text in _lines(job):
        click.echo(f"{name:10}{text}")
    if job.execution:
        click.echo()
        rows = [_task_row(task) for task in job.execution]
        print_table(rows, ("TASK", "STATE", "QUEUE", "NODE", "TOOK", "ERROR"))
    for note in notes(job):
        click.echo(f"\n{note}")


def _lines(job: JobAnswer) -> Iterator[tuple[str, str]]:
    yield "job", cell(job.name or "job")
    yield "id", clean(job.id)
    yield "state", f"{state(job.state.value)}{seconds(job.created_at, _ended(job))}"
    yield "created", moment(job.created_at)
    yield "done", f"{job.progress:.0f} % of {job.task_count} task(s)"
    if job.description:
        yield "about", cell(job.description)
    if job.result is not None:
        yield "result", clean(job.result)
    if job.error:
        yield "error", clean(job.error).replace("\n", "\n" + " " * 10)


def _task_row(task: TaskAnswer) -> tuple[str, ...]:
    took = seconds(task.started_at, _ended(task)).removeprefix(" after ")
    again = f" ({task.attempt})" if task.attempt > 1 else ""
    return (
        (task.name or f"task {task.position}") + again,
        task.state.value,
        task.queue or "-",
        task.node_id or "-",
        took or "-",
        first_line(task.error or ""),
    )


def _ended(item: JobAnswer | JobSummary | TaskAnswer) -> datetime | None:
    return item.completed_at or item.failed_at or item.cancelled_at


@click.command()
@click.argument("id")
@with_json
@with_server
def cancel(client: Client, id: str, as_json: bool) -> None:
    """Cancel a job with all of its tasks, whether it runs or waits.

    A job that has ended cannot be cancelled: that is an error, and status 1.

    \b
    Example:
      tork cancel 01a210864ca2bca8f817d87af26bf9ee
    """
    answer = client.cancel(id)
    click.echo(answer.raw if as_json else f"job {clean(id)} is cancelled")
