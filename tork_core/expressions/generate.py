"""Makes tables.json, the parser's tables, from grammar.lark.

Run ``python -m tork_core.expressions.generate`` after a change of the grammar or of Lark's version.
"""

from __future__ import annotations

import hashlib
import json
from typing import Any, cast

from tork_core.expressions.parser import GRAMMAR, TABLES, from_grammar


def tables() -> str:
    """The text of tables.json for the grammar as it is."""
    import lark
    from lark.grammar import Rule
    from lark.lexer import TerminalDef

    parser = cast(Any, from_grammar())
    data, memo = parser.memo_serialize([TerminalDef, Rule])
    for unused in ("postlex", "transformer"):
        data["options"][unused] = None
    made = {
        "lark_version": lark.__version__,
        "grammar_sha256": grammar_digest(),
        "data": data,
        "memo": memo,
    }
    return json.dumps(made, indent=0, separators=(",", ":")) + "\n"


def grammar_digest() -> str:
    """What tells whether the tables are those of the grammar."""
    return hashlib.sha256(GRAMMAR.read_bytes()).hexdigest()


if __name__ == "__main__":
    TABLES.write_text(tables(), "utf-8")
