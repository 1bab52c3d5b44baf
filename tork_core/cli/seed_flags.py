"""The seed's command lines: ``tork -mode worker -queue x:3`` is ``tork run worker --queue x:3``.

The seed, written in Go, had no commands, and its flags took one dash or two, and their value after
``=`` or as the next word. Any other option, such as ``--address``, may stand beside them. After our
own ``tork run MODE`` its flags may have one dash too.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from tork_core.errors import UsageError

MODES = ("standalone", "coordinator", "worker")
FLAGS = frozenset(
    {
        "mode",
        "queue",
        "broker",
        "rabbitmq-url",
        "datastore",
        "postgres-dsn",
        "default-cpus-limit",
        "default-memory-limit",
        "temp-dir",
    }
)
"""The seed's flags; every one takes a value."""

_OPTION = re.compile(r"--?(?P<name>[a-z][a-z0-9-]+)(?:=(?P<value>.*))?", re.DOTALL)
_GLOBAL = ("--debug",)
"""Options of ``tork`` itself that may stand before the seed's."""


def rewrite(arguments: Sequence[str]) -> list[str]:
    """Return the command line in our own words, if it is one of the seed's; else as it is.

    Raises UsageError if it has none of the three modes.
    """
    if not _is_the_seeds(arguments):
        return _with_two_dashes(arguments)
    mode: str | None = None
    rest: list[str] = []
    words = iter(arguments)
    for word in words:
        found = _OPTION.fullmatch(word)
        if found is None:
            rest.append(word)
            continue
        name, value = found["name"], found["value"]
        if name in FLAGS and value is None:
            value = next(words, None)
            if value is None:
                raise UsageError(f"{word} needs a value")
        if name == "mode":
            mode = value
        else:
            rest.append(f"--{name}" if value is None else f"--{name}={value}")
    if mode not in MODES:
        from tork_core.model.problems import quoted

        said = "there is no -mode" if mode is None else f"-mode {quoted(mode)} is not known"
        raise UsageError(f"{said}; write -mode standalone, -mode coordinator or -mode worker")
    return ["run", mode, *rest]


def _with_two_dashes(arguments: Sequence[str]) -> list[str]:
    """Return a command line of our own; the seed's flags in one of ``run`` get their other dash."""
    words = list(arguments)
    own = [word for word in words if word not in _GLOBAL]
    if len(own) < 2 or own[0] != "run" or own[1] not in MODES:
        return words
    found = (_OPTION.fullmatch(word) for word in words)
    return [
        f"-{word}" if each and each["name"] in FLAGS and not word.startswith("--") else word
        for word, each in zip(words, found, strict=True)
    ]


def _is_the_seeds(arguments: Sequence[str]) -> bool:
    """Whether there are options and no command, and one of them is the seed's."""
    first = next((word for word in arguments if word not in _GLOBAL), "")
    begins = _OPTION.fullmatch(first)
    if begins is None:
        return False
    found = (_OPTION.fullmatch(word) for word in arguments)
    return begins["name"] in FLAGS or any(each and each["name"] == "mode" for each in found)
