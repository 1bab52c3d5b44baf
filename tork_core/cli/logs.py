"""``tork logs``: what the tasks of a job have printed, and go on to print."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator

import click

from tork_core.cli.server import with_json, with_server
from tork_core.cli.terminal import clean
from tork_core.cli.watching import note_loss
from tork_core.client import Client
from tork_core.client.following import News
from tork_core.errors import NotFound
from tork_core.model.job import Event, LogPart
from tork_core.model.listings import LogPartAnswer
from tork_core.model.states import ENDED_TASK


@click.command()
@click.argument("id")
@click.option("--follow", "-f", is_flag=True, help="Go on until it has ended.")
@click.option(
    "--page", type=click.IntRange(1), default=1, show_default=True, help="With --json: which page."
)
@click.option(
    "--size",
    type=click.IntRange(1, 100),
    default=100,
    show_default=True,
    help="With --json: parts on a page.",
)
@with_json
@with_server
def logs(client: Client, id: str, follow: bool, page: int, size: int, as_json: bool) -> None:
    """Print the log of a job, or of one task, by its id.

    What is printed is the tasks' own output, and nothing else. With --json it is a page of the
    log, the newest part first, as the API answers it; --follow then waits for the end. The ids of
    a job's tasks are in `tork get ID --json`, in its execution.

    \b
    Examples:
      tork logs 01a210864ca2bca8f817d87af26bf9ee
      tork logs -f 01a210864ca2bca8f817d87af26bf9ee
      tork logs 01a210864ca2bca8f817d87af26bf9ee --json | jq -r '.items[].contents'
    """
    if not follow:
        if as_json:
            click.echo(client.log(id, page=page, size=size).raw)
        else:
            _print(client.whole_log(id))
        return
    parts = (item for item in _followed(client, id) if isinstance(item, LogPart))
    if as_json:
        for _ in parts:
            pass
        click.echo(client.log(id, page=page, size=size).raw)
    else:
        _print(parts)


def _followed(client: Client, id: str) -> Iterator[News]:
    """Follow a job, or one task of it, to the end of what was named."""
    try:
        yield from client.follow(id, on_loss=note_loss)
    except NotFound as error:
        try:
            job_id = client.task(id).value.job_id
        except NotFound:
            raise error from None
        for item in client.follow(job_id, on_loss=note_loss):
            if item.task_id == id:
                yield item
                if isinstance(item, Event) and item.state in ENDED_TASK:
                    return


def _print(parts: Iterable[LogPart | LogPartAnswer]) -> None:
    """Print parts; where another task's comes in the middle of a line, the line ends there."""
    task, shown, held = "", "\n", ""
    for part in parts:
        if part.task_id != task:
            if not shown.endswith("\n"):
                click.echo()
            task, held = part.task_id, ""
        text = held + part.contents
        # A progress bar draws its line again: each becomes a line. A CR at the end may be the first
        # half of CRLF.
        held = "\r" if text.endswith("\r") else ""
        text = clean(text.removesuffix(held).replace("\r\n", "\n").replace("\r", "\n"))
        click.echo(text, nl=False)
        sys.stdout.flush()
        shown = text or shown
    if not shown.endswith("\n"):
        click.echo()
