"""``tork queues``: the queues of a server, and what passes through them."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import click
import msgspec

from tork_core.cli.server import with_json, with_server
from tork_core.cli.terminal import cell, clean, moment, print_table
from tork_core.cli.watching import note, note_loss
from tork_core.client import Client
from tork_core.errors import NotFound
from tork_core.model.listings import PassedAnswer, QueueAnswer


@click.group(invoke_without_command=True)
@with_json
@with_server
@click.pass_context
def queues(ctx: click.Context, client: Client, as_json: bool) -> None:
    """List the queues of a server: messages that wait, consumers, and messages in work.

    Workers serve `default` and the queues of their tasks; the others are the engine's own, and
    `x-...` is the queue by which one worker is reached.

    \b
    Examples:
      tork queues
      tork queues --json | jq -r '.[] | select(.subscribers == 0) | .name'
      tork queues watch jobs pending default started completed error
    """
    if ctx.invoked_subcommand is not None:
        return
    answer = client.queues()
    if as_json:
        click.echo(answer.raw)
        return
    rows = [_row(queue) for queue in answer.value]
    print_table(rows, ("QUEUE", "SIZE", "SUBSCRIBERS", "UNACKED"))


def _row(queue: QueueAnswer) -> tuple[str, ...]:
    return queue.name, str(queue.size), str(queue.subscribers), str(queue.unacked)


@queues.command()
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--count", "-n", type=click.IntRange(1), help="End after so many messages.")
@click.option("--json", "as_json", is_flag=True, help="Print each as JSON, one to a line.")
@with_server
def watch(client: Client, names: tuple[str, ...], count: int | None, as_json: bool) -> None:
    """Show what passes through queues from now on, until Ctrl-C. Nothing is taken from them.

    Shown are ids and states, never what a task was given or has written. The queues of the engine
    are jobs, pending, started, completed, error, heartbeat (or hearbeat), logs, and x-... of each
    worker.

    \b
    Examples:
      tork queues watch jobs
      tork queues watch jobs pending default started completed error
      tork queues watch completed --json | jq -r .taskId
    """
    watching = _Watching(client, names)
    width = max(len(cell(name)) for name in names)
    found = client.watch_queues(*names, on_loss=note_loss, on_quiet=watching.begin)
    for item in itertools.islice(found, count):
        click.echo(msgspec.json.encode(item) if as_json else _line(item, width))


class _Watching:
    """Says on standard error that the watching has begun, and which queues are not there yet."""

    def __init__(self, client: Client, names: tuple[str, ...]) -> None:
        self._client = client
        self._names = names
        self._begun = False

    def begin(self) -> None:
        if self._begun:
            return
        self._begun = True
        for name in self._names:
            try:
                self._client.queue(name)
            except NotFound:
                note(f"there is no queue {cell(name)} yet; it is made with its first message")
        note(f"watching {', '.join(map(cell, self._names))}; Ctrl-C ends it")


def _line(item: PassedAnswer, width: int) -> str:
    return f"{moment(item.at)}  {cell(item.queue):{width}}  {' '.join(_words(item))}"


def _words(item: PassedAnswer) -> Iterator[str]:
    yield f"{clean(item.kind):9}"
    yield f"{clean(item.state or ''):11}"
    if item.job_id:
        yield f"job {clean(item.job_id)}"
    if item.task_id:
        yield f"task {clean(item.task_id)}"
    if item.attempt:
        yield f"attempt {item.attempt}"
    if item.node:
        yield f"node {clean(item.node)}"
    if item.claim is not None:
        yield f"claim {item.claim}"


@queues.command()
@click.argument("name")
@with_json
@with_server
def delete(client: Client, name: str, as_json: bool) -> None:
    """Delete a queue of tasks, such as one whose name was misspelt.

    Tasks that wait in it are not lost: while their jobs live they are sent again, so cancel those
    first. The queues of the engine itself cannot be deleted.

    \b
    Examples:
      tork queues delete transcodign
    """
    answer = client.delete_queue(name)
    click.echo(answer.raw if as_json else f"queue {cell(name)} is deleted")
