"""The functions' part of the reference page, from the functions themselves.

``python -m tork_core.expressions.reference docs/reference/expressions.md`` puts it into the page,
between the two comments that say so; a test compares the two.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from tork_core.expressions.functions.declare import Function
from tork_core.expressions.functions.library import BUILTINS
from tork_core.expressions.functions.table import FunctionTable

BEGIN: Final = "<!-- functions: made by `python -m tork_core.expressions.reference` -->\n"
END: Final = "<!-- end of functions -->\n"


def functions_section(table: FunctionTable = BUILTINS) -> str:
    """The description of all functions as Markdown, in groups, each with its example."""
    return "\n".join(_lines(table))


def with_functions(page: str) -> str:
    """A page with the functions put between its two marks."""
    before, _, rest = page.partition(BEGIN)
    _, _, after = rest.partition(END)
    return f"{before}{BEGIN}\n{functions_section()}\n{END}{after}"


def _lines(table: FunctionTable) -> Iterator[str]:
    for group in dict.fromkeys(one.group for one in table.values()):
        yield f"### {group}"
        yield ""
        for one in table.values():
            if one.group == group:
                yield from _described(one)


def _described(one: Function) -> Iterator[str]:
    yield f"**`{one.signature}`**  "
    yield one.summary
    yield ""
    if one.examples:
        yield "```expr"
        for source, value in one.examples:
            yield f"{source}  => {value}"
        yield "```"
        yield ""


if __name__ == "__main__":
    target = Path(sys.argv[1])
    target.write_text(with_functions(target.read_text("utf-8")), "utf-8")
