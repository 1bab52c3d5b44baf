"""``tork config show``: every setting, its value, and where that comes from."""

from __future__ import annotations

import json
from itertools import groupby
from typing import cast

import click
import msgspec

from tork_core.cli.options import ConfiguredCommand, Setup
from tork_core.settings import Origin, Value
from tork_core.settings.core import CORE_SECTIONS


@click.group()
def config() -> None:
    """Show settings and where they come from."""


@config.command(
    cls=ConfiguredCommand,
    settings=tuple(section.settings for section in CORE_SECTIONS),
    providers=True,
    strict=False,
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
def show(setup: Setup, as_json: bool) -> None:
    """Show every setting and where its value comes from: a flag, the environment, the
    configuration file, or the default. Secrets are hidden.

    What is printed may serve as a configuration file.
    """
    values = setup.configuration.values
    if as_json:
        shown = [_as_json(value) for value in values]
        click.echo(msgspec.json.format(msgspec.json.encode(shown)).decode())
        return
    for section, items in groupby(values, key=lambda value: value.section):
        click.echo(f"{section.title}  # {section.distribution}")
        lines = [(_assignment(value), _origin(value)) for value in items]
        width = min(48, max(len(left) for left, _ in lines))
        for left, right in lines:
            click.echo(f"{left.ljust(width)}  # {right}")
        click.echo()


def _as_json(value: Value) -> dict[str, object]:
    return {
        "key": ".".join((*value.section.path, value.option.name)),
        "value": value.shown,
        "origin": value.origin.value,
        "source": value.source,
        "flag": value.section.flag(value.option),
        "variable": value.section.variable(value.option),
        "distribution": value.section.distribution,
    }


def _assignment(value: Value) -> str:
    shown = value.shown
    # A secret's place must not be taken for its value when the file is read again.
    comment = "# " if shown is None or value.option.secret else ""
    return f"{comment}{value.option.name} = {_toml(shown)}"


def _toml(value: object) -> str:
    """Return a value as TOML writes it; JSON's texts are TOML's too."""
    if isinstance(value, dict):
        pairs = cast("dict[str, object]", value)
        return "{ " + ", ".join(f"{_text(k)} = {_toml(v)}" for k, v in pairs.items()) + " }"
    if isinstance(value, list):
        return "[" + ", ".join(map(_toml, cast("list[object]", value))) + "]"
    if isinstance(value, bool):
        return "true" if value else "false"
    if value is None:
        return '""'
    return _text(value) if isinstance(value, str) else str(value)


def _text(text: str) -> str:
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def _origin(value: Value) -> str:
    if value.origin is Origin.DEFAULT:
        return "default"
    return f"{value.origin.value}: {value.source}"
