"""Whose containers are whose: a lock file for each open runtime, and the removal of leftovers.

Everything that a runtime makes carries its name in the label ``tork.node``, and the file of that
name is locked as long as the process lives, however it ends. So a file whose lock is free tells of
an owner that died on this host. What belongs to a name without a file is another host's, that uses
the same engine, and is let alone.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

import structlog

from tork_core.interfaces.owner_files import create_locked, locked, prepare_folder
from tork_docker.engine import Engine, EngineError
from tork_docker.plan import LABEL_NODE

_KINDS = ("containers", "volumes", "networks")
_SUFFIX = ".lock"

_log = structlog.get_logger(__name__)


def state_folder(configured: str, url: str) -> Path:
    """Return the folder for the owners of one engine's containers, and make it.

    Raises UsageError if somebody else could write what we believe.
    """
    folder = Path(configured or f"{tempfile.gettempdir()}/tork-docker-{os.geteuid()}")
    place = folder / hashlib.sha256(url.encode()).hexdigest()[:16]
    for made in (folder, place):
        prepare_folder(made, mode=0o700, runtime="docker")
    return place


@contextlib.contextmanager
def own(folder: Path, name: str, is_clean: Callable[[], bool]) -> Generator[None]:
    """Hold the lock file of an owner; in the end it is removed if the owner left nothing."""
    path = folder / f"{name}{_SUFFIX}"
    file = create_locked(path)
    try:
        yield
    finally:
        if is_clean():
            path.unlink(missing_ok=True)
        os.close(file)


async def remove_leftovers(engine: Engine, folder: Path) -> int:
    """Remove what owners who died have left; returns how many things that were.

    What the engine does not remove now is left to the next one. Raises EngineError.
    """
    removed = 0
    with contextlib.ExitStack() as locks:
        dead = {
            path.name.removesuffix(_SUFFIX): path
            for path in folder.glob(f"*{_SUFFIX}")
            if locks.enter_context(locked(path)) is not None
        }
        if dead:
            for kind in _KINDS:
                removed += await _remove_all(engine, kind, dead)
        for path in dead.values():
            path.unlink(missing_ok=True)
    return removed


async def _remove_all(engine: Engine, kind: str, owners: Iterable[str]) -> int:
    found = await engine.owned(kind, LABEL_NODE)
    left = [identity for identity, owner in found.items() if owner in owners]
    for identity in left:
        await engine.discard(kind, identity)
        _log.warning("docker.leftover_removed", kind=kind, id=identity)
    return len(left)


async def remove_leftovers_or_warn(engine: Engine, folder: Path) -> None:
    """Remove leftovers; an engine that will not is no reason not to run tasks."""
    try:
        await remove_leftovers(engine, folder)
    except EngineError as error:
        _log.warning("docker.leftovers", error=error.message)
