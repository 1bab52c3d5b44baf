"""Makes _tables.py, the parser's tables, from grammar.lark.

Run ``python -m tork_core.expressions.generate`` after a change of the grammar or of Lark's version.
"""

from __future__ import annotations

import hashlib
import pprint
from pathlib import Path
from typing import Any, Final, cast

TABLES: Final = Path(__file__).with_name("_tables.py")

_HEAD: Final = '''\
# ruff: noqa
# fmt: off
# pyright: basic
"""The parser's tables. Made by `python -m tork_core.expressions.generate`: do not edit."""

'''


def tables() -> str:
    """The text of _tables.py for the grammar as it is."""
    import lark
    from lark.grammar import Rule
    from lark.lexer import TerminalDef

    from tork_core.expressions.parser import GRAMMAR, from_grammar

    parser = cast(Any, from_grammar())
    digest = hashlib.sha256(GRAMMAR.read_bytes()).hexdigest()
    data, memo = parser.memo_serialize([TerminalDef, Rule])
    for unused in ("postlex", "transformer", "source_path"):
        data["options"][unused] = None
    return (
        f"{_HEAD}LARK_VERSION = {lark.__version__!r}\n"
        f"GRAMMAR_SHA256 = {digest!r}\n"
        f"DATA = {pprint.pformat(data, width=160, compact=True)}\n"
        f"MEMO = {pprint.pformat(memo, width=160, compact=True)}\n"
    )


if __name__ == "__main__":
    TABLES.write_text(tables(), "utf-8")
