"""The configuration file: where it is looked for, and what in it is nobody's."""

from __future__ import annotations

import difflib
import os
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from tork_core.errors import UsageError
from tork_core.model.problems import quoted
from tork_core.settings.declaration import Option, Section

_BARE = re.compile(r"[A-Za-z0-9_-]{1,60}")

PROVIDER_KINDS = ("broker", "datastore", "runtime")
"""The sections whose tables belong to plugins."""

Table = Mapping[str, Any]


@dataclass(frozen=True)
class ConfigFile:
    """A configuration file that was read.

    ``named``: the user said that this is the file. One that merely lies where files are looked
    for may be another program's, and is left alone if nothing in it is ours.
    """

    path: Path
    table: Table
    named: bool = True


@dataclass(frozen=True)
class Sorted:
    """What a file holds: values by section and option, errors, and lines worth a notice."""

    values: dict[tuple[tuple[str, ...], str], object] = field(
        default_factory=dict[tuple[tuple[str, ...], str], object]
    )
    errors: list[str] = field(default_factory=list[str])
    notices: list[str] = field(default_factory=list[str])


def find_file(
    environ: Mapping[str, str], *, folder: Path | None = None, home: Path | None = None
) -> ConfigFile | None:
    """Read the configuration file: the one that ``TORK_CONFIG`` names, else the first of
    ``config.toml`` in the current folder, ``config.toml`` and ``tork/config.toml`` in the home
    folder, and ``/etc/tork/config.toml``.

    Raises UsageError for a file that cannot be read or is no TOML.
    """
    named = environ.get("TORK_CONFIG")
    if named:
        return read_file(Path(named).expanduser())
    for path in _places(environ, folder or Path(), home):
        if os.path.isfile(path):  # Not path.is_file(), which raises in a folder of others.
            return ConfigFile(path, read_file(path).table, named=path.parent.name == "tork")
    return None


def read_file(path: Path) -> ConfigFile:
    """Read a file by its path; raises UsageError if it cannot be read or is no TOML."""
    try:
        data = path.read_bytes()
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror or error}") from None
    try:
        return ConfigFile(path, tomllib.loads(data.decode("utf-8-sig")))
    except UnicodeDecodeError:
        raise UsageError(f"{path}: not UTF-8") from None
    except (tomllib.TOMLDecodeError, RecursionError) as error:
        raise UsageError(f"{path}: not TOML: {error}") from None


def _places(environ: Mapping[str, str], folder: Path, home: Path | None) -> Iterator[Path]:
    yield folder / "config.toml"
    if home is None and environ.get("HOME"):
        home = Path(environ["HOME"])
    if home is not None:
        yield home / "config.toml"
        yield home / "tork" / "config.toml"
    yield Path("/etc/tork/config.toml")


def sort(file: ConfigFile, sections: Sequence[Section]) -> Sorted:
    """Sort a file's keys into the sections' options, and say what is left over."""
    found = Sorted()
    roots = {section.path[0] for section in sections}
    if not file.named and not roots & file.table.keys():
        found.notices.append(f"{file.path} has no section of Tork's and was not used")
        return found
    by_path = {section.path: section for section in sections}
    for name, value in file.table.items():
        if name not in roots:
            found.errors.append(f"unknown section [{_word(name)}]{_suggestion(name, roots)}")
        elif isinstance(value, dict):
            _sort_table((name,), cast("Table", value), by_path, found)
        else:
            found.errors.append(f"[{name}] must be a table")
    return found


def _sort_table(
    path: tuple[str, ...], table: Table, sections: Mapping[tuple[str, ...], Section], found: Sorted
) -> None:
    section = sections.get(path)
    options = {option.name: option for option in section.options} if section else {}
    below = {known[len(path)] for known in sections if known[: len(path)] == path != known}
    for name, value in table.items():
        if name in options:
            found.values[path, name] = value
            continue
        inner = cast("Table", value) if isinstance(value, dict) else None
        if inner is not None and name in below:
            _sort_table((*path, name), inner, sections, found)
        elif inner is not None and len(path) == 1 and path[0] in PROVIDER_KINDS:
            _missing_plugin(path[0], name, below, found)
        elif inner is None or not _sort_dotted(path, name, inner, options, found):
            where = f"[{'.'.join(path)}] {_word(name)}"
            hint = _suggestion(name, [*options, *below])
            found.errors.append(f"{where}: unknown key{hint}")


def _sort_dotted(
    path: tuple[str, ...], name: str, table: Table, options: Mapping[str, Option], found: Sorted
) -> bool:
    """Take ``consumer.timeout`` for ``consumer_timeout``, as the original wrote its keys."""
    if not table or any(f"{name}_{key}" not in options for key in table):
        return False
    for key, inner in table.items():
        found.values[path, f"{name}_{key}"] = inner
    return True


def _missing_plugin(kind: str, name: str, known: Iterable[str], found: Sorted) -> None:
    near = _suggestion(name, known)
    where = f"[{kind}.{_word(name)}]"
    if near:
        found.errors.append(f"{where}: no {kind} of this name is installed{near}")
    else:
        found.notices.append(f"{where}: no {kind} of this name is installed; its keys are not used")


def _suggestion(word: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(word.lower(), sorted(known), n=1)
    return f", did you mean {quoted(near[0])}?" if near else ""


def _word(name: str) -> str:
    """Return a key for a message: bare if it is a plain one."""
    return name if _BARE.fullmatch(name) else quoted(name)
