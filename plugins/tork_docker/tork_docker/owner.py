"""Whose containers are whose: a lock file for each open runtime, and the removal of leftovers.

Everything that a runtime makes carries its name in the label ``tork.node``, and the file of that
name is locked as long as the process lives, however it ends. So a file whose lock is free tells of
an owner that died on this host. What belongs to a name without a file is another host's, that uses
the same engine, and is let alone.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import os
import stat
import tempfile
from collections.abc import Callable, Generator, Iterable
from pathlib import Path

import structlog

from tork_core.errors import UsageError
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
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        place.mkdir(mode=0o700, exist_ok=True)
        found = folder.lstat()
    except OSError as error:
        text = f"the state folder of the docker runtime cannot be made: {error}"
        raise UsageError(text) from None
    if not stat.S_ISDIR(found.st_mode) or found.st_uid != os.geteuid() or found.st_mode & 0o022:
        raise UsageError(
            f"{folder}: the state folder of the docker runtime must be a folder of the worker's "
            "own user that no one else may write"
        )
    return place


@contextlib.contextmanager
def own(folder: Path, name: str, is_clean: Callable[[], bool]) -> Generator[None]:
    """Hold the lock file of an owner; in the end it is removed if the owner left nothing."""
    path = folder / f"{name}{_SUFFIX}"
    file = _create(path)
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
            if locks.enter_context(_locked(path))
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


def _create(path: Path) -> int:
    while True:
        file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
        # Between these lines another one that starts may take our file for a dead owner's.
        if _lock(file) and os.fstat(file).st_nlink:
            return file
        os.close(file)


@contextlib.contextmanager
def _locked(path: Path) -> Generator[bool]:
    """Hold the lock of a file; gives False if somebody else does."""
    try:
        file = os.open(path, os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC)
    except FileNotFoundError:
        yield False
        return
    try:
        yield _lock(file)
    finally:
        os.close(file)


def _lock(file: int) -> bool:
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
