"""Watching a job on a server to its end."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import TextIO

import click

from tork_core.cli.progress import Progress
from tork_core.cli.terminal import clean
from tork_core.cli.waiting import Watchman
from tork_core.client import Answer, Client
from tork_core.model.answers import JobAnswer
from tork_core.model.job import Event


def follow(client: Client, job_id: str, output: TextIO) -> Answer[JobAnswer]:
    """Show a job's events and log as they come, and its end; return it as it is then."""
    progress = Progress(output)
    with _goes_on(job_id):
        progress.begin(client.job(job_id).value)
        watchman = Watchman(client, job_id, progress.note)
        for item in client.follow(job_id, on_loss=note_loss, on_quiet=watchman.look):
            progress.show(item)
            if isinstance(item, Event):
                watchman.hear(item)
    job = client.job(job_id)
    progress.end(job.value)
    return job


def wait(client: Client, job_id: str) -> Answer[JobAnswer]:
    """Wait for a job's end and return it; a terminal shows meanwhile what it is doing."""
    with _goes_on(job_id), _status(job_id) as update:
        watchman = Watchman(client, job_id, note)
        for item in client.follow(job_id, on_loss=note_loss, on_quiet=watchman.look):
            if isinstance(item, Event) and item.task_id is not None:
                update(f"{clean(item.name)}: {item.state}")
                watchman.hear(item)
    return client.job(job_id)


def note_loss(reason: str) -> None:
    """Say that the connection broke, and that it is not the end."""
    note(f"{reason}; trying again")


def note(text: str) -> None:
    """Say something beside what was asked for."""
    click.echo(f"Note: {text}", err=True)


@contextmanager
def _goes_on(job_id: str) -> Generator[None]:
    """Say to whoever interrupts the watching that the job is not interrupted."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        yield
    except KeyboardInterrupt:
        click.echo(f"the job goes on; to end it: tork cancel {clean(job_id)}", err=True)
        raise
    finally:
        signal.signal(signal.SIGINT, before)


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
