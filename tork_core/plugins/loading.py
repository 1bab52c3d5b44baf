"""One plugin: imported, asked for what it offers, and checked.

Whatever a plugin does wrong is wrong with that plugin alone: it becomes words in
:attr:`Plugin.problem`, and nothing of the plugin is used.
"""

from __future__ import annotations

import difflib
import importlib
import re
import traceback
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, cast

import pluggy

from tork_core import hookspecs
from tork_core._version import __version__
from tork_core.hookspecs import API, PROJECT
from tork_core.interfaces import middleware
from tork_core.interfaces.provider import (
    BrokerProvider,
    DatastoreProvider,
    Provider,
    RuntimeProvider,
)
from tork_core.plugins.installed import EntryPoint
from tork_core.settings import Settings

OFFERS: Mapping[str, str] = {
    "tork_brokers": "broker",
    "tork_datastores": "datastore",
    "tork_runtimes": "runtime",
    "tork_expression_functions": "function",
    "tork_job_middleware": "job middleware",
    "tork_task_middleware": "task middleware",
    "tork_node_middleware": "node middleware",
    "tork_log_middleware": "log middleware",
    "tork_cli_commands": "command",
}
"""What each hook offers, in words."""

_TYPES: Mapping[str, type] = {
    "broker": BrokerProvider,
    "datastore": DatastoreProvider,
    "runtime": RuntimeProvider,
    "job middleware": middleware.JobMiddleware,
    "task middleware": middleware.TaskMiddleware,
    "node middleware": middleware.NodeMiddleware,
    "log middleware": middleware.LogMiddleware,
}

_NAME = re.compile(r"[^\W\d][\w-]{0,63}")


class Refused(Exception):
    """A plugin does not keep to the rules; the text says which."""


@dataclass(frozen=True)
class Plugin:
    """A plugin that is installed, and what became of it.

    ``offers`` holds what it offers by kind (``broker``) and name, ``problem`` what is wrong with
    it, ``traceback`` where that went wrong, for its author.
    """

    entry_point: EntryPoint
    offers: Mapping[str, Mapping[str, Any]] = field(default_factory=dict[str, dict[str, Any]])
    problem: str | None = None
    traceback: str | None = None
    disabled: bool = False

    @property
    def state(self) -> str:
        """``loaded``, ``broken`` or ``disabled``."""
        return "disabled" if self.disabled else "broken" if self.problem else "loaded"


def load_plugin(entry_point: EntryPoint) -> Plugin:
    """Import a plugin and ask it for all that it offers."""
    try:
        return Plugin(entry_point, _offers(_import(entry_point)))
    except Refused as error:
        return Plugin(entry_point, problem=str(error))
    except (Exception, SystemExit) as error:  # noqa: BLE001 - others' code may raise anything
        text = "".join(traceback.format_exception(error))
        return Plugin(entry_point, problem=_reason(error), traceback=text)


def _reason(error: BaseException) -> str:
    words = " ".join(str(error).split())
    return f"{type(error).__name__}: {words[:300]}" if words else type(error).__name__


def _import(entry_point: EntryPoint) -> ModuleType:
    if not entry_point.module:
        raise Refused("its entry_points.txt cannot be read")
    name, colon, attribute = entry_point.module.partition(":")
    if colon:
        raise Refused(f'its entry point names "{attribute}" in {name}; name the module alone')
    return importlib.import_module(name)


def _offers(module: ModuleType) -> dict[str, dict[str, Any]]:
    manager = pluggy.PluginManager(PROJECT)
    manager.add_hookspecs(hookspecs)
    try:
        manager.register(module)
    except pluggy.PluginValidationError as error:
        raise Refused(" ".join(str(error).split("\n")[1:]).strip() or str(error)) from None
    callers = manager.get_hookcallers(module) or []
    if not callers:
        raise Refused("it implements no hook; mark its functions with @hookimpl")
    offers: dict[str, dict[str, Any]] = {}
    for caller in callers:
        kind = OFFERS.get(caller.name)
        if kind is None:
            raise Refused(f"{caller.name} is no hook{_suggestion(caller.name)}")
        for implementation in caller.get_hookimpls():
            if implementation.wrapper or implementation.hookwrapper:
                raise Refused(f"{caller.name}: hook wrappers are not supported")
            offers[kind] = _named(kind, caller.name, implementation.function)
    return offers


def _suggestion(name: str) -> str:
    near = difflib.get_close_matches(name, OFFERS, n=1)
    return f", did you mean {near[0]}?" if near else f" of tork-core {__version__}"


def _named(kind: str, hook: str, implementation: Callable[..., Any]) -> dict[str, Any]:
    """Call a hook and return what it offers by name."""
    given = implementation()
    if not isinstance(given, Iterable):
        raise Refused(f"{hook} returned {type(given).__name__}, not a list")
    offers: dict[str, Any] = {}
    for item in cast("Iterable[Any]", given):
        _check_type(kind, hook, item)
        name = item.name
        if not isinstance(name, str) or _NAME.fullmatch(name) is None:
            raise Refused(f"{name!r} cannot be the name of a {kind}")
        if name in offers:
            raise Refused(f"it offers the {kind} {name} twice")
        if isinstance(item, Provider):
            _check_provider(kind, cast("Provider[Any]", item))
        offers[name] = item
    return offers


def _check_type(kind: str, hook: str, item: object) -> None:
    wanted = _type_of(kind)
    if not isinstance(item, wanted):
        raise Refused(f"{hook} gave {type(item).__name__} where {wanted.__name__} is wanted")


def _type_of(kind: str) -> type:
    """Return the type of what is offered. Some are imported only where something is."""
    if kind == "command":
        import click

        return click.Command
    if kind == "function":
        from tork_core.expressions import Function

        return Function
    return _TYPES[kind]


def _check_provider(kind: str, provider: Provider[Any]) -> None:
    if provider.api != API:
        raise Refused(
            f"its {kind} {provider.name} is made for version {provider.api} of the plugin "
            f"interface, and tork-core {__version__} has version {API}; "
            "install versions that fit together"
        )
    settings = cast("object", provider.settings)
    if not (isinstance(settings, type) and issubclass(settings, Settings)):
        raise Refused(f"the settings of its {kind} {provider.name} are no Settings")
    if settings.prefix is None:
        raise Refused(f"{settings.__qualname__}, of its {kind} {provider.name}, names no prefix")
