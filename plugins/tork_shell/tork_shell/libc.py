"""The two calls of the C library that Python does not offer in the form needed here.

``os.posix_spawn`` cannot set the folder that a process starts in, and ``subprocess`` neither
clears the signal mask nor takes back every ignored signal. The C library's own ``posix_spawn`` does
all of it between the fork and the exec, without a copy of our memory: it is the quickest way to
start a process from a large one, and reports what went wrong as an errno.
"""

from __future__ import annotations

import ctypes
import os
from collections.abc import Sequence
from dataclasses import dataclass

from tork_core.errors import UsageError

_PR_SET_CHILD_SUBREAPER = 36
_PR_GET_CHILD_SUBREAPER = 37
_SPAWN_SETPGROUP = 0x02
_SPAWN_SETSIGDEF = 0x04
_SPAWN_SETSIGMASK = 0x08
_SPAWN_SETSID = 0x80
_ROOM = 1024
"""Bytes for an opaque struct of the library; the largest (of glibc and of musl) takes 336."""


_libc = ctypes.CDLL(None)
_closefrom = getattr(_libc, "posix_spawn_file_actions_addclosefrom_np", None)  # glibc 2.34


@dataclass(frozen=True, slots=True)
class Launch:
    """A process to be started: paths and texts are bytes without NUL, as the kernel takes them."""

    program: bytes
    argv: Sequence[bytes]
    env: Sequence[bytes]
    folder: bytes
    stdin: int
    output: int


class Spawner:
    """Starts processes, each the leader of a group of its own, and of a session if asked to.

    A process in a new session cannot reach the terminal that we were started from. The kernel's
    scheduler sets each session apart (autogroup), which makes the start of short tasks a tenth to a
    quarter slower.
    """

    def __init__(self, *, sessions: bool) -> None:
        if not hasattr(_libc, "posix_spawn_file_actions_addchdir_np"):
            raise UsageError("the shell runtime needs Linux with glibc 2.29, musl 1.1.24, or later")
        every, none = _opaque(), _opaque()
        _libc.sigfillset(every)
        _libc.sigemptyset(none)
        self._attributes = _opaque()
        _libc.posix_spawnattr_init(self._attributes)
        flags = _SPAWN_SETSIGDEF | _SPAWN_SETSIGMASK
        flags |= _SPAWN_SETSID if sessions else _SPAWN_SETPGROUP
        _libc.posix_spawnattr_setflags(self._attributes, ctypes.c_short(flags))
        # What this process ignores (Python: SIGPIPE; under nohup: SIGHUP) is the task's to decide.
        _libc.posix_spawnattr_setsigdefault(self._attributes, every)
        _libc.posix_spawnattr_setsigmask(self._attributes, none)

    def spawn(self, launch: Launch) -> int:
        """Start a process and return its pid.

        It starts in ``launch.folder``, its standard output and error are ``launch.output``, and it
        has no descriptors but the three. Blocks the thread until the program is loaded (0.1 to
        0.2 ms). Raises OSError if it could not be.
        """
        actions = _opaque()
        _check(_libc.posix_spawn_file_actions_init(actions))
        try:
            for source, target in ((launch.stdin, 0), (launch.output, 1), (launch.output, 2)):
                _check(_libc.posix_spawn_file_actions_adddup2(actions, source, target))
            _check(_libc.posix_spawn_file_actions_addchdir_np(actions, launch.folder))
            if _closefrom is not None:  # Python's descriptors close themselves; a library's may not
                _check(_closefrom(actions, 3))
            pid = ctypes.c_int()
            _check(
                _libc.posix_spawn(
                    ctypes.byref(pid),
                    launch.program,
                    actions,
                    self._attributes,
                    _strings(launch.argv),
                    _strings(launch.env),
                )
            )
            return pid.value
        finally:
            _libc.posix_spawn_file_actions_destroy(actions)


def adopts_orphans() -> bool:
    """Whether orphaned descendants of this process become its children."""
    answer = ctypes.c_int()
    _libc.prctl(_PR_GET_CHILD_SUBREAPER, ctypes.byref(answer), 0, 0, 0)
    return bool(answer.value)


def adopt_orphans(adopt: bool) -> None:
    """Make orphaned descendants of this process its own children, or those of init again."""
    _libc.prctl(_PR_SET_CHILD_SUBREAPER, ctypes.c_ulong(adopt), 0, 0, 0)


def _opaque() -> ctypes.Array[ctypes.c_char]:
    return ctypes.create_string_buffer(_ROOM)


def _strings(texts: Sequence[bytes]) -> ctypes.Array[ctypes.c_char_p]:
    return (ctypes.c_char_p * (len(texts) + 1))(*texts, None)


def _check(error: int) -> None:
    if error:
        raise OSError(error, os.strerror(error))
