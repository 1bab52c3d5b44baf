"""Finding the expressions in a template."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_BLANKS: Final = " \t\n\r\f\v"
_SIGNIFICANT: Final = re.compile(
    r'"(?:[^"\\\n]|\\[^\n])*"' r"|'(?:[^'\\\n]|\\[^\n])*'" r"|`[^`\n]*`" r"|/\*.*?\*/" r"|[{}]"
)


def split_template(text: str) -> Iterator[tuple[str, int | None]]:
    """The pieces of a template: text (with no place), and expressions with the place they start at.

    Braces and quotes inside an expression are its own: ``{{ {a: {b: 1}} }}`` and ``{{ "}}" }}`` end
    where they seem to. Where that finds no end, the expression ends at the first ``}}``. Without
    one, or with a line break inside, it is no expression but text.
    """
    done = start = 0
    while (start := text.find("{{", start)) >= 0:
        end = _end_of(text, start + 2)
        if end is None:
            if text.find("}}", start + 2) < 0:
                break
            start += 1
            continue
        if start > done:
            yield text[done:start], None
        inner = text[start + 2 : end]
        yield inner.strip(_BLANKS), start + 2 + len(inner) - len(inner.lstrip(_BLANKS))
        done = start = end + 2
    if done < len(text) or not text:
        yield text[done:], None


def _end_of(text: str, start: int) -> int | None:
    """Where the expression that begins at ``start`` ends, or None where there is none."""
    for end in (_balanced_end(text, start), text.find("}}", start + 1)):
        if end is not None and end > start and "\n" not in text[start:end].strip(_BLANKS):
            return end
    return None


def _balanced_end(text: str, start: int) -> int | None:
    depth, place = 0, start
    while (found := _SIGNIFICANT.search(text, place)) is not None:
        if found[0] == "{":
            depth += 1
        elif found[0] == "}":
            if depth == 0:
                return found.start() if text.startswith("}}", found.start()) else None
            depth -= 1
        place = found.end()
    return None
