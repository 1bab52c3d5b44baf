"""Which tests one process has to run when several run them (``-n 2``)."""

from __future__ import annotations

from xdist.scheduler import LoadScopeScheduling

_OF_THE_HOST = {"docker", "docs/test_pages.py", "examples", "runtime", "trouble"}
"""Folders and files of tests that use what a host has once: an engine's networks, cgroups."""


class FileScheduling(LoadScopeScheduling):
    """Hands out a file at a time, since its tests may share what they have opened, and all of the
    host's tests to one process."""

    def _split_scope(self, nodeid: str) -> str:
        file = nodeid.partition("::")[0].removeprefix("tests/")
        folder = file.partition("/")[0]
        return "host" if {folder, file} & _OF_THE_HOST else file
