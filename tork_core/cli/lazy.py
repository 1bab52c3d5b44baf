"""The group whose commands are imported when they are needed."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import NamedTuple

import click

from tork_core.cli.failures import add_debug
from tork_core.cli.installed import registry_of


class Lazy(NamedTuple):
    """Where a command of the core is, and what it is for."""

    module: str
    attribute: str
    help: str


COMMANDS: Mapping[str, Lazy] = {
    "exec": Lazy("tork_core.cli.exec", "exec_command", "Run a job here, to its end."),
    "validate": Lazy("tork_core.cli.validate", "validate", "Check job files without running them."),
    "expr": Lazy("tork_core.cli.expr", "expr", "Try out an expression."),
    "plugins": Lazy("tork_core.cli.plugins", "plugins", "List installed plugins."),
    "config": Lazy("tork_core.cli.config", "config", "Show settings and where they come from."),
}
"""The core's own commands, in the order of the help."""


class LazyGroup(click.Group):
    """Finds commands by name: the core's first, then those of plugins."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return all names: the core's in their order, then those of plugins."""
        return [*COMMANDS, *sorted(registry_of(ctx).commands)]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command; None if there is none of this name."""
        lazy = COMMANDS.get(cmd_name)
        if lazy is not None:
            command = getattr(importlib.import_module(lazy.module), lazy.attribute)
        else:
            command = registry_of(ctx).commands.get(cmd_name)
        return None if command is None else add_debug(command)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, and suggest a name where there is none."""
        if args and not args[0].startswith("-") and self.get_command(ctx, args[0]) is None:
            near = difflib.get_close_matches(args[0], self.list_commands(ctx), n=1)
            hint = f" Did you mean {near[0]!r}?" if near else ""
            raise click.UsageError(f"No such command {args[0][:60]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the commands, without importing those of the core."""
        with formatter.section("Commands"):
            formatter.write_dl([(name, lazy.help) for name, lazy in COMMANDS.items()])
        added = registry_of(ctx).commands
        if added:
            with formatter.section("Commands of plugins"):
                formatter.write_dl(
                    [(name, added[name].get_short_help_str(80)) for name in sorted(added)]
                )

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write what is installed, what is missing, and what is broken."""
        registry = registry_of(ctx)
        with formatter.section("Installed"):
            formatter.write_dl(
                [
                    (f"{kind}s", ", ".join(registry.names(kind)) or "none")
                    for kind in ("broker", "datastore", "runtime")
                ]
            )
        missing = list(registry.missing())
        if missing:
            with formatter.section("Missing"):
                for line in missing:
                    formatter.write_text(line)
                formatter.write_text(
                    "all that one machine needs: pip install tork-core[standalone]"
                )
        if registry.problems:
            with formatter.section("Broken"):
                for line in registry.problems:
                    formatter.write_text(line)
