"""All that installed plugins offer, by kind and name."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any, cast

from tork_core.errors import PluginError, UsageError
from tork_core.interfaces.middleware import (
    JobMiddleware,
    LogMiddleware,
    NodeMiddleware,
    TaskMiddleware,
)
from tork_core.interfaces.provider import (
    BrokerProvider,
    DatastoreProvider,
    Provider,
    RuntimeProvider,
)
from tork_core.model.problems import quoted
from tork_core.plugins.installed import EntryPoint, disabled, find
from tork_core.plugins.loading import Plugin, load_plugin
from tork_core.settings import Section
from tork_core.settings.configuration import check_flags
from tork_core.settings.core import CORE_SECTIONS

if TYPE_CHECKING:
    import click

    from tork_core.expressions import FunctionTable

DISABLED = "TORK_PLUGINS_DISABLED"
"""The environment variable that names plugins to skip, unimported."""

CORE_COMMANDS = frozenset(
    {"exec", "run", "submit", "list", "get", "logs", "why", "cancel", "validate", "expr", "plugins"}
    | {"config", "completion", "queues"}
)
"""The names of the core's own commands, which no plugin may take."""

KINDS = ("broker", "datastore", "runtime")
"""The kinds of providers."""

DISTRIBUTIONS: Mapping[tuple[str, str], str] = {
    ("broker", "inmemory"): "tork-memory",
    ("broker", "rabbitmq"): "tork-rabbitmq",
    ("datastore", "inmemory"): "tork-memory",
    ("datastore", "mongo"): "tork-mongo",
    ("datastore", "postgres"): "tork-postgres",
    ("datastore", "sqlite"): "tork-sqlite",
    ("runtime", "docker"): "tork-docker",
    ("runtime", "shell"): "tork-shell",
}
"""Where the providers of this project come from, for advice on what to install."""


def load(environ: Mapping[str, str] | None = None) -> Registry:
    """Find, import and ask all plugins that are installed and not disabled."""
    skipped = disabled((os.environ if environ is None else environ).get(DISABLED, ""))
    return Registry(_load_each(find(), skipped))


def _load_each(found: Iterable[EntryPoint], skipped: frozenset[str]) -> Iterator[Plugin]:
    for entry_point in found:
        if entry_point.answers_to(skipped):
            yield Plugin(entry_point, disabled=True)
        else:
            yield load_plugin(entry_point)


class Registry:
    """All that plugins offer. ``problems`` says what is wrong, in a line each."""

    def __init__(self, plugins: Iterable[Plugin]) -> None:
        self.plugins = tuple(plugins)
        self._owners: dict[tuple[str, str], Plugin] = {}
        self._offers: dict[str, dict[str, Any]] = {}
        self._clashes: dict[tuple[str, str], str] = {}
        self.problems = [_broken(plugin) for plugin in self.plugins if plugin.problem is not None]
        for plugin in self.plugins:
            for kind, offers in plugin.offers.items():
                for name, offer in offers.items():
                    self._add(plugin, kind, name, offer)
        self.problems += self._clashes.values()
        if self._of("function"):
            self.problems += self._functions[1]
        try:
            check_flags(self.sections)
        except PluginError as error:
            self.problems.append(str(error))

    def _add(self, plugin: Plugin, kind: str, name: str, offer: Any) -> None:
        if kind == "command" and name in CORE_COMMANDS:
            self._clashes[kind, name] = f"{_whose(plugin)} offers the core's own command {name}"
            return
        owner = self._owners.setdefault((kind, name), plugin)
        # A function may say that it takes the place of another: the table of functions decides.
        if owner is plugin or kind == "function":
            self._offers.setdefault(kind, {})[name] = offer
            return
        self._clashes[kind, name] = (
            f"the {kind} {name} is offered by {_whose(owner)} and by {_whose(plugin)}; uninstall "
            f"one of them, or skip one with {DISABLED}"
        )

    def check(self) -> None:
        """Raise PluginError if anything is wrong with any plugin: no server starts with that."""
        if self.problems:
            raise PluginError("\n".join(self.problems[:8]))

    @cached_property
    def sections(self) -> tuple[Section, ...]:
        """All settings: the core's, then those of the providers."""
        provided = [
            Section.provider(
                kind, provider.settings, self._owners[kind, name].entry_point.distribution
            )
            for kind in KINDS
            for name, provider in self._of(kind).items()
        ]
        return (*CORE_SECTIONS, *provided)

    @property
    def functions(self) -> FunctionTable:
        """The functions that expressions may call: the language's own, and those of plugins."""
        return self._functions[0]

    def names(self, kind: str) -> list[str]:
        """Return the names that are offered of a kind, in order."""
        return sorted(self._of(kind))

    def broker(self, name: str) -> BrokerProvider:
        """Return the broker of this name; raises UsageError if there is none."""
        return cast("BrokerProvider", self._provider("broker", name))

    def datastore(self, name: str) -> DatastoreProvider:
        """Return the datastore of this name; raises UsageError if there is none."""
        return cast("DatastoreProvider", self._provider("datastore", name))

    def runtime(self, name: str) -> RuntimeProvider:
        """Return the runtime of this name; raises UsageError if there is none."""
        return cast("RuntimeProvider", self._provider("runtime", name))

    @property
    def job_middleware(self) -> tuple[JobMiddleware, ...]:
        """Middleware for jobs, in no order."""
        return tuple(self._of("job middleware").values())

    @property
    def task_middleware(self) -> tuple[TaskMiddleware, ...]:
        """Middleware for tasks, in no order."""
        return tuple(self._of("task middleware").values())

    @property
    def node_middleware(self) -> tuple[NodeMiddleware, ...]:
        """Middleware for nodes, in no order."""
        return tuple(self._of("node middleware").values())

    @property
    def log_middleware(self) -> tuple[LogMiddleware, ...]:
        """Middleware for logs, in no order."""
        return tuple(self._of("log middleware").values())

    @property
    def commands(self) -> Mapping[str, click.Command]:
        """The commands that plugins add to ``tork``."""
        return dict(self._of("command"))

    def missing(self) -> Iterator[str]:
        """Yield what a working engine lacks, each with what to install."""
        for kind, advice in (
            ("broker", "tork-memory"),
            ("datastore", "tork-memory"),
            ("runtime", "tork-docker or tork-shell"),
        ):
            if not self._of(kind):
                yield f"no {kind} is installed: pip install {advice}"

    @cached_property
    def _functions(self) -> tuple[FunctionTable, list[str]]:
        """The table, and what is wrong with what could not be added to it."""
        # Imported here: most commands evaluate nothing.
        from tork_core.expressions import BUILTINS

        table, problems = BUILTINS, list[str]()
        for plugin in self.plugins:
            functions = plugin.offers.get("function", {}).values()
            try:
                table = table.extended(functions, plugin.entry_point.distribution)
            except PluginError as error:
                problems.append(str(error))
        return table, problems

    def _of(self, kind: str) -> dict[str, Any]:
        return self._offers.get(kind, {})

    def _provider(self, kind: str, name: str) -> Provider[Any]:
        if (kind, name) in self._clashes:
            raise PluginError(self._clashes[kind, name])
        found = self._of(kind).get(name)
        if found is None:
            raise UsageError(self._unknown(kind, name))
        return found

    def _unknown(self, kind: str, name: str) -> str:
        known = self.names(kind)
        there = f"installed: {', '.join(known)}" if known else "none is installed"
        lines = [f"no {kind} of the name {quoted(name)} is installed ({there})"]
        distribution = DISTRIBUTIONS.get((kind, name))
        if distribution is not None:
            lines[0] = f"the {kind} {name} is not installed ({there}); pip install {distribution}"
        elif near := difflib.get_close_matches(name, known, n=1):
            lines[0] += f", did you mean {quoted(near[0])}?"
        lines += [_broken(plugin) for plugin in self.plugins if plugin.problem is not None]
        lines += [
            f"{_whose(plugin)} is disabled by {DISABLED}"
            for plugin in self.plugins
            if plugin.disabled
        ]
        return "\n".join(lines[:8])


def _whose(plugin: Plugin) -> str:
    return f"{plugin.entry_point.distribution} (plugin {plugin.entry_point.name})"


def _broken(plugin: Plugin) -> str:
    return (
        f"{_whose(plugin)} is broken: {plugin.problem}; reinstall it, or skip it with "
        f"{DISABLED}={plugin.entry_point.name}"
    )
