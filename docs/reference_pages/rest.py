"""The parts of the page about the API that follow from its routes and answers."""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator, Mapping
from enum import StrEnum

import msgspec

from reference_pages.structs import sentences, words
from tork_core.api.routes import Routes
from tork_core.api.routing import Route
from tork_core.model import answers, listings
from tork_core.model.job import Event

REQUESTS: Mapping[str, str] = {
    "submit": "the job as accepted: [submit](#submit-a-job)",
    "job": "[the job](#show-a-job) with its `execution`",
    "cancel": '`{"status":"OK"}`: [cancel](#cancel-a-job)',
    "jobs": "[a page](#pages) of jobs, the newest first",
    "job_log": "[a page](#pages) of parts of the job's log, the newest first",
    "task_log": "[a page](#pages) of parts of the task's log, the newest first",
    "events": "what has happened: [a list, or a live stream](#follow-a-job)",
    "task": "one instance of a task, as in the `execution` of its job",
    "queues": "[an array of queues](#queues-nodes-health)",
    "queue": "one queue",
    "delete_queue": '`{"status":"OK"}`: [delete a queue](#queues-nodes-health) of tasks',
    "messages": "a live stream of [what passes through it](#watch-queues)",
    "nodes": "an array of the nodes heard of in the last 5 minutes",
    "health": "200 and `UP`, or 503 and `DOWN`",
}
"""What answers a request, by the name of its handler."""

ANSWERS: Mapping[type[msgspec.Struct], str] = {
    answers.JobAnswer: "A job",
    answers.TaskAnswer: "An instance of a task",
    listings.JobSummary: "A job in a page",
    listings.LogPartAnswer: "A part of a log",
    Event: "An event",
    listings.QueueAnswer: "A queue",
    listings.PassedAnswer: "What passed through a queue",
    listings.NodeAnswer: "A node",
    listings.HealthAnswer: "Health",
}
"""What answers consist of, in the order of the page, with the titles there."""

_AS_IN_FILE = "as in [a job file](fields.md)"

_WITHIN = {answers.RetryAnswer, answers.ContextAnswer}
"""What is described with what holds it."""


def page(page: str) -> str:
    """Return the page about the API with its tables put between their marks."""
    for name, lines in (("routes", _routes()), ("answers", _answers())):
        begin = f"<!-- {name}: made by `python docs/generate.py` -->\n"
        end = f"<!-- end of {name} -->"
        before, _, rest = page.partition(begin)
        _, _, after = rest.partition(end)
        table = "\n".join(lines).strip()
        page = f"{before}{begin}\n{table}\n\n{end}{after}"
    return page


def _routes() -> Iterator[str]:
    """Every route that the server has, those with one answer in one row."""
    yield "| request | answer |"
    yield "|---|---|"
    requests: dict[str, list[str]] = {}
    for route in api_routes():
        requests.setdefault(route.handler.__name__, []).append(f"`{route.method} {route.path}`")
    for handler, shown in requests.items():
        yield f"| {', '.join(shown)} | {REQUESTS[handler]} |"


def api_routes() -> Iterable[Route]:
    """Return the routes of a server; none of them is called."""
    nothing = typing.cast("typing.Any", None)
    return Routes(nothing, nothing, body_limit=0).all()


def _answers() -> Iterator[str]:
    for kind, title in ANSWERS.items():
        yield f"### {title}\n\n{sentences(kind)}\n"
        yield from _answer_fields(kind)
        yield ""


def _answer_fields(kind: type[msgspec.Struct], within: str = "") -> Iterator[str]:
    if not within:
        yield "| field | kind | |"
        yield "|---|---|---|"
    hints = typing.get_type_hints(kind)
    for field in msgspec.structs.fields(kind):
        always = field.required or not kind.__struct_config__.omit_defaults
        hint = hints[field.name]
        yield (
            f"| `{within}{field.encode_name}` | {_answer_kind(hint)} | "
            f"{'always there' if always and not within else ''} |"
        )
        for inner in typing.get_args(hint):
            if inner in _WITHIN:
                yield from _answer_fields(inner, f"{within}{field.encode_name}.")


def _answer_kind(hint: object) -> str:
    """A type in words; fields of a job file are told of there."""
    arguments = [item for item in typing.get_args(hint) if item is not type(None)]
    origin = typing.get_origin(hint)
    if origin is list:
        item = _answer_kind(arguments[0])
        return f"list{'' if item == _AS_IN_FILE else ' of'} {item}"
    if origin in (dict, Mapping):
        return f"map of {_answer_kind(arguments[1])}"
    if arguments:
        return " or ".join(_answer_kind(item) for item in arguments)
    if isinstance(hint, type) and issubclass(hint, StrEnum):
        return ", ".join(f"`{member.value}`" for member in hint)
    if isinstance(hint, type) and issubclass(hint, msgspec.Struct):
        held = "map" if hint in _WITHIN else _AS_IN_FILE
        return ANSWERS[hint].lower() if hint in ANSWERS else held
    return {"float": "number"}.get(getattr(hint, "__name__", ""), words(hint))
