"""The temporary volumes of a task, which its pre and post tasks share.

A volume is a folder in the attempt's scratch folder, mounted at its path: so it lies where
``--temp-dir`` says, and goes with the scratch folder. That takes a worker that may remove what the
containers' root has made, and an engine on this host. Where one of the two is not given the engine
keeps the volumes itself, and removes them when it is told to.

Of whichever kind, a volume is empty at first and hides what the image has at its path, and every
user of a container may write to it.
"""

from __future__ import annotations

import io
import os
import posixpath
import secrets
import tarfile
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import asynccontextmanager

from tork_core.errors import TaskFailed
from tork_core.interfaces.runtime import Execution
from tork_docker.removal import Removals

_PREFIX = "tork-"
_FOLDERS = "volumes"
_FOR_EVERYBODY = 0o1777
"""As /tmp: the images of a task and its pre and post tasks may have users of their own."""


class Volumes:
    """Makes volumes, and takes them away."""

    def __init__(self, url: str, removals: Removals) -> None:
        """Be ready for the engine at ``url``."""
        self._are_folders = url.startswith("unix://") and os.geteuid() == 0
        self._removals = removals

    @asynccontextmanager
    async def open(self, execution: Execution) -> AsyncGenerator[Mapping[str, str]]:
        """Give the mount's source for each path. Raises TaskFailed."""
        paths = execution.task.volumes or ()
        if self._are_folders:
            # They go with the scratch folder, whose removal is the worker's.
            yield _folders(execution, paths)
            return
        names = {path: f"{_PREFIX}{secrets.token_hex(12)}" for path in paths}
        try:
            yield names
        finally:
            for name in names.values():
                await self._removals.remove(name, "volumes")


def _folders(execution: Execution, paths: Sequence[str]) -> dict[str, str]:
    root = execution.scratch().absolute() / _FOLDERS
    made: dict[str, str] = {}
    try:
        root.mkdir(mode=0o700)
        for number, path in enumerate(paths, 1):
            folder = root / str(number)
            folder.mkdir()
            folder.chmod(_FOR_EVERYBODY)
            made[path] = str(folder)
    except OSError as error:
        raise TaskFailed(
            f"volumes: no folder can be made in {root.parent}: {error.strerror}; choose another "
            "place with --temp-dir"
        ) from error
    return made


def mounts_of(volumes: Mapping[str, str], labels: Mapping[str, str]) -> dict[str, object]:
    """Return what the engine is told of volumes; one of its own is made with the container."""
    mounts = [_mount(path, source, labels) for path, source in volumes.items()]
    return {"Mounts": mounts} if mounts else {}


def _mount(path: str, source: str, labels: Mapping[str, str]) -> dict[str, object]:
    if source.startswith("/"):
        return {"Type": "bind", "Source": source, "Target": path}
    return {
        "Type": "volume",
        "Source": source,
        "Target": path,
        "VolumeOptions": {"Labels": dict(labels), "NoCopy": True},
    }


def kept_by_engine(volumes: Mapping[str, str]) -> list[str]:
    """Return the paths of the volumes that are the engine's own, and not folders of this host."""
    return [path for path, source in volumes.items() if not source.startswith("/")]


def for_everybody(path: str) -> tuple[str, bytes]:
    """Return what opens a volume of the engine's, which is its root's alone, to every user.

    That is a folder, and an archive (tar) to be unpacked in it: the engine leaves the folder itself
    as it is, but gives a folder that is in the archive, as the volume is, the mode that stands
    there.
    """
    above, name = posixpath.split(posixpath.normpath(path))
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        volume = tarfile.TarInfo(name)
        volume.type, volume.mode = tarfile.DIRTYPE, _FOR_EVERYBODY
        archive.addfile(volume)
    return above, buffer.getvalue()
