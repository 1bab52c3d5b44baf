"""Plain tables for terminals and pipes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence


def table(rows: Iterable[Sequence[str]], head: Sequence[str]) -> Iterator[str]:
    """Yield the lines of a table: columns as wide as their widest cell, the last one open."""
    cells = [tuple(head), *(tuple(row) for row in rows)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for row in cells:
        padded = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join(padded).rstrip()
