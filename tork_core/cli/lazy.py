"""The group whose commands are imported when they are needed."""

from __future__ import annotations

import difflib
import importlib
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from tork_core.cli.failures import add_debug
from tork_core.cli.installed import registry_of
from tork_core.cli.missing import advice
from tork_core.cli.seed_flags import rewrite

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem


class Lazy(NamedTuple):
    """Where a command of the core is, and what it is for."""

    module: str
    attribute: str
    help: str


COMMANDS: Mapping[str, Lazy] = {
    "exec": Lazy("tork_core.cli.exec", "exec_command", "Run a job here, to its end."),
    "run": Lazy("tork_core.cli.run", "run", "Run a server: standalone, coordinator or worker."),
    "submit": Lazy("tork_core.cli.submit", "submit", "Submit a job to a server."),
    "list": Lazy("tork_core.cli.jobs", "list_jobs", "List the jobs of a server."),
    "get": Lazy("tork_core.cli.jobs", "get", "Show a job of a server."),
    "logs": Lazy("tork_core.cli.logs", "logs", "Print the log of a job or a task."),
    "why": Lazy("tork_core.cli.why", "why", "Tell what has happened to a job, in words."),
    "cancel": Lazy("tork_core.cli.jobs", "cancel", "Cancel a job."),
    "queues": Lazy("tork_core.cli.queues", "queues", "List the queues of a server; watch them."),
    "validate": Lazy("tork_core.cli.validate", "validate", "Check job files without running them."),
    "expr": Lazy("tork_core.cli.expr", "expr", "Try out an expression."),
    "plugins": Lazy("tork_core.cli.plugins", "plugins", "List installed plugins."),
    "config": Lazy("tork_core.cli.config", "config", "Show settings and where they come from."),
    "completion": Lazy("tork_core.cli.completion", "completion", "Complete words in your shell."),
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

    def shell_complete(self, ctx: click.Context, incomplete: str) -> list[CompletionItem]:
        """Complete the name of a command, without importing those of the core."""
        if incomplete.startswith("-"):
            return click.Command.shell_complete(self, ctx, incomplete)
        from click.shell_completion import CompletionItem

        helps = {name: lazy.help for name, lazy in COMMANDS.items()}
        for name, command in registry_of(ctx).commands.items():
            helps[name] = command.get_short_help_str()
        return [
            CompletionItem(name, help=text)
            for name, text in helps.items()
            if name.startswith(incomplete)
        ]

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Read the arguments; a command line of the seed is put into our own words first."""
        return super().parse_args(ctx, rewrite(args))

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; an option that a missing plugin would bring is an error that says so."""
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            words = advice(error.option_name, registry_of(ctx))
            raise (click.UsageError(words, error.ctx) if words else error) from None

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
