"""Where this process stands in the host's cgroups.

Linux has cgroups in two versions, and a host may use both: a controller is in the one hierarchy of
version 2, or in a hierarchy of version 1 that it has to itself or shares with others. What the
process belongs to stands in ``/proc/self/cgroup``, and where that can be seen in
``/proc/self/mountinfo``; in a container the two may speak of different roots.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

PROC = Path("/proc/self")

Controller = Literal["cpu", "memory"]

_ESCAPE = re.compile(r"\\([0-7]{3})")
_V1 = "cgroup"
_V2 = "cgroup2"


class NoCgroup(Exception):
    """Why the processes of a task cannot be held by a controller."""


@dataclass(frozen=True, slots=True)
class Place:
    """This process's own cgroup: by ``name`` for the kernel, in ``folder`` for us."""

    version: Literal[1, 2]
    name: str
    folder: Path


def find(controller: Controller, proc: Path | None = None) -> Place:
    """Return the cgroup of this process in the hierarchy that a controller is in.

    ``proc`` is the folder with the two files. Raises NoCgroup where there is none to be seen.
    """
    here = proc or PROC
    try:
        names = _names(_text(here / "cgroup"))
        mounts = list(_mounts(_text(here / "mountinfo")))
    except OSError as error:
        raise NoCgroup(f"{error.filename}: {error.strerror}") from None
    version, name = (1, names[controller]) if controller in names else (2, names.get(""))
    kind = _V1 if version == 1 else _V2
    fitting = [m for m in mounts if m.kind == kind and (version == 2 or controller in m.options)]
    if name is None or not fitting:
        raise NoCgroup("no cgroup file system that has it is mounted here")
    folders = [folder for mount in fitting if (folder := mount.folder_of(name)) is not None]
    for folder in folders:
        if folder.is_dir():
            return Place(1 if version == 1 else 2, name, folder)
    raise NoCgroup(f"the worker's own cgroup {name} cannot be seen below {fitting[0].point}")


@dataclass(frozen=True, slots=True)
class _Mount:
    kind: str
    root: str
    point: Path
    options: frozenset[str]

    def folder_of(self, name: str) -> Path | None:
        """Return where a cgroup is seen through this mount, None if it lies outside."""
        root = self.root.rstrip("/")
        if name != self.root and not name.startswith(f"{root}/"):
            return None
        rest = name[len(root) :].strip("/")
        return None if ".." in rest.split("/") else self.point / rest


def _names(text: str) -> dict[str, str]:
    """The process's cgroup by each controller, and by the empty text that of version 2."""
    names: dict[str, str] = {}
    for line in text.splitlines():
        _, controllers, name = line.split(":", 2)
        names.update(dict.fromkeys(controllers.split(","), name))
    return names


def _mounts(text: str) -> Iterator[_Mount]:
    for line in text.splitlines():
        first, _, last = line.partition(" - ")
        fields, kinds = first.split(" "), last.split(" ")
        if kinds[0] in (_V1, _V2):
            root, point = (_ESCAPE.sub(_unescaped, field) for field in fields[3:5])
            yield _Mount(kinds[0], root, Path(point), frozenset(kinds[-1].split(",")))


def _unescaped(found: re.Match[str]) -> str:
    return chr(int(found[1], 8))


def _text(path: Path) -> str:
    return path.read_text(errors="surrogateescape")
