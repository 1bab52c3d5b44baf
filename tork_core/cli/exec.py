"""``tork exec``: run one job here, to its end, and exit with its state."""

from __future__ import annotations

import asyncio
import contextlib
import shlex
import sys
from collections.abc import Mapping
from io import TextIOWrapper
from typing import TextIO

import click
import msgspec

from tork_core import logs
from tork_core.api.accepting import read_submission
from tork_core.cli.job_file import read_inputs, read_job_file
from tork_core.cli.options import Setup, configured_command
from tork_core.cli.progress import Progress
from tork_core.cli.signals import asking_to_end
from tork_core.cli.terminal import cell
from tork_core.cli.waiting import queue_of
from tork_core.engine import Engine
from tork_core.errors import Conflict
from tork_core.model.answers import JobAnswer
from tork_core.model.job import Event, JobId
from tork_core.model.reading import Format
from tork_core.model.spec import JobSpec
from tork_core.model.states import JobState
from tork_core.model.value_rules import TEMPLATE
from tork_core.settings.configuration import Configuration
from tork_core.settings.core import (
    BrokerChoice,
    CoordinatorSettings,
    DatastoreChoice,
    LoggingSettings,
    MiddlewareSettings,
    RuntimeChoice,
    WorkerSettings,
)

HELP = """\
Run the job in FILE here, to its end, and show what happens.

FILE is YAML or JSON; - reads standard input. Nothing has to run beside this command, and nothing
is kept unless --datastore says so; it serves the queues of the job, beside those of --queue. Tasks
run in containers unless --runtime says otherwise; the shell runtime gives no isolation: tasks run
as you do.

\b
Examples:
  tork exec examples/hello.yaml --runtime shell
  tork exec job.yaml --runtime shell --input source=/data/in.csv
  tork exec job.yaml --runtime shell --json | jq -r .result

\b
Exit status:
  0    the job completed
  1    it did not (failed, cancelled, refused)
  2    the command line or a setting is wrong
  130  interrupted (Ctrl-C cancels the job and stops its tasks)
  143  ended by SIGTERM, or 129 by a closed terminal, which do the same
"""


@configured_command(
    "exec",
    RuntimeChoice,
    BrokerChoice,
    DatastoreChoice,
    WorkerSettings,
    CoordinatorSettings,
    MiddlewareSettings,
    LoggingSettings,
    providers=True,
    help=HELP,
    short_help="Run one job here, to its end.",
)
@click.argument("file")
@click.option(
    "--input",
    "inputs",
    multiple=True,
    metavar="NAME=VALUE",
    help="Set an input of the job, over the one in its file; may be repeated.",
)
@click.option(
    "--json",
    "as_json",
    is_flag=True,
    help="Write the job as one JSON value to standard output, and all else to standard error.",
)
@click.pass_context
def exec_command(
    ctx: click.Context, setup: Setup, file: str, inputs: tuple[str, ...], as_json: bool
) -> None:
    """Run a job; the help is above."""
    logs.configure(setup.configuration[LoggingSettings], default="warning")
    data, format = read_job_file(file)
    output = sys.stderr if as_json else sys.stdout
    _take_all_characters(output)
    run = _Run(setup, output)
    try:
        job = asyncio.run(run.run(data, format, read_inputs(inputs)))
    except asyncio.CancelledError:
        if run.signal is None:
            raise
        ctx.exit(128 + run.signal)
    if as_json:
        click.echo(msgspec.json.encode(job))
    if run.signal is not None:
        ctx.exit(128 + run.signal)
    ctx.exit(0 if job.state is JobState.COMPLETED else 1)


def _take_all_characters(output: TextIO) -> None:
    """Let what the terminal's encoding lacks be shown in other ways, and not end the run."""
    if isinstance(output, TextIOWrapper):
        output.reconfigure(errors="backslashreplace")


class _Run:
    """One job from submission to end. ``signal`` is the one that cancelled it, if any."""

    def __init__(self, setup: Setup, output: TextIO) -> None:
        self._setup = setup
        self._progress = Progress(output)
        self.signal: int | None = None
        self._told: set[str] = set()

    async def run(self, job: bytes, format: Format, inputs: Mapping[str, str]) -> JobAnswer:
        setup = self._setup
        spec = read_submission(job, format, setup.registry.functions)
        configuration = _serving(spec, setup.configuration)
        served = configuration[WorkerSettings].queues
        job_id: JobId | None = None
        ended = False
        me = asyncio.current_task()
        assert me is not None

        def stop(number: int) -> None:
            if self.signal is not None or job_id is None:
                me.cancel()
            elif not ended:
                group.create_task(self._cancel(engine, job_id))
            self.signal = self.signal or number

        loop = asyncio.get_running_loop()
        for number in asking_to_end():
            loop.add_signal_handler(number, stop, number)
        engine = Engine(configuration=configuration, registry=setup.registry)
        async with engine, asyncio.TaskGroup() as group:
            job_id = await engine.submit(spec, inputs=inputs)
            self._progress.begin(await engine.job(job_id))
            async for item in engine.follow(job_id):
                self._progress.show(item)
                queue = queue_of(item) if isinstance(item, Event) else None
                if queue is not None and queue not in served:
                    await self._tell_unserved(engine, job_id, queue)
            found = await engine.job(job_id)
            ended = True
            self._progress.end(found)
            return found

    async def _tell_unserved(self, engine: Engine, job_id: JobId, queue: str) -> None:
        """A template has given a queue that could not be known: others may serve it, or nobody."""
        if queue in self._told or not (await engine.job(job_id)).unserved_queues:
            return
        self._told.add(queue)
        self._progress.note(
            f"no worker serves queue {cell(queue)}: its tasks wait; press Ctrl-C, and run this "
            f"again with --queue {shlex.quote(f'{cell(queue)}:1')}"
        )

    async def _cancel(self, engine: Engine, job_id: JobId) -> None:
        self._progress.note("cancelling; press Ctrl-C again to stop at once")
        with contextlib.suppress(Conflict):  # it has ended in the meantime
            await engine.cancel(job_id)


def _serving(job: JobSpec, configuration: Configuration) -> Configuration:
    """Have the worker serve the job's queues too: nobody else is there to do it."""
    worker = configuration[WorkerSettings]
    names = [task.queue for task in job.tasks]
    if job.defaults is not None:
        names.append(job.defaults.queue)
    slots = max(worker.queues.values())
    missing = {
        name: slots for name in names if name and TEMPLATE not in name and name not in worker.queues
    }
    if not missing:
        return configuration
    queues = {**worker.queues, **missing}
    return configuration.with_(worker.but(queues=queues))
