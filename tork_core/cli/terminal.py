"""What commands write for people: text that cannot steer a terminal, tables, times, colours."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from datetime import UTC, datetime

import click

from tork_core.cli.tables import table

_CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[^\[])?|[\x00-\x08\x0b-\x1f\x7f-\x9f]")
"""Escape sequences and control characters: a task's output must not steer the terminal."""

COLOURS = {
    "COMPLETED": "green",
    "FAILED": "red",
    "CANCELLED": "yellow",
    "SKIPPED": "bright_black",
    "RUNNING": "cyan",
}
"""The colours of states."""


def clean(text: str) -> str:
    """The text without what would steer a terminal."""
    return _CONTROL.sub("", text)


def cell(text: str) -> str:
    """The text on one line, as a table holds it."""
    return " ".join(clean(text).split())


def first_line(text: str) -> str:
    """The first line of an error; the end of the log, which follows in it, was shown already."""
    return text.split("\n", 1)[0]


def seconds(start: datetime | None, end: datetime | None) -> str:
    """How long something took, as the end of a sentence: `` after 1.25 s``."""
    if start is None or end is None:
        return ""
    return f" after {(end - start).total_seconds():.2f} s"


def moment(time: datetime | None) -> str:
    """A time in UTC, to the millisecond."""
    if time is None:
        return ""
    return f"{time.astimezone(UTC):%Y-%m-%dT%H:%M:%S}.{time.microsecond // 1000:03}Z"


def state(word: str) -> str:
    """A state, in its colour where there is one."""
    return click.style(word, fg=COLOURS.get(word), bold=True)


def print_table(rows: Sequence[Sequence[str]], head: Sequence[str]) -> None:
    """Print a table: in colour and fitted to a terminal, else with every cell whole."""
    cells = [[cell(text) for text in row] for row in rows]
    if sys.stdout.isatty():
        _print_rich(cells, head)
        return
    for line in table(cells, head):
        click.echo(line)


def _print_rich(rows: Sequence[Sequence[str]], head: Sequence[str]) -> None:
    # Imported here: scripts do without it.
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    shown = Table(box=None, pad_edge=False, header_style="bold")
    for title in head:
        shown.add_column(title, no_wrap=title in ("ID", "STATE"), overflow="fold")
    for row in rows:
        shown.add_row(*(Text(text, style=COLOURS.get(text, "")) for text in row))
    Console().print(shown)
