"""Watching a job on a server to its end."""

from __future__ import annotations

import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TextIO

import click

from tork_core.cli.progress import Progress
from tork_core.cli.terminal import clean
from tork_core.client import Answer, Client
from tork_core.model.answers import JobAnswer
from tork_core.model.job import Event, LogPart


def watch(client: Client, job_id: str, output: TextIO, *, quiet: bool) -> Answer[JobAnswer]:
    """Show a job's events and log as they come, or with ``quiet`` its end alone; return it."""
    progress = Progress(output)
    try:
        if quiet:
            _wait(client, job_id)
        else:
            progress.begin(client.job(job_id).value)
            for item in client.follow(job_id, on_loss=note_loss):
                if isinstance(item, LogPart) and not progress.knows(item.task_id):
                    progress.learn(client.job(job_id).value)
                progress.show(item)
    except KeyboardInterrupt:
        click.echo(f"the job goes on; to end it: tork cancel {clean(job_id)}", err=True)
        raise
    job = client.job(job_id)
    progress.end(job.value)
    return job


def note_loss(reason: str) -> None:
    """Say that the connection broke, and that it is not the end."""
    click.echo(f"Note: {reason}; trying again", err=True)


def _wait(client: Client, job_id: str) -> None:
    with _status(job_id) as update:
        for item in client.follow(job_id, on_loss=note_loss):
            if isinstance(item, Event) and item.task_id is not None:
                update(f"{clean(item.name)}: {item.state}")


@contextmanager
def _status(job_id: str) -> Generator[Callable[[str], None]]:
    """Show on a terminal, in one line that is gone in the end, what the job is doing."""
    if not sys.stderr.isatty():
        yield lambda text: None
        return
    from rich.console import Console
    from rich.text import Text

    with Console(stderr=True).status(Text(f"waiting for job {clean(job_id)}")) as status:
        yield lambda text: status.update(Text(text))
