"""The core's own settings."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Mapping, Sequence
from typing import Literal

from tork_core.model import value_rules
from tork_core.model.messages import DEFAULT_QUEUE
from tork_core.model.problems import quoted
from tork_core.model.source import MAX_BYTES
from tork_core.model.units import parse_cpus, parse_duration, parse_memory
from tork_core.settings.address import parse_address
from tork_core.settings.declaration import Section, Settings, option
from tork_core.settings.kinds import Bytes, Seconds
from tork_core.settings.secret import Secret

MAX_CONCURRENCY = 10_000
"""The most tasks of one queue that a worker runs at once."""


class BrokerChoice(Settings, section="broker"):
    """Which broker carries the messages."""

    type: str = option(
        "inmemory",
        flag="--broker",
        help="Broker that carries the messages; tork plugins lists those there are.",
    )


class DatastoreChoice(Settings, section="datastore"):
    """Which datastore keeps the jobs."""

    type: str = option(
        "inmemory",
        flag="--datastore",
        help="Datastore that keeps the jobs; tork plugins lists those there are.",
    )


class RuntimeChoice(Settings, section="runtime"):
    """Which runtime runs the tasks.

    The default isolates tasks from the worker; a runtime that does not is never chosen silently.
    """

    type: str = option(
        "docker",
        flag="--runtime",
        help="Runtime that runs the tasks; tork plugins lists those there are.",
    )


class MiddlewareSettings(Settings, section="middleware"):
    """Which middleware is left out."""

    disabled: Sequence[str] = option(
        [],
        flag="--disable-middleware",
        help="Middleware to leave out, by name, such as redaction; may be repeated.",
    )


class LoggingSettings(Settings, section="logging"):
    """What the processes themselves log, to standard error. The logs of tasks are not meant."""

    level: Literal["debug", "info", "warn", "warning", "error"] | None = option(
        None,
        shown="info for servers, warning for other commands",
        flag="--log-level",
        help="The least important messages to log.",
    )
    format: Literal["auto", "pretty", "json"] = option(
        "auto",
        flag="--log-format",
        help="How to write them; auto is pretty on a terminal and json elsewhere.",
    )


def default_queues() -> Mapping[str, int]:
    """Return the queues of a worker that names none: one task per CPU, and at least two, so that
    a task that waits for something does not hold up all others."""
    return {DEFAULT_QUEUE: max(2, os.cpu_count() or 1)}


def _check_queues(queues: Mapping[str, int]) -> None:
    if not queues:
        raise ValueError("names no queue")
    for name, concurrency in queues.items():
        problem = value_rules.queue_name(name)
        if problem is not None:
            raise ValueError(problem)
        if not 1 <= concurrency <= MAX_CONCURRENCY:
            raise ValueError(
                f"{quoted(f'{name}:{concurrency}')}: run 1 to {MAX_CONCURRENCY:,} tasks at once"
            )


def _check_name(name: str) -> None:
    if not name.strip() or len(name) > 256 or not name.isprintable():
        raise ValueError("must be printable text of 1 to 256 characters")


def _check_cpus(text: str) -> None:
    parse_cpus(text)


def _check_duration(text: str) -> None:
    parse_duration(text)


def _check_memory(text: str) -> None:
    parse_memory(text)


class WorkerSettings(Settings, section="worker"):
    """How a worker takes and runs tasks."""

    name: str = option(
        default_factory=socket.gethostname,
        shown="the host's name",
        check=_check_name,
        help="The worker's name, which stays over restarts.",
    )
    queues: Mapping[str, int] = option(
        default_factory=default_queues,
        shown="default, one task per CPU and at least 2",
        flag="--queue",
        check=_check_queues,
        help="Queue to serve, and how many of its tasks to run at once; may be repeated.",
    )
    claim: Literal["always", "doubtful"] = option(
        "always",
        flag="--claim",
        help="When to ask before a task starts; with doubtful a task that surely comes for the "
        "first time starts at once, and a fault at that moment may run it twice.",
    )
    grace: Seconds = option(
        10, least=0, help="How long a worker that is told to end waits for its running tasks."
    )
    stop_grace: Seconds = option(
        5, least=0, help="How long a task that is stopped may take between SIGTERM and SIGKILL."
    )
    output_limit: Bytes = option("64k", least=0, help="The longest output of a task.")
    log_limit: Bytes = option("10m", least=0, help="The longest log of one attempt of a task.")
    log_interval: Seconds = option(
        0.25, least=0.01, most=60, help="How often what tasks print is sent on."
    )
    default_cpus_limit: str | None = option(
        None,
        flag="--default-cpus-limit",
        check=_check_cpus,
        help="The most CPUs of a task that sets no limits.cpus, such as 1.5.",
    )
    default_memory_limit: str | None = option(
        None,
        flag="--default-memory-limit",
        check=_check_memory,
        help="The most memory of a task that sets no limits.memory, such as 512m.",
    )
    default_timeout: str | None = option(
        None,
        flag="--default-timeout",
        check=_check_duration,
        help="The longest run of a task that sets no timeout, such as 1h30m.",
    )
    temp_dir: str = option(
        default_factory=tempfile.gettempdir,
        shown="the system's folder for temporary files",
        flag="--temp-dir",
        help="Folder for the scratch folders and the volumes of tasks.",
    )


class CoordinatorSettings(Settings, section="coordinator"):
    """How a coordinator moves jobs on, and when it holds a worker for lost.

    All coordinators and workers of one cluster need the same heartbeat_interval and lease.
    """

    heartbeat_interval: Seconds = option(
        5, least=0.1, help="How often a node says that it lives, and what it holds."
    )
    lease: Seconds = option(
        30, least=1, help="How long a node may be silent before its tasks are given to others."
    )
    sweep_interval: Seconds = option(
        2, least=0.1, help="How often to look for what no message will move."
    )
    max_waiting_submissions: int = option(
        10_000, least=1, help="How many submissions may wait before further ones are refused."
    )
    lost_limit: int = option(
        5, least=1, help="How many attempts of a task may end with their worker until it fails."
    )
    restart_limit: int = option(
        100,
        least=1,
        help="How many attempts of a task may end with the whole process until it fails.",
    )
    dead_letter_limit: int = option(
        3, least=1, help="How often handling a message may fail until it is set aside."
    )
    batch_size: int = option(
        200, least=1, most=10_000, help="The most messages that are handled in one write."
    )

    def check(self) -> None:
        """A lease outlasts two lost heartbeats, and the 5 s by which workers stop earlier."""
        if self.lease < 3 * self.heartbeat_interval or self.lease - self.heartbeat_interval < 5:
            raise ValueError(
                "lease must be at least three times heartbeat_interval, and 5 seconds more than it"
            )


def _check_address(address: str) -> None:
    parse_address(address)


class ApiSettings(Settings, section="api"):
    """Where the API is served, and to whom.

    Beyond this machine it is served only to who has the key.
    """

    address: str = option(
        "localhost:3000",
        flag="--address",
        check=_check_address,
        help="Host and port to listen on; one that others can reach needs an API key.",
    )
    key: Secret[str] | None = option(
        None, help="The key that every request has to carry; better set TORK_API_KEY than the flag."
    )
    insecure_open: bool = option(
        False,
        flag="--insecure-open-api",
        help="Listen without a key where others can reach it: whoever can may run anything.",
    )
    allowed_hosts: Sequence[str] = option(
        [],
        flag="--allowed-host",
        help="Name under which the API may be called beside localhost; may be repeated.",
    )
    body_limit: Bytes = option(
        "1m", least=1024, most=MAX_BYTES, help="The largest body of a request, decompressed."
    )

    def check(self) -> None:
        """A key is nothing that can be guessed, and can be sent in a header."""
        key = self.key.reveal() if self.key is not None else None
        if key is not None and (not key.isascii() or not key.isprintable() or not key.strip()):
            raise ValueError("key must be printable characters of ASCII")


CORE_SECTIONS = tuple(
    Section.core(settings)
    for settings in (
        BrokerChoice,
        DatastoreChoice,
        RuntimeChoice,
        WorkerSettings,
        CoordinatorSettings,
        ApiSettings,
        MiddlewareSettings,
        LoggingSettings,
    )
)
