"""Fields of a job file."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from reference_pages import NOTE
from tork_core.model.fields import field_rows

KINDS: Mapping[str, str] = {
    "text": "text as it is; what YAML takes for a number, a date or `yes` is its text too",
    "template": "text in which `{{ }}` holds [expressions](expressions.md)",
    "script": "text that is run as a program; nothing in it is replaced",
    "path": "an absolute path in the container",
    "duration": "a number with `ms`, `s`, `m` or `h`, or several: `300ms`, `1.5h`, `1h30m`",
    "size": "a whole number with `b`, `k`, `m` or `g`: `10m` is 10 × 1024 × 1024 bytes",
    "decimal": "a number, such as `.5` or `2`",
    "number": "a number, such as `1.5`",
    "whole number": "a number such as `3`",
    "true or false": "`true` or `false`",
    "expression": "an [expression](expressions.md), with `{{ }}` or without",
    "cron": "minute, hour, day, month and weekday, such as `0 3 * * *`",
}
"""How a value of each kind is written; other kinds have a section of their own."""

_FIELDS = f"""\
# Fields of a job file

{NOTE}
A field that does not work yet is refused: a time-out that is silently ignored is worse than none.
`tork validate --fields` prints this list for the version that is installed.

A field is left out where it is not needed. A job has `tasks`, and each of its tasks says what to
do: by `run` or `cmd`, or by the image's own command. In containers it also has an `image`. "List
of" and "map of" stand before what an item, or a value, is. A kind that is not in this table has a
section below; "auxiliary tasks" are [pre and post](#pre-and-post).

| kind | written as |
|---|---|
"""


def page() -> str:
    """Return the page about fields of a job file."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _FIELDS + "\n".join(f"| {kind} | {about} |" for kind, about in KINDS.items())
    part = ""
    for row in field_rows():
        if row.part != part:
            part = row.part
            yield f"\n## {part}\n\n| field | kind | works | |\n|---|---|---|---|"
        works = "yes" if row.works else "not yet"
        yield f"| `{row.name}` | {row.type} | {works} | {row.about} |"
    yield ""
