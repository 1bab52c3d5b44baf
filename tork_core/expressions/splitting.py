"""Finding the expressions in a template."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

_BLANKS: Final = " \t\n\r\f\v"
_NOT_BLANK: Final = re.compile(r"[^ \t\n\r\f\v]")
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
        limit = _limit_of(text, start + 2)
        end = _end_of(text, start + 2, limit)
        if end is None:
            # No other one before the limit has an end either, unless all up to there is blank.
            start = max(start + 1, text.rfind("{{", start, limit))
            continue
        if start > done:
            yield text[done:start], None
        inner = text[start + 2 : end]
        yield inner.strip(_BLANKS), start + 2 + len(inner) - len(inner.lstrip(_BLANKS))
        done = start = end + 2
    if done < len(text) or not text:
        yield text[done:], None


def _limit_of(text: str, start: int) -> int:
    """Where an expression that begins at ``start`` must have ended: with the line of its first
    character, or with a ``}}`` after that line and blanks."""
    first = _NOT_BLANK.search(text, start)
    line = text.find("\n", first.start()) if first else -1
    if line < 0:
        return len(text)
    after = _NOT_BLANK.search(text, line)
    if after is not None and text.startswith("}}", after.start()):
        return after.start() + 2
    return line


def _end_of(text: str, start: int, limit: int) -> int | None:
    """Where the expression that begins at ``start`` ends, or None where there is none."""
    first = text.find("}}", start + 1, limit)
    if first < 0 or ("\n" in text[start:first] and not text[start:first].strip(_BLANKS)):
        return None
    balanced = _balanced_end(text, start, limit)
    return first if balanced is None or balanced == start else balanced


def _balanced_end(text: str, start: int, limit: int) -> int | None:
    depth, place = 0, start
    while (found := _SIGNIFICANT.search(text, place, limit)) is not None:
        if found[0] == "{":
            depth += 1
        elif found[0] == "}":
            if depth == 0:
                return found.start() if text.startswith("}}", found.start()) else None
            depth -= 1
        place = found.end()
    return None
