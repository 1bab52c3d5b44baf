"""From declarations to values: flag before environment before file before default."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from functools import partial
from typing import Any, TypeAlias, TypeVar

from tork_core.errors import PluginError, UsageError
from tork_core.settings.declaration import Option, Section, Settings
from tork_core.settings.file import ConfigFile, Sorted, sort
from tork_core.settings.kinds import Items, Pairs

S = TypeVar("S", bound=Settings)

FlagValue: TypeAlias = str | bool | Sequence[str]
"""What a command line gives for one flag: its text, on or off, or the texts of a repeated one."""

_MOST_PROBLEMS = 8


class Origin(Enum):
    """Where a value came from."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


@dataclass(frozen=True)
class Value:
    """One setting's value, and where exactly it came from (``TORK_BROKER_TYPE``)."""

    section: Section
    option: Option
    value: Any
    origin: Origin
    source: str

    @property
    def shown(self) -> object:
        """The value as a configuration file would hold it; secrets are hidden."""
        return self.option.kind.to_toml(self.value)


class Configuration:
    """The settings of a process: ``configuration[WorkerSettings].queues``.

    Settings that were neither resolved nor given have their defaults.
    """

    def __init__(
        self,
        settings: Mapping[type[Settings], Settings],
        values: Sequence[Value] = (),
        notices: Sequence[str] = (),
    ) -> None:
        self._settings = dict(settings)
        self.values = tuple(values)
        """Each value with its origin, in the order of declaration."""
        self.notices = tuple(notices)
        """Lines that the user should read: what was found and is not used."""

    @classmethod
    def of(cls, *settings: Settings) -> Configuration:
        """Return a configuration of ready settings, for programs that embed an engine."""
        return cls({type(item): item for item in settings})

    def with_(self, *settings: Settings) -> Configuration:
        """Return the same configuration with these settings in the place of its own."""
        changed = {**self._settings, **{type(item): item for item in settings}}
        return Configuration(changed, self.values, self.notices)

    def __getitem__(self, settings: type[S]) -> S:
        found = self._settings.get(settings)
        if found is None:
            found = self._settings[settings] = settings()
        assert isinstance(found, settings)
        return found


def check_flags(sections: Iterable[Section]) -> None:
    """Raise PluginError if two declarations give one flag, variable or section."""
    owners: dict[str, Section] = {}
    for section in sections:
        for name in _names(section):
            other = owners.setdefault(name, section)
            if other is not section:
                raise PluginError(
                    f"{name} is declared twice: by {other.distribution} ({other.title}) and by "
                    f"{section.distribution} ({section.title}); uninstall one of them, or skip "
                    "one with TORK_PLUGINS_DISABLED"
                )


def _names(section: Section) -> Iterator[str]:
    yield section.title
    for option in section.options:
        flag = section.flag(option)
        yield flag
        yield section.variable(option)
        if option.switch:
            yield flag.replace("--", "--no-", 1)


def resolve(
    sections: Sequence[Section],
    *,
    flags: Mapping[str, FlagValue] | None = None,
    environ: Mapping[str, str] | None = None,
    file: ConfigFile | None = None,
) -> Configuration:
    """Find every section's values; raises UsageError that names all that is wrong.

    ``flags`` are those that were given, by name (``--queue``). ``environ`` defaults to the
    process's own. An environment variable that is set to nothing counts as not set.
    """
    environ = os.environ if environ is None else environ
    check_flags(sections)
    found = Sorted() if file is None else sort(file, sections)
    problems = [f"{file.path}: {error}" for error in found.errors] if file else []
    settings: dict[type[Settings], Settings] = {}
    values: list[Value] = []
    for section in sections:
        mine: list[Value] = []
        for option in section.options:
            try:
                mine.append(_value(section, option, flags or {}, environ, file, found))
            except ValueError as error:
                problems.append(str(error))
        values += mine
        if len(mine) == len(section.options):
            try:
                settings[section.settings] = _struct(section, mine)
            except ValueError as error:
                problems.append(f"{section.title}: {error}")
    if problems:
        raise UsageError(_listed(problems))
    notices = [*found.notices, *_misspelt_variables(sections, environ)]
    return Configuration(settings, values, notices)


def _value(
    section: Section,
    option: Option,
    flags: Mapping[str, FlagValue],
    environ: Mapping[str, str],
    file: ConfigFile | None,
    found: Sorted,
) -> Value:
    flag, variable = section.flag(option), section.variable(option)
    place = (section.path, option.name)
    read: Callable[[], Any]
    if flag in flags:
        origin, source = Origin.FLAG, flag
        read = partial(_from_flag, option, flags[flag])
    elif environ.get(variable):
        origin, source = Origin.ENVIRONMENT, variable
        read = partial(option.plain_kind.from_text, environ[variable])
    elif file is not None and place in found.values:
        origin, source = Origin.FILE, f"{file.path}: {section.key(option)}"
        read = partial(option.plain_kind.from_toml, found.values[place])
    else:
        return Value(section, option, option.default(), Origin.DEFAULT, "default")
    try:
        return Value(section, option, option.checked(read()), origin, source)
    except ValueError as error:
        raise ValueError(f"{source}: {error}") from None


def _from_flag(option: Option, given: FlagValue) -> Any:
    kind = option.plain_kind
    if isinstance(given, bool):
        return given
    if isinstance(given, str):
        return kind.from_text(given)
    assert isinstance(kind, Items | Pairs)
    return kind.from_texts(given)


def _struct(section: Section, values: Iterable[Value]) -> Settings:
    made = section.settings(**{value.option.name: value.value for value in values})
    made.check()
    return made


def _listed(problems: Sequence[str]) -> str:
    if len(problems) == 1:
        return problems[0]
    lines = [f"  {problem}" for problem in problems[:_MOST_PROBLEMS]]
    if len(problems) > _MOST_PROBLEMS:
        lines.append(f"  and {len(problems) - _MOST_PROBLEMS} more")
    return "\n".join(["several settings are wrong:", *lines])


def _misspelt_variables(sections: Sequence[Section], environ: Mapping[str, str]) -> list[str]:
    """Name variables that look like one of ours and are none.

    Only a notice, and only for near misses: orchestrators set variables of their own (Kubernetes
    sets ``TORK_WORKER_PORT`` for a service that is called tork-worker).
    """
    known = {section.variable(option) for section in sections for option in section.options}
    starts = tuple({f"TORK_{section.path[0].upper()}_" for section in sections})
    notices: list[str] = []
    for name in sorted(environ):
        if name in known or not name.startswith(starts):
            continue
        near = difflib.get_close_matches(name, known, n=1, cutoff=0.9)
        if near:
            notices.append(f"the variable {name} is not used, did you mean {near[0]}?")
    return notices
