"""Job files as the commands take them: a path, or ``-`` for standard input; YAML or JSON."""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from tork_core.errors import UsageError

if TYPE_CHECKING:
    from tork_core.model.reading import Format

_JSON_OBJECT = re.compile(rb"\s*\{\s*[\"}]")


def read_job_file(name: str, given: str = "auto") -> tuple[bytes, Format]:
    """Return a file's bytes and its format: ``given``, or by its name, or (``-``) by its looks.

    Raises UsageError if it cannot be read.
    """
    data = _bytes(name)
    if given == "yaml" or given == "json":
        return data, given
    if name == "-":
        return data, "json" if _JSON_OBJECT.match(data) else "yaml"
    return data, "json" if name.lower().endswith(".json") else "yaml"


def read_inputs(given: Sequence[str]) -> dict[str, str]:
    """Return inputs given as NAME=VALUE; raises UsageError for anything else."""
    found: dict[str, str] = {}
    for item in given:
        name, equals, value = item.partition("=")
        if not equals or not name:
            raise UsageError(f"--input {item}: write NAME=VALUE, such as --input source=data.csv")
        found[name] = value
    return found


def _bytes(name: str) -> bytes:
    if name == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(name).read_bytes()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        raise UsageError(f"{name}: {reason}") from None
