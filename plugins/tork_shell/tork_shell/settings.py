"""The settings of the shell runtime."""

from __future__ import annotations

from tork_core.settings import Settings, option


class ShellSettings(Settings, prefix="shell"):
    """Where tasks find their programs, and whose rights they have."""

    path: str = option("", help="PATH of tasks that set none. Empty: the worker's own.")
    uid: int | None = option(
        None, least=0, help="Run tasks as this user (a number). The worker must be root, or it."
    )
    gid: int | None = option(
        None, least=0, help="Run tasks as this group (a number). Without it, the user's own."
    )
    state: str = option(
        "",
        help="Folder on this host that records running tasks, so that those of a worker that was "
        "killed are removed by the next one. Empty: tork-shell-UID in the temporary folder.",
    )
