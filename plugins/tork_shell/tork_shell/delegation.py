"""Where this process may make cgroups below its own.

In version 1 that is its own cgroup. In version 2 a cgroup either has processes or hands controllers
on to cgroups below it, the root apart. So the worker, with all that runs in its cgroup, moves into
a leaf of it first. It does so only where that is its own affair: in a cgroup that was delegated
(systemd marks it), in the root of a container, or where nothing else runs.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

from tork_shell import procfs
from tork_shell.cgroupfs import ADVICE, make, why, words, write
from tork_shell.hierarchy import Controller, NoCgroup, Place

LEAF = "tork-worker"
"""The cgroup that the worker moves into, and so do others that use the same place."""

_MARKS = ("user.delegate", "trusted.delegate")
_ROUNDS = 20


def ground(controller: Controller, place: Place) -> Path:
    """Return the cgroup in which those of tasks can be made, and make it ready.

    Raises NoCgroup with the reason if there is none.
    """
    try:
        if place.version == 1:
            _may_write(place.folder)
            return place.folder
        above = _above(place)
        base = place.folder if above is None else above
        if controller not in words(base / "cgroup.controllers"):
            raise NoCgroup(f"the worker's own cgroup {place.name} was not given it by those above")
        if above is None and not _is_top(base):
            _may_write(base, "cgroup.procs", "cgroup.subtree_control")
            _move_down(place)
        control = base / "cgroup.subtree_control"
        if controller not in words(control):
            write(control, f"+{controller}")
    except OSError as error:
        raise NoCgroup(why(error)) from error
    return base


def _above(place: Place) -> Path | None:
    """The cgroup above ours, where ours is but the leaf for the worker: by us, or by systemd."""
    parent = place.folder.parent
    if _is_top(place.folder) or place.name == "/":
        return None
    return parent if place.folder.name == LEAF or _is_delegated(parent) else None


def _is_top(folder: Path) -> bool:
    """Whether a cgroup is the root of the host, which may have processes and hand controllers on.

    The root of a container is a cgroup like others.
    """
    return not (folder / "cgroup.type").exists()


def _is_delegated(folder: Path) -> bool:
    return any(_attribute(folder, mark) == b"1" for mark in _MARKS)


def _attribute(folder: Path, name: str) -> bytes:
    try:
        return os.getxattr(folder, name)
    except OSError:  # there is none, or none that we may see
        return b""


def _move_down(place: Place) -> None:
    """Move all that runs in the worker's own cgroup into its leaf."""
    found = _processes(place.folder)
    others = found - set(_ourselves())
    if 0 in found:  # so the kernel shows what is not of our namespace
        raise NoCgroup(f"the worker's own cgroup {place.name} has processes that it cannot see")
    if others and place.name != "/" and not _is_delegated(place.folder):
        raise NoCgroup(
            f"the worker shares its cgroup {place.name} with other processes (pid "
            f"{min(others)}): {ADVICE}"
        )
    leaf = place.folder / LEAF
    make(leaf)
    for _ in range(_ROUNDS):  # those that are being started meanwhile come with the next one
        for pid in found:
            with suppress(ProcessLookupError):
                write(leaf / "cgroup.procs", str(pid))
        found = _processes(place.folder) - {0}
        if not found:
            return


def _ourselves() -> Iterator[int]:
    """Give this process and all of its descendants."""
    todo = [os.getpid()]
    while todo:
        pid = todo.pop()
        yield pid
        todo += procfs.children(pid)


def _processes(folder: Path) -> set[int]:
    return set(map(int, words(folder / "cgroup.procs")))


def _may_write(folder: Path, *names: str) -> None:
    """Raise NoCgroup if we may not change a cgroup: nothing is to be moved in vain."""
    for path in (folder, *(folder / name for name in names)):
        if os.access(path, os.W_OK):
            continue
        read_only = os.statvfs(folder).f_flag & os.ST_RDONLY
        number = errno.EROFS if read_only else errno.EACCES
        raise NoCgroup(why(OSError(number, os.strerror(number), str(path))))
