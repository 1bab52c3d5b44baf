"""Parsing: from the source of an expression to its tree.

The parser is Lark's LALR parser. Its tables are made beforehand (generate.py) and loaded on first
use, so that importing this package costs a process that evaluates nothing next to nothing.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from tork_core.errors import ExpressionError
from tork_core.expressions import limits
from tork_core.expressions.builder import Builder
from tork_core.expressions.lexical import Words
from tork_core.expressions.tree import Node

if TYPE_CHECKING:
    from lark import Lark, Token
    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

GRAMMAR: Final = Path(__file__).with_name("grammar.lark")
TABLES: Final = Path(__file__).with_name("tables.json")


def parse(source: str) -> Node:
    """Return the tree of an expression, or raise :class:`ExpressionError`."""
    if len(source) > limits.MAX_SOURCE:
        raise ExpressionError(
            f"the expression is longer than {limits.MAX_SOURCE:,} characters ({len(source):,})",
            hint="do this in a task, or split it over several",
        )
    if not source.isascii():
        source = _without_surrogates(source)

    from lark.exceptions import UnexpectedCharacters, UnexpectedToken

    try:
        return cast(Any, _parser()).parse(source)
    except UnexpectedCharacters as error:
        raise _unexpected_characters(source, error) from None
    except UnexpectedToken as error:
        raise _unexpected_token(source, error) from None
    except ExpressionError as error:
        error.source = source
        raise


@cache
def _parser() -> Lark:
    import lark

    tables = json.loads(TABLES.read_bytes(), object_hook=_with_numbers)
    if lark.__version__ != tables["lark_version"]:
        # Tables of another version may mean something else: the grammar is read instead, which
        # takes some 50 ms once.
        return from_grammar()
    load = cast(Any, lark.Lark)._load_from_dict
    made = load(tables["data"], tables["memo"], postlex=Words(), transformer=Builder())
    return cast("Lark", made)


def _with_numbers(table: dict[str, Any]) -> dict[Any, Any]:
    """A table with numbers for keys, which JSON does not have."""
    if all(map(str.isdecimal, table)):
        return {int(key): value for key, value in table.items()}
    return table


def from_grammar() -> Lark:
    """A parser made from grammar.lark itself."""
    import lark

    return lark.Lark(
        GRAMMAR.read_text("utf-8"),
        parser="lalr",
        lexer="basic",
        postlex=cast(Any, Words()),
        transformer=cast(Any, Builder()),
        maybe_placeholders=False,
    )


def _without_surrogates(source: str) -> str:
    """Replace lone surrogates, which are no characters and which nothing could encode."""
    return source.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def _unexpected_characters(source: str, error: UnexpectedCharacters) -> ExpressionError:
    at = cast(int, error.pos_in_stream)
    letter = source[at]
    message, hint = f"unexpected character {letter!r}", None
    if letter in "\"'" or (letter in "bB" and source[at + 1 : at + 2] in ("'", '"')):
        message = "the text has no closing quote on its line"
        hint = "write `…` for text of several lines"
    elif letter == "`":
        message = "the text has no closing `"
    elif letter.isdecimal():
        message = "a number goes on with a letter"
    elif letter == "&":
        hint = "write && or and"
    return ExpressionError(message, source=source, offset=at, hint=hint)


def _unexpected_token(source: str, error: UnexpectedToken) -> ExpressionError:
    token = cast("Token", error.token)
    at = token.start_pos or 0
    if token.type == "$END":
        if not source.strip():
            return ExpressionError("the expression is empty", source=source, offset=0)
        end = len(source.rstrip()) - 1
        return ExpressionError("the expression ends too early", source=source, offset=end)
    hint = None
    if token.type == "EQUAL":
        hint = "write == to compare"
    elif token.type in ("LET", "IF"):
        hint = f"put the {token} in parentheses"
    elif source.startswith("/*", at):
        return ExpressionError("the comment has no end", source=source, offset=at)
    return ExpressionError(f"unexpected {token}", source=source, offset=at, hint=hint)
