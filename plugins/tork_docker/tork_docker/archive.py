"""The files of a task that is run without a shell, as archives that the engine unpacks and packs.

That is the way for images' own entrypoints, and for scripts in images that have no ``sh``.
"""

from __future__ import annotations

import io
import tarfile

from tork_core.errors import TaskFailed
from tork_docker.plan import FOLDER, OUTPUT, SCRIPT

_ROOM = 64 * 1024
"""Bytes of an archive that are not the file's: headers, names, padding."""


def packed(script: str | None) -> bytes:
    """Return the folder with an empty output, and a script, to be unpacked in the root folder.

    Any user of the container may write there: it is the task's alone.
    """
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        folder = _entry(FOLDER, 0o777)
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        archive.addfile(_entry(OUTPUT, 0o666))
        if script is not None:
            entry = _entry(SCRIPT, 0o755)
            content = script.encode()
            entry.size = len(content)
            archive.addfile(entry, io.BytesIO(content))
    return buffer.getvalue()


def most_of(limit: int) -> int:
    """Return how much of an archive with a file of ``limit`` bytes has to be read."""
    return limit + _ROOM


def unpacked(archive: bytes | None, limit: int) -> bytes:
    """Return the output in an archive that may be cut off, which a task may have made anything.

    Only a regular file is taken, nothing for one that was removed. Raises TaskFailed.
    """
    if archive is None:
        return b""
    try:
        with tarfile.open(fileobj=io.BytesIO(archive), mode="r:") as found:
            entry = found.next()
            if entry is None or not entry.isreg():
                raise TaskFailed("the output cannot be read: it is not a regular file any more")
            if entry.size > limit:
                raise TaskFailed(f"the output is longer than the limit of {limit} bytes")
            content = found.extractfile(entry)
            return b"" if content is None else content.read()
    except tarfile.TarError as error:
        raise TaskFailed(f"the output cannot be read: {error}") from error


def _entry(path: str, mode: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(path.lstrip("/"))
    entry.mode = mode
    return entry
