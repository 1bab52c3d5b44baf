"""Whose rights tasks have, where they are not the worker's."""

from __future__ import annotations

import os
import pwd
from typing import NamedTuple

from tork_core.errors import UsageError


class Owner(NamedTuple):
    """A user and a group, as numbers."""

    uid: int
    gid: int


def owner_of(uid: int | None, gid: int | None) -> Owner | None:
    """Return whom tasks run as by these two settings, None if that is the worker's own user.

    Raises UsageError if the worker may not start processes of that user.
    """
    ourselves = Owner(os.geteuid(), os.getegid())
    user = ourselves.uid if uid is None else uid
    group = gid if gid is not None else _group_of(user) if uid is not None else ourselves.gid
    owner = Owner(user, group)
    if owner == ourselves:
        return None
    if ourselves.uid != 0:
        raise UsageError(
            f"only root can run tasks as user {owner.uid}, group {owner.gid}; this worker is user "
            f"{ourselves.uid}, group {ourselves.gid}"
        )
    return owner


def home_of(owner: Owner | None) -> str:
    """Return the home folder of tasks: the worker's own, or that of the user they run as."""
    if owner is None and os.environ.get("HOME"):
        return os.environ["HOME"]
    try:
        return pwd.getpwuid(os.geteuid() if owner is None else owner.uid).pw_dir
    except KeyError:
        return "/"


def _group_of(uid: int) -> int:
    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        raise UsageError(f"user {uid} has no entry on this host: give its group too") from None
