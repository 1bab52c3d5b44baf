"""Queues, and the messages that they carry."""

from __future__ import annotations

import typing
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from reference_pages import NOTE
from reference_pages.structs import sentences, words
from tork_core.model import messages

QUEUES: Mapping[str, tuple[str, Sequence[type[messages.Message]], str]] = {
    messages.JOBS: (
        "coordinators",
        [messages.Hint],
        "New jobs, and every state that a job enters. A coordinator takes a job's steps in the "
        "commit they follow from, so what it tells here reaches observers only; what comes from "
        "elsewhere is delivered: a job may be due for its next step.",
    ),
    messages.PENDING: (
        "coordinators",
        [messages.Hint],
        "Tasks that are about to be scheduled, retries too: for observers, as in `jobs`. What "
        "comes from elsewhere is delivered: a task may be due.",
    ),
    "default, and any other name": (
        "workers",
        [messages.TaskMessage],
        "Work: one attempt of a task. A task names its queue; a worker serves `default`, or the "
        "queues of its `--queue`.",
    ),
    messages.STARTED: (
        "coordinators",
        [messages.Claims],
        "A worker has taken tasks from a queue and asks to be allowed to start them.",
    ),
    messages.COMPLETED: ("coordinators", [messages.Reports], "Attempts that completed."),
    messages.ERROR: (
        "coordinators",
        [messages.Reports],
        "Attempts that failed, and those that were handed back.",
    ),
    messages.HEARTBEAT: (
        "coordinators",
        [messages.Heartbeat],
        "A node lives, and which claims it holds. The messages live for one interval. The seed "
        "misspells the name: who observes `hearbeat` sees the same.",
    ),
    "x-*node id*": (
        "that worker alone",
        [messages.Orders],
        "Which of the worker's claims are granted, must stop, or are settled. It is named by one "
        "start of the worker, and goes with it.",
    ),
    messages.LOGS: ("coordinators", [messages.LogParts], "What tasks print."),
    messages.DEAD: (
        "nobody",
        [],
        "Messages that cannot be read, or whose handling has failed again and again, with the "
        "reason. They are kept for people.",
    ),
    messages.EVENTS: (
        "observers",
        [messages.Notice],
        "A topic, not a queue: tells who follows a job that there is something new.",
    ),
}
"""Each queue, who takes from it, what it carries, and what that means."""

_ABOUT_QUEUES = f"""\
# Queues and messages

{NOTE}
A message is a hint that something may be done: it can be lost, doubled, late or out of order, and
nothing breaks, because what is true stands in the datastore
([why](../explanation/architecture.md)). To see what passes,
[watch the queues](../how-to/watch-queues.md).
"""

_ABOUT_MESSAGES = """
## Messages

Messages are JSON. `v` is the version of the format: a node sets aside what it does not know.
`failures` and `reason` count how often handling the message has failed, and say why. What has its
default is left out.
"""


def page() -> str:
    """Return the page about queues and messages."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _ABOUT_QUEUES
    yield "| queue | who takes from it | carries | what it is for |"
    yield "|---|---|---|---|"
    for name, (takers, kinds, about) in QUEUES.items():
        shown = name if " " in name or "*" in name else f"`{name}`"
        carried = ", ".join(f"[{kind.__name__}](#{kind.__name__.lower()})" for kind in kinds)
        yield f"| {shown} | {takers} | {carried or 'any message'} | {about} |"
    yield _ABOUT_MESSAGES
    seen: set[type[msgspec.Struct]] = set()
    for _, kinds, _ in QUEUES.values():
        for kind in kinds:
            yield from _struct(kind, seen)


def _struct(kind: type[msgspec.Struct], seen: set[type[msgspec.Struct]]) -> Iterator[str]:
    """A struct, and after it those that it holds in lists."""
    if kind in seen:
        return
    seen.add(kind)
    yield f"### {kind.__name__}\n\n{sentences(kind)}\n"
    yield "| field | kind | |"
    yield "|---|---|---|"
    held: list[type[msgspec.Struct]] = []
    hints = typing.get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        if field.name in messages.Message.__struct_fields__:
            continue
        required = "required" if field.required else ""
        yield f"| `{field.encode_name}` | {words(hints[field.name])} | {required} |"
        held += [
            item
            for item in typing.get_args(hints[field.name])
            if isinstance(item, type) and issubclass(item, msgspec.Struct)
        ]
    yield ""
    for item in held:
        if item.__module__ == messages.__name__:
            yield from _struct(item, seen)
