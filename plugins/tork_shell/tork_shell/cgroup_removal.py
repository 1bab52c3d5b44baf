"""Removing cgroups, with whatever still runs in them."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from tork_shell import cgroupfs, procfs
from tork_shell.family import send

PREFIX = "tork-shell"
"""Begins the name of every cgroup that is made for a task."""

_ROUNDS = 100
_PAUSE = 0.01


def is_removed(folder: Path) -> bool:
    """Remove a cgroup and those that were made in it; returns False if it is to be tried again.

    What runs in it is killed first, and taken away if it is a child of ours. The kernel lets go of
    a cgroup when the last process in it is dead, which may take a moment.
    """
    if _remove(folder):
        return True
    for inner, _, _ in os.walk(folder, topdown=False):
        _kill(Path(inner))
        _remove(Path(inner))
    return not folder.exists()


def remove_all(grounds: Iterable[Path], prefix: str) -> bool:
    """Remove the cgroups that begin with ``prefix``; returns whether they are gone.

    Blocks, for a second at most if the kernel does not let them go.
    """
    left = [folder for ground in grounds for folder in ground.glob(f"{prefix}*")]
    for _ in range(_ROUNDS):
        left = [folder for folder in left if not is_removed(folder)]
        if not left:
            return True
        time.sleep(_PAUSE)
    return False


def _remove(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError:  # busy, or not empty
        return False
    return True


def _kill(folder: Path) -> None:
    try:
        found = [procfs.stat(pid) for pid in _processes(folder)]
        if (folder / "cgroup.kill").exists():
            cgroupfs.write(folder / "cgroup.kill", "1")
        else:
            still = _processes(folder)
            for process in found:
                if process is not None and process.pid in still:
                    send(process, signal.SIGKILL)
    except FileNotFoundError:  # it is gone
        return
    for process in found:
        if process is not None:
            with suppress(ChildProcessError):
                os.waitpid(process.pid, os.WNOHANG)


def _processes(folder: Path) -> set[int]:
    return set(map(int, cgroupfs.words(folder / "cgroup.procs")))
