"""``tork plugins``: what is installed, what it offers, and what is wrong with it."""

from __future__ import annotations

from collections.abc import Iterator

import click
import msgspec

from tork_core.cli.installed import registry_of
from tork_core.cli.tables import table
from tork_core.plugins import Plugin


@click.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
@click.pass_context
def plugins(ctx: click.Context, as_json: bool) -> None:
    """List the installed plugins.

    A plugin that cannot be loaded is listed with what is wrong with it; servers do not start until
    it is put right, or skipped: TORK_PLUGINS_DISABLED names plugins or distributions, with commas,
    that are not even imported.
    """
    registry = registry_of(ctx)
    if as_json:
        shown = {
            "plugins": [_as_json(plugin) for plugin in registry.plugins],
            "problems": registry.problems,
        }
        click.echo(msgspec.json.format(msgspec.json.encode(shown)).decode())
        return
    rows = [_row(plugin) for plugin in registry.plugins]
    for line in table(rows, ("DISTRIBUTION", "VERSION", "PLUGIN", "STATE", "OFFERS")):
        click.echo(line)
    missing = list(registry.missing())
    for title, lines in (("Problems", registry.problems), ("Missing", missing)):
        if lines:
            click.echo("\n".join(["", f"{title}:", *(f"  {line}" for line in lines)]))


def _row(plugin: Plugin) -> tuple[str, ...]:
    point = plugin.entry_point
    offers = "; ".join(_offers(plugin)) or plugin.problem or ""
    return point.distribution, point.version, point.name, plugin.state, offers


def _offers(plugin: Plugin) -> Iterator[str]:
    for kind, offers in plugin.offers.items():
        if offers:
            yield f"{kind} {', '.join(offers)}"


def _as_json(plugin: Plugin) -> dict[str, object]:
    point = plugin.entry_point
    shown: dict[str, object] = {
        "distribution": point.distribution,
        "version": point.version,
        "name": point.name,
        "module": point.module,
        "state": plugin.state,
        "offers": {kind: list(offers) for kind, offers in plugin.offers.items()},
    }
    if plugin.problem is not None:
        shown["problem"] = plugin.problem
    return shown
