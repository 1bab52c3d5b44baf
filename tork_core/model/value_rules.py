"""Rules for single values: each function returns what is wrong with one, or None.

A value with a template in it is known only when it is evaluated. These rules look at what stands
there already and leave the rest to that moment.
"""

from __future__ import annotations

import math
import posixpath
import re
from collections.abc import Callable

from tork_core.model.problems import quoted
from tork_core.model.units import parse_cpus, parse_duration, parse_memory

TEMPLATE = "{{"
"""What begins an expression within a text."""

COORDINATOR_QUEUES = frozenset(
    {
        "jobs",
        "pending",
        "started",
        "completed",
        "error",
        "heartbeat",
        "hearbeat",  # as the oldest description of the queues spells it
        "logs",
        "progress",
        "redeliveries",
        "dead",
        "events",
    }
)
"""Queues and topics of the engine itself: no task may be sent to one."""

WORKER_QUEUE_PREFIX = "x-"
"""Begins the name of a worker's own queue, by which coordinators reach it."""

WEBHOOK_EVENTS = ("job.StateChange", "job.Progress", "task.StateChange", "task.Progress")

_LONGEST_NAME = 256
_LONGEST_VAR = 64
_LONGEST_QUEUE = 255
_LONGEST_PATH = 256
_RESERVED_PATH = "/tork"
_NEEDED_PATHS = ("/proc", "/dev")
_MOUNT_PATH = re.compile(r"[-/.0-9a-zA-Z_= ]+")
_CRON_DESCRIPTORS = frozenset(
    {"@yearly", "@annually", "@monthly", "@weekly", "@daily", "@midnight", "@hourly"}
)


def duration(text: str) -> str | None:
    """A duration above zero."""
    return _message_of(parse_duration, text)


def memory(text: str) -> str | None:
    """A size above zero."""
    return _message_of(parse_memory, text)


def cpus(text: str) -> str | None:
    """A number of CPUs above zero."""
    return _message_of(parse_cpus, text)


def _message_of(parse: Callable[[str], object], text: str) -> str | None:
    try:
        parse(text)
    except ValueError as error:
        return str(error)
    return None


def name(text: str) -> str | None:
    """A job's or a task's name: not empty and not too long."""
    if not text.strip():
        return "a name may be left out, but not be empty"
    if TEMPLATE in text:
        return None
    return _longer(text, _LONGEST_NAME, "a name")


def var(text: str) -> str | None:
    """The variable that holds a task's output."""
    return None if TEMPLATE in text else _longer(text, _LONGEST_VAR, "a variable's name")


def workdir(text: str) -> str | None:
    """A working directory."""
    return None if TEMPLATE in text else _longer(text, _LONGEST_PATH, "a working directory")


def _longer(text: str, limit: int, what: str) -> str | None:
    if len(text) <= limit:
        return None
    return f"{what} may have up to {limit} characters, this one has {len(text)}"


def queue(text: str) -> str | None:
    """A queue of workers, and none that the engine uses itself."""
    if not text.strip():
        return "a queue may be left out, but not be empty"
    if TEMPLATE not in text:
        return queue_name(text)
    return _own_queue(text) if text.partition(TEMPLATE)[0].startswith(WORKER_QUEUE_PREFIX) else None


def queue_name(text: str) -> str | None:
    """The name of a queue of workers, as it is: nothing in it is a template."""
    problem = _own_queue(text)
    if problem is not None:
        return problem
    if not text.strip():
        return "a queue needs a name"
    if text != text.strip():
        # Nobody would see why no worker serves it.
        return f"the queue's name {quoted(text)} begins or ends with a blank; leave that out"
    if not text.isprintable():
        return f"the queue's name {quoted(text)} holds a character that cannot be printed"
    size = len(text.encode())
    if size > _LONGEST_QUEUE:
        return f"a queue's name may have up to {_LONGEST_QUEUE} bytes, this one has {size}"
    return None


def special_queue(name: str) -> bool:
    """Whether a queue is the engine's: coordinators consume it, or one worker alone does."""
    return name in COORDINATOR_QUEUES or name.startswith(WORKER_QUEUE_PREFIX)


def _own_queue(text: str) -> str | None:
    if text.startswith(WORKER_QUEUE_PREFIX):
        return (
            f"{quoted(text)} is a worker's own queue; "
            f"choose a name that does not begin with {WORKER_QUEUE_PREFIX}"
        )
    if text in COORDINATOR_QUEUES:
        return f"{quoted(text)} is a queue of the engine itself; choose another name"
    return None


def env_name(text: str) -> str | None:
    """The name of an environment variable."""
    if not text:
        return "an environment variable needs a name"
    if "=" in text:
        return f'the name of an environment variable cannot hold "=": {quoted(text)}'
    return None


def whole_number(low: int, high: int) -> Callable[[int], str | None]:
    """A whole number from ``low`` to ``high``."""

    def check(number: int) -> str | None:
        if low <= number <= high:
            return None
        return f"{number} is out of range; write a whole number from {low} to {high}"

    return check


priority = whole_number(0, 9)
retry_limit = whole_number(1, 10)
concurrency = whole_number(0, 99_999)
port = whole_number(1, 65_535)


def scaling_factor(number: float) -> str | None:
    """By what the waits between tries grow."""
    if math.isfinite(number) and number > 0:
        return None
    return f"{number:g} is out of range; write a number above 0, such as 2"


def not_empty(text: str) -> str | None:
    """Any text but none."""
    return None if text.strip() else "this may not be empty"


def probe_path(text: str) -> str | None:
    """The path that a probe asks for."""
    if not text.startswith("/"):
        return f"{quoted(text)} is not a path; begin it with /"
    return _longer(text, _LONGEST_PATH, "a probe's path")


def container_path(text: str) -> str | None:
    """A place in a container for a volume or a mount."""
    if not text.startswith("/"):
        return f"{quoted(text)} is not an absolute path; begin it with /"
    if ".." in text.split("/"):
        return f"{quoted(text)} may not hold .."
    place = posixpath.normpath("/" + text.lstrip("/"))
    if place == "/":
        return f"{quoted(text)} would hide the whole file system; name a folder in it"
    if place in _NEEDED_PATHS or place.startswith("/proc/"):
        return f"{quoted(text)} is what no container can do without; choose another path"
    if place == _RESERVED_PATH or place.startswith(f"{_RESERVED_PATH}/"):
        return f"{quoted(text)} is used by the engine itself; choose another path"
    return None


def mount_target(text: str) -> str | None:
    """A place in a container, in characters that every mounter takes."""
    return mount_source(text) or container_path(text)


def mount_source(text: str) -> str | None:
    """A path in characters that every mounter takes."""
    if _MOUNT_PATH.fullmatch(text):
        return None
    return f"{quoted(text)} is not a path to mount; use letters, digits and - / . _ = only"


def file_name(text: str) -> str | None:
    """A file to be written into the working directory, and nowhere else."""
    if not text.strip("/. "):
        return "a file needs a name"
    if text.startswith("/") or ".." in text.split("/"):
        return f"{quoted(text)} is outside the working directory; write a relative path without .."
    return None


def webhook_url(text: str) -> str | None:
    """A web address."""
    if TEMPLATE in text or re.match(r"https?://[^/\s]", text):
        return None
    return f"{quoted(text)} is not a web address; begin it with https:// or http://"


def webhook_event(text: str) -> str | None:
    """One of the events there are; empty is the first of them."""
    if not text or text in WEBHOOK_EVENTS:
        return None
    return f"{quoted(text)} is not an event; write one of {', '.join(WEBHOOK_EVENTS)}"


def cron(text: str) -> str | None:
    """Five fields or a descriptor; what the fields say is checked by the scheduler."""
    fields = text.split()
    if len(fields) == 5 or (len(fields) == 1 and text.strip() in _CRON_DESCRIPTORS):
        return None
    return f'{quoted(text)} is not a schedule; write five fields such as "0 2 * * *", or @hourly'
