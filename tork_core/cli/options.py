"""Commands that take settings: one option for each, and a configuration in the end.

::

    @configured_command("exec", LoggingSettings, WorkerSettings, providers=True)
    @click.argument("file")
    def exec_command(setup: Setup, file: str) -> None:
        "Run a job here, to its end."
        worker = setup.configuration[WorkerSettings]
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

import click

from tork_core.cli.installed import registry_of
from tork_core.settings import Option, Section, Settings
from tork_core.settings.configuration import Configuration, FlagValue, resolve
from tork_core.settings.core import CORE_SECTIONS
from tork_core.settings.file import find_file

if TYPE_CHECKING:
    from tork_core.plugins import Registry


@dataclass(frozen=True)
class Setup:
    """What a command starts from: the plugins, and all settings."""

    registry: Registry
    configuration: Configuration


def configured_command(
    name: str, *settings: type[Settings], providers: bool = False, **attributes: Any
) -> Callable[[Callable[..., Any]], ConfiguredCommand]:
    """Make a command that takes these settings of the core as options.

    With ``providers`` it takes the settings of all brokers, datastores and runtimes too, and does
    not start while a plugin is broken. Its function gets a :class:`Setup` as ``setup``, whose
    configuration has all settings that there are: those without an option here come from the
    environment, the file or the default.
    """
    return click.command(
        name, cls=ConfiguredCommand, settings=settings, providers=providers, **attributes
    )


class ConfiguredCommand(click.Command):
    """A command with an option for each of its settings."""

    def __init__(
        self,
        *args: Any,
        settings: tuple[type[Settings], ...],
        providers: bool,
        strict: bool | None = None,
        **attributes: Any,
    ) -> None:
        super().__init__(*args, **attributes)
        self._settings = settings
        self._providers = providers
        self._strict = providers if strict is None else strict

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        """Return the command's own parameters, the settings, and ``--help``."""
        *own, help_option = super().get_params(ctx)
        taken = {name for param in own for name in param.opts}
        options: list[click.Parameter] = []
        for section in self._sections(ctx):
            for option in section.options:
                # Of two declarations of one flag the first is shown; invoking refuses both.
                if section.flag(option) not in taken:
                    taken.add(section.flag(option))
                    options.append(_click_option(section, option))
        return [*own, *options, help_option]

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the options, those of each section apart."""
        by_section: dict[str, list[tuple[str, str]]] = {"Options": []}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                title = param.section if isinstance(param, _SettingOption) else "Options"
                by_section.setdefault(title, []).append(record)
        for title, records in by_section.items():
            with formatter.section(title):
                formatter.write_dl(records)

    def invoke(self, ctx: click.Context) -> Any:
        """Resolve the settings and run the command."""
        registry = registry_of(ctx)
        if self._strict:
            registry.check()
        flags = dict(_given_flags(ctx, self.get_params(ctx)))
        configuration = resolve(registry.sections, flags=flags, file=find_file(os.environ))
        for notice in configuration.notices:
            click.echo(f"Note: {notice}", err=True)
        ctx.params["setup"] = Setup(registry, configuration)
        return super().invoke(ctx)

    def _sections(self, ctx: click.Context) -> Iterator[Section]:
        for section in registry_of(ctx).sections if self._providers else CORE_SECTIONS:
            if section.settings in self._settings or len(section.path) > 1:
                yield section


class _SettingOption(click.Option):
    """The option of a setting; its value is read later, with those of the other places."""

    def __init__(self, section: Section, option: Option) -> None:
        flag = section.flag(option)
        default = _default_words(option)
        super().__init__(
            [f"{flag}/{flag.replace('--', '--no-', 1)}" if option.switch else flag, _key(flag)],
            metavar=None if option.switch else option.kind.word,
            multiple=option.several,
            is_flag=option.switch,
            default=None,
            help=f"{option.help}{f'  [default: {default}]' if default else ''}",
        )
        self.flag = flag
        self.section = f"Settings {section.title}"


def _click_option(section: Section, option: Option) -> click.Option:
    return _SettingOption(section, option)


def _key(flag: str) -> str:
    return f"setting_{flag.strip('-').replace('-', '_')}"


def _default_words(option: Option) -> str:
    if option.shown is not None:
        return option.shown
    value = option.kind.to_toml(option.default())
    if value is None or value == "" or value == []:
        return ""
    return str(value).lower() if isinstance(value, bool) else str(value)


def _given_flags(
    ctx: click.Context, params: list[click.Parameter]
) -> Iterator[tuple[str, FlagValue]]:
    """Take the settings that were given as flags out of the context's parameters."""
    for param in params:
        if isinstance(param, _SettingOption):
            value = cast("FlagValue | None", ctx.params.pop(_key(param.flag), None))
            if value is not None and value != ():
                yield param.flag, value
