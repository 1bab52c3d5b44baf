"""Writes the pages of the reference that follow from the code.

``python docs/generate.py`` writes them all; a test compares each with what the code says.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from reference_pages import commands, fields, limits, queues, rest, states

from tork_core.cli import reference
from tork_core.expressions.reference import with_functions

FOLDER = Path(__file__).parent / "reference"


def pages() -> Mapping[str, str]:
    """Return the text of every generated page, by file name."""
    own = {
        "states.md": states.page(),
        "queues.md": queues.page(),
        "fields.md": fields.page(),
        "cli.md": commands.page(),
        "limits.md": limits.page(),
        # Written by hand, but for the functions.
        "expressions.md": with_functions((FOLDER / "expressions.md").read_text("utf-8")),
        # Written by hand, but for the routes and the fields of what they answer.
        "rest.md": rest.page((FOLDER / "rest.md").read_text("utf-8")),
    }
    return {**reference.pages(), **own}


def main() -> None:
    """Write the pages."""
    for name, text in pages().items():
        (FOLDER / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
