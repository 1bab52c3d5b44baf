"""``tork submit``: hand a job to a server, and see it to its end if asked to."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click
import msgspec

from tork_core.cli import watching
from tork_core.cli.job_file import read_inputs, read_job_file
from tork_core.cli.progress import Progress
from tork_core.cli.server import with_json, with_server
from tork_core.client import Client
from tork_core.model.states import JobState

if TYPE_CHECKING:
    from tork_core.model.reading import Format


@click.command()
@click.argument("file")
@click.option("--wait", is_flag=True, help="Wait for the job's end, and exit with its state.")
@click.option("--follow", "-f", is_flag=True, help="Wait, and show what happens and the logs.")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set an input of the job, over the one in its file; may be repeated.",
)
@click.option(
    "--key",
    metavar="TEXT",
    help="Submit it once, however often this is run with the same key (Idempotency-Key).",
)
@with_json
@with_server
@click.pass_context
def submit(
    ctx: click.Context,
    client: Client,
    file: str,
    inputs: tuple[str, ...],
    key: str | None,
    wait: bool,
    follow: bool,
    as_json: bool,
) -> None:
    """Submit the job in FILE to a server, and print its id.

    FILE is YAML or JSON; - reads standard input. The job goes on whether or not this command
    waits for it: Ctrl-C stops the watching alone.

    \b
    Examples:
      tork submit hello.yaml
      tork submit hello.yaml --follow
      tork submit convert.yaml --input source=movie.ogv --wait
      ID=$(tork submit hello.yaml --json | jq -r .id)

    \b
    Exit status:
      0    the job was accepted; with --wait or --follow: it completed
      1    it was refused, or did not complete, or the server cannot be reached
      2    the command line is wrong
    """
    data, format = _job(*read_job_file(file), inputs)
    accepted = client.submit(data, format=format, key=key)
    job_id = accepted.value.id
    if follow:
        job = watching.follow(client, job_id, sys.stderr if as_json else sys.stdout)
    elif wait:
        job = watching.wait(client, job_id)
        if not as_json:
            Progress(sys.stdout).end(job.value)
    else:
        click.echo(accepted.raw if as_json else job_id)
        if not as_json and sys.stdout.isatty():
            click.echo(f"see what it does: tork logs -f {job_id}", err=True)
        return
    if as_json:
        click.echo(job.raw)
    ctx.exit(0 if job.value.state is JobState.COMPLETED else 1)


def _job(data: bytes, format: Format, inputs: Sequence[str]) -> tuple[bytes, Format]:
    """Return the job as it is, or with inputs set: then it is read here, and sent as JSON."""
    given = read_inputs(inputs)
    if not given:
        return data, format
    # Imported here: without inputs the reader of YAML is not needed.
    from tork_core.model.reading import read_job

    spec = read_job(data, format=format).spec
    spec = msgspec.structs.replace(spec, inputs={**(spec.inputs or {}), **given})
    return msgspec.json.encode(spec), "json"
