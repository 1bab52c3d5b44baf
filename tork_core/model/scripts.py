"""What a task's script says of itself: its line breaks, and what runs it."""

from __future__ import annotations

_BYTE_ORDER_MARK = "\ufeff"


def unix_script(script: str) -> str:
    """Return a script as a Unix system runs it.

    One of which every line break is CRLF was written under Windows, and gets LF; where there are
    others too, carriage returns are what somebody meant. A byte order mark in front goes.
    """
    script = script.removeprefix(_BYTE_ORDER_MARK)
    if script.count("\r\n") == script.count("\n"):
        return script.replace("\r\n", "\n")
    return script


def interpreter_of(script: str) -> list[str]:
    """Return what a script's first line says that runs it, nothing if it does not.

    By the kernel's own rule for ``#!``: a path and at most one argument.
    """
    if not script.startswith("#!"):
        return []
    return script.partition("\n")[0][2:].strip(" \t\r").split(None, 1)
