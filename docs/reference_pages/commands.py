"""The help of every command."""

from __future__ import annotations

import re
from collections.abc import Iterator

import click

from reference_pages import NOTE
from tork_core.cli.failures import add_debug
from tork_core.cli.main import tork

_CLI = f"""\
# Command line

{NOTE}
Options that are settings are listed in [settings](settings.md): each is an option, a variable and
a key of the configuration file.

Every command ends with one of these [statuses](limits.md#exit-statuses-of-tork); what they mean for
a command is told with it.
"""


def page() -> str:
    """Return the page about the command line."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _CLI
    add_debug(tork)
    context = tork.make_context("tork", [], resilient_parsing=True, terminal_width=96)
    for path, text in _helps(tork, context):
        yield f"## `{path}`\n\n```text\n{text}\n```\n"


def _helps(command: click.Command, context: click.Context) -> Iterator[tuple[str, str]]:
    yield context.command_path, _without_surroundings(command.get_help(context))
    if isinstance(command, click.Group):
        for name in command.list_commands(context):
            child = command.get_command(context, name)
            assert child is not None
            below = child.make_context(name, [], parent=context, resilient_parsing=True)
            yield from _helps(child, below)


def _without_surroundings(text: str) -> str:
    """Leave out what depends on the plugins that are installed, and what settings.md has."""
    text = re.sub(r"\nInstalled:\n.*", "", text, flags=re.DOTALL)
    return re.sub(r"\nSettings \[.*", "\nSettings: see settings.md.", text, flags=re.DOTALL).strip()
