"""What tokens mean: words that are operators, and the values of numbers and quoted text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, Protocol, TypeVar

from tork_core.errors import ExpressionError

MAX_INT: Final = 2**63 - 1

_KEYWORDS: Final = {
    "and": "LOGICAL",
    "or": "LOGICAL",
    "not": "NOT",
    "in": "WORD_OPERATOR",
    "matches": "WORD_OPERATOR",
    "contains": "WORD_OPERATOR",
    "startsWith": "WORD_OPERATOR",
    "endsWith": "WORD_OPERATOR",
    "let": "LET",
    "if": "IF",
    "else": "ELSE",
    "true": "CONSTANT",
    "false": "CONSTANT",
    "nil": "CONSTANT",
}
CONSTANTS: Final = {"true": True, "false": False, "nil": None}


class _Token(Protocol):
    type: str
    value: str
    start_pos: int | None


_T = TypeVar("_T", bound=_Token)


class Words:
    """The lexer's last step: tells words that are operators from names.

    After a dot any word is a plain name. A semicolon at the very end gets a name of its own, for
    it is allowed nowhere else without an expression after it.
    """

    always_accept = ()

    def process(self, stream: Iterator[_T]) -> Iterator[_T]:
        """Rename the tokens of a stream."""
        previous = ""
        held: _T | None = None
        for token in stream:
            if held is not None:
                yield held
                held = None
            kind = token.type
            if kind == "NAME":
                if not token.value.isascii():
                    _check_letters(token)
                if previous not in ("DOT", "OPTIONAL"):
                    token.type = _KEYWORDS.get(token.value, "NAME")
            previous = kind
            if kind == "SEMICOLON":
                held = token
            else:
                yield token
        if held is not None:
            held.type = "TRAILING_SEMICOLON"
            yield held


def _check_letters(token: _Token) -> None:
    """Refuse what the pattern of names takes for letters (such as ²) and the language does not."""
    for place, letter in enumerate(token.value):
        if not (letter in "_$" or letter.isalpha() or letter.isdecimal()):
            raise ExpressionError(
                f"unexpected character {letter!r}", offset=(token.start_pos or 0) + place
            )


def number(text: str, at: int) -> int | float:
    """The value of a number as it is written."""
    digits = text.replace("_", "").lower()
    try:
        if digits[:2] in ("0x", "0o", "0b"):
            value = int(digits, 0)
        elif "." in digits or "e" in digits:
            value = float(digits)
        else:
            value = int(digits)
    except ValueError:
        raise ExpressionError(f"{text} is not a number", offset=at) from None
    if isinstance(value, int) and value > MAX_INT:
        raise ExpressionError(
            f"{text} is too large", offset=at, hint=f"the largest int is {MAX_INT}"
        )
    if value == float("inf"):
        raise ExpressionError(f"{text} is too large", offset=at)
    return value


_ESCAPE: Final = re.compile(
    r"""\\(?:x([0-9a-fA-F]{2})|u\{([0-9a-fA-F]{1,6})\}|u([0-9a-fA-F]{4})|U([0-9a-fA-F]{8})"""
    r"""|([0-3][0-7]{2})|(.)|$)""",
    re.DOTALL,
)
_SIMPLE: Final = {
    "a": "\a",
    "b": "\b",
    "f": "\f",
    "n": "\n",
    "r": "\r",
    "t": "\t",
    "v": "\v",
    "\\": "\\",
}
_REPLACEMENT: Final = "\ufffd"


def text(token: str, at: int) -> str:
    """The text of a quoted string with escapes."""
    quote, body = token[0], token[1:-1]
    if "\r" in body:
        body = body.replace("\r", "\n")
    if "\\" not in body:
        return body

    def character(match: re.Match[str]) -> str:
        simple = match[6]
        if simple is not None:
            return _simple_escape(simple, quote, at + 1 + match.start())
        code = (
            int(match[5], 8) if match[5] else int(match[1] or match[2] or match[3] or match[4], 16)
        )
        if code > 0x10FFFF:
            raise ExpressionError(
                f"{match[0]} is beyond the last character", offset=at + 1 + match.start()
            )
        return _REPLACEMENT if 0xD800 <= code <= 0xDFFF else chr(code)

    return _ESCAPE.sub(character, body)


def bytes_of(token: str, at: int) -> bytes:
    """The bytes of a quoted string with a b before it."""
    quote, body = token[1], token[2:-1].replace("\r", "\n")
    made = bytearray()
    end = 0
    for match in _ESCAPE.finditer(body):
        made += body[end : match.start()].encode("utf-8", "replace")
        place = at + 2 + match.start()
        if match[1] is not None:
            made.append(int(match[1], 16))
        elif match[5] is not None:
            made.append(int(match[5], 8))
        elif match[6] is not None:
            made += _simple_escape(match[6], quote, place).encode()
        else:
            raise ExpressionError(f"{match[0]} is no escape of bytes", offset=place)
        end = match.end()
    made += body[end:].encode("utf-8", "replace")
    return bytes(made)


def _simple_escape(letter: str, quote: str, at: int) -> str:
    if letter == quote:
        return quote
    found = _SIMPLE.get(letter)
    if found is None:
        raise ExpressionError(
            f"\\{letter} is no escape", offset=at, hint="write \\\\ for a backslash"
        )
    return found
