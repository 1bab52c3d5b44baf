"""``tork run``: the servers. Each works until it is told to end, and leaves in good order."""

from __future__ import annotations

import asyncio
import resource
import socket
from collections.abc import Coroutine
from contextlib import AsyncExitStack
from typing import Any

import click
import structlog

from tork_core import logs
from tork_core.api.listening import open_sockets, url_of
from tork_core.api.server import serve
from tork_core.cli import collector
from tork_core.cli.options import Setup, configured_command
from tork_core.cli.signals import asking_to_end
from tork_core.engine import Engine, Role
from tork_core.errors import TorkError
from tork_core.settings.core import (
    ApiSettings,
    BrokerChoice,
    CoordinatorSettings,
    DatastoreChoice,
    LoggingSettings,
    MiddlewareSettings,
    RuntimeChoice,
    WorkerSettings,
)

_log = structlog.get_logger()

_OPEN_FILES = 65_536
"""Connections that a server would like to hold at once; each is an open file."""

HELP = """\
Run a server: a coordinator with the API, a worker, or both in one process.

SIGTERM, Ctrl-C or a closed terminal ends it in good order: no new tasks are taken, those that run
may finish within the grace period (--worker-grace) and are handed back after it. A second signal
ends it at once.
"""

_EXIT = """\
\b
Exit status:
  0    it was told to end, and has ended in good order
  1    it could not start, or cannot go on (a service is away, the port is taken)
  2    the command line or a setting is wrong
  130  a second signal ended it at once (143 for SIGTERM)
"""

_STANDALONE = f"""\
Run everything that one machine needs: the API, a coordinator and a worker.

Without further settings broker and datastore are in memory: nothing has to be installed, and jobs
are gone when the process ends. --datastore sqlite keeps them in a file. Tasks run in containers;
--runtime shell runs them as you do, without isolation.

\b
Examples:
  tork run standalone
  tork run standalone --runtime shell --queue default:4 --queue heavy:1
  tork run standalone --datastore sqlite --sqlite-path tork.db
  tork run standalone --address localhost:8000
  curl -X POST --data-binary @job.yaml -H 'Content-Type: text/yaml' localhost:3000/jobs

{_EXIT}"""

_COORDINATOR = f"""\
Run a coordinator with the API; workers do the tasks, and meet it on a broker.

\b
Examples:
  tork run coordinator --broker rabbitmq --rabbitmq-url amqp://guest:guest@localhost/
  TORK_API_KEY=… tork run coordinator --broker rabbitmq --address 0.0.0.0:3000

{_EXIT}"""

_WORKER = f"""\
Run a worker: it takes tasks from a broker's queues and runs them. It has no API.

\b
Examples:
  tork run worker --broker rabbitmq --rabbitmq-url amqp://guest:guest@localhost/
  tork run worker --broker rabbitmq --queue transcoding:3 --queue default:10

{_EXIT}"""

_SHARED = (BrokerChoice, CoordinatorSettings, MiddlewareSettings, LoggingSettings)
_COORDINATING = (DatastoreChoice, ApiSettings)
_WORKING = (RuntimeChoice, WorkerSettings)


@click.group("run", help=HELP, short_help="Run a server.")
def run() -> None:
    """The group; its help is above."""


@configured_command(
    "standalone", *_SHARED, *_COORDINATING, *_WORKING, providers=True, help=_STANDALONE,
    short_help="The API, a coordinator and a worker.",
)  # fmt: skip
@click.pass_context
def standalone(ctx: click.Context, setup: Setup) -> None:
    """Both in one process."""
    ctx.exit(_run(setup, Role.STANDALONE))


@configured_command(
    "coordinator", *_SHARED, *_COORDINATING, providers=True, help=_COORDINATOR,
    short_help="The API and a coordinator.",
)  # fmt: skip
@click.pass_context
def coordinator(ctx: click.Context, setup: Setup) -> None:
    """A coordinator alone."""
    ctx.exit(_run(setup, Role.COORDINATOR))


@configured_command(
    "worker", *_SHARED, *_WORKING, providers=True, help=_WORKER, short_help="A worker."
)
@click.pass_context
def worker(ctx: click.Context, setup: Setup) -> None:
    """A worker alone."""
    ctx.exit(_run(setup, Role.WORKER))


for _command in (standalone, coordinator, worker):
    run.add_command(_command)


def _run(setup: Setup, role: Role) -> int:
    """Run a server to its end; return the exit status."""
    logs.configure(setup.configuration[LoggingSettings])
    _raise_limit()
    collector.relax()
    server = _Server(setup, role)
    try:
        asyncio.run(server.run())
    except asyncio.CancelledError:
        if not server.signals:
            raise
    return 128 + server.signals[-1] if len(server.signals) > 1 else 0


class _Server:
    """One server from its start to its end. ``signals`` are those that told it to end."""

    def __init__(self, setup: Setup, role: Role) -> None:
        self._configuration = setup.configuration
        self._registry = setup.registry
        self._role = role
        self.signals: list[int] = []
        self._started = False
        self._engine: Engine | None = None

    async def run(self) -> None:
        told = self._listen_to_signals()
        engine = self._engine = Engine(
            configuration=self._configuration, registry=self._registry, role=self._role
        )
        async with AsyncExitStack() as stack:
            sockets: list[socket.socket] = []
            settings = self._configuration[ApiSettings]
            if self._role is not Role.WORKER:
                # First of all: a wrong address should not take long to be told.
                sockets = open_sockets(settings)
                for bound in sockets:
                    stack.enter_context(bound)
            await stack.enter_async_context(engine)
            await engine.ready()
            url = None
            drain = None
            if sockets:
                server = await stack.enter_async_context(serve(engine.service, settings, sockets))
                url, drain = url_of(settings, sockets), server.drain
            self._started = True
            click.echo(self._start_line(url))
            _log.info("server.started", role=self._role.value, url=url)
            if await _first(told.wait(), engine.ended()) == 1:
                raise TorkError("the engine has stopped, and its log says why")
            _log.info("server.ending", running_tasks="finish within the grace period")
            if drain is not None:
                drain()
            await engine.drain()
        _log.info("server.ended")

    def _listen_to_signals(self) -> asyncio.Event:
        told = asyncio.Event()
        me = asyncio.current_task()
        assert me is not None

        def hear(number: int) -> None:
            self.signals.append(number)
            if not self._started:
                me.cancel()  # Nothing runs yet, and a service that is away may be waited for.
            elif len(self.signals) == 1:
                told.set()
            elif len(self.signals) == 2:
                _log.warning("server.stopping", running_tasks="are killed")
                if self._engine is not None:
                    self._engine.hurry()
                me.cancel()

        loop = asyncio.get_running_loop()
        for number in asking_to_end():
            loop.add_signal_handler(number, hear, number)
        return told

    def _start_line(self, url: str | None) -> str:
        chosen = self._configuration
        parts = [f"listening on {url}"] if url else []
        if self._role is not Role.COORDINATOR:
            queues = chosen[WorkerSettings].queues.items()
            parts.append(f"queues {', '.join(f'{name}:{count}' for name, count in queues)}")
            parts.append(f"runtime {chosen[RuntimeChoice].type}")
        parts.append(f"broker {chosen[BrokerChoice].type}")
        if self._role is not Role.WORKER:
            parts.append(f"datastore {chosen[DatastoreChoice].type}")
        return f"tork {self._role}: {'; '.join(parts)}"


async def _first(*waits: Coroutine[Any, Any, object]) -> int:
    """Wait for the first of several; return which it was."""
    tasks = [asyncio.create_task(wait) for wait in waits]
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        return next(index for index, task in enumerate(tasks) if task.done())
    finally:
        for task in tasks:
            task.cancel()


def _raise_limit() -> None:
    """Allow as many open files as may be: shells start programs with room for few connections."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = _OPEN_FILES if hard == resource.RLIM_INFINITY else min(hard, _OPEN_FILES)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
