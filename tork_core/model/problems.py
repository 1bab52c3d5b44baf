"""What is wrong with a job: the field, and words for the user who has to put it right."""

from __future__ import annotations

import re
from typing import TypeAlias

import msgspec

Path: TypeAlias = tuple[str | int, ...]
"""The way from the job to a value in it: ``("tasks", 2, "limits", "memory")``."""

MAX_PROBLEMS = 20
"""No more problems of one job are reported: a file of nothing else must not cost seconds."""

_SIMPLE_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_-]*")
_SHOWN = 60


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong with a job.

    ``offset`` is the character (from 0) of the source at which it stands. Who does not know it
    leaves it out, and it is looked up by the path: the place of the value, or with ``at_key``
    the place of its name.
    """

    path: Path
    message: str
    offset: int | None = None
    at_key: bool = False


def path_text(path: Path) -> str:
    """Return a path as users read it: ``$.tasks[2].env["a b"]``."""
    parts = ["$"]
    for step in path:
        if isinstance(step, int):
            parts.append(f"[{step}]")
        elif _SIMPLE_KEY.fullmatch(step) and len(step) <= _SHOWN:
            parts.append(f".{step}")
        else:
            parts.append(f"[{quoted(step)}]")
    return "".join(parts)


def quoted(text: str) -> str:
    r"""Return a user's text for an error message: in quotes, on one line, and not too long.

    Characters that would disturb a terminal are escaped: ``"a\nb"``.
    """
    short = text if len(text) <= _SHOWN else text[: _SHOWN - 1] + "…"
    shown = "".join(_shown(char) for char in short)
    return f'"{shown}"'


def _shown(char: str) -> str:
    if char.isprintable():
        return char
    return char.encode("unicode_escape").decode("ascii")
