"""JSON to a tree of nodes: strict, and with a place for everything that can be wrong later.

Most submissions never come here: ``reading`` lets msgspec decode what is plainly right. This
reader is for what has to be explained, and for numbers where text is wanted.
"""

from __future__ import annotations

import json
import re

from tork_core.errors import InvalidJob
from tork_core.model.caps import Budget
from tork_core.model.nodes import NUMBER, Entry, Kind, Mapping, Node, Scalar, Sequence
from tork_core.model.problems import Path, quoted
from tork_core.model.source import Source

_SPACE = re.compile(r"[ \t\n\r]*+")
_STRING_START = re.compile(
    r'"[^"\\\x00-\x1f]*+(?:\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})[^"\\\x00-\x1f]*+)*+'
)
_WORD = re.compile(r"[A-Za-z0-9_+\-.]++")
_SURROGATE = re.compile("[\ud800-\udfff]")
_WORDS = {"true": Kind.FLAG, "false": Kind.FLAG, "null": Kind.NULL}


def read_json(source: Source) -> Node | None:
    """Return what a JSON text says, or None where it says nothing; raises InvalidJob."""
    return _Reader(source).read()


class _Reader:
    """Reads one value after another; ``_at`` is the next character."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._text = source.text
        self._budget = Budget(source)
        self._at = 0

    def read(self) -> Node | None:
        if not self._peek():
            return None
        root = self._value((), depth=0)
        if self._peek():
            raise self._invalid("the text goes on after the end of the value", ())
        return None if isinstance(root, Scalar) and root.kind is Kind.NULL else root

    def _value(self, path: Path, *, depth: int) -> Node:
        char = self._peek()
        inner = depth + (char in "{[" and char != "")
        self._budget.spend(1, depth=inner, offset=self._at, path=lambda: path)
        if char == "{":
            return self._mapping(path, depth=inner)
        if char == "[":
            return self._sequence(path, depth=inner)
        if char == '"':
            offset = self._at
            return Scalar(offset, self._string(path), Kind.TEXT)
        return self._word(path)

    def _mapping(self, path: Path, *, depth: int) -> Mapping:
        offset = self._at
        entries: dict[str, Entry] = {}
        self._at += 1
        if self._skip("}"):
            return Mapping(offset, entries)
        while True:
            if self._peek() != '"':
                raise self._invalid(f"expected a key in double quotes, found {self._here()}", path)
            key_offset = self._at
            key = self._string(path)
            if key in entries:
                line, _ = self._source.place(entries[key].offset)
                raise self._source.invalid(
                    f"{quoted(key)} is written twice, first on line {line}",
                    offset=key_offset,
                    path=path,
                )
            here = (*path, key)
            self._budget.spend(1, depth=depth, offset=key_offset, path=lambda: path)
            if not self._skip(":"):
                raise self._invalid('expected ":" after the key', here)
            entries[key] = Entry(key_offset, self._value(here, depth=depth))
            if self._skip("}"):
                return Mapping(offset, entries)
            if not self._skip(","):
                raise self._invalid('expected "," or "}" after the value', here)

    def _sequence(self, path: Path, *, depth: int) -> Sequence:
        offset = self._at
        items: list[Node] = []
        self._at += 1
        if self._skip("]"):
            return Sequence(offset, items)
        while True:
            here = (*path, len(items))
            items.append(self._value(here, depth=depth))
            if self._skip("]"):
                return Sequence(offset, items)
            if not self._skip(","):
                raise self._invalid('expected "," or "]" after the value', here)

    def _word(self, path: Path) -> Scalar:
        """Read a number, true, false or null; everything else that may stand here is wrong."""
        offset = self._at
        found = _WORD.match(self._text, offset)
        if found is None:
            raise self._invalid(f"expected a value, found {self._here()}", path)
        word = found[0]
        kind = _WORDS.get(word, Kind.NUMBER)
        if kind is Kind.NUMBER and NUMBER.fullmatch(word) is None:
            raise self._invalid(f"{quoted(word)} is neither a number nor text in quotes", path)
        self._at = found.end()
        return Scalar(offset, word, kind)

    def _string(self, path: Path) -> str:
        found = _STRING_START.match(self._text, self._at)
        assert found is not None  # the callers saw the quote
        end = found.end()
        if self._text[end : end + 1] != '"':
            raise self._broken_string(end, path)
        token = self._text[self._at : end + 1]
        text: str = json.loads(token) if "\\" in token else token[1:-1]
        half = _SURROGATE.search(text)
        if half is not None:
            code = f"U+{ord(half[0]):04X}"
            raise self._invalid(f"{code} in this text is half of a character", path)
        self._at = end + 1
        return text

    def _broken_string(self, end: int, path: Path) -> InvalidJob:
        match self._text[end : end + 1]:
            case "":
                why, offset = "this text has no closing quote", self._at
            case "\\":
                escape = self._text[end : end + 2]
                why, offset = f"{quoted(escape)} does not begin an escape of JSON", end
            case "\n" | "\r":
                why, offset = "a line break in a text is written \\n", end
            case control:
                why, offset = f"U+{ord(control):04X} in a text is written as an escape", end
        return self._source.invalid(f"not JSON: {why}", offset=offset, path=path)

    def _peek(self) -> str:
        """Go to the next character that is no space and return it, or empty text at the end."""
        space = _SPACE.match(self._text, self._at)
        if space is not None:
            self._at = space.end()
        return self._text[self._at : self._at + 1]

    def _skip(self, char: str) -> bool:
        if self._peek() != char:
            return False
        self._at += 1
        return True

    def _here(self) -> str:
        char = self._text[self._at : self._at + 1]
        return quoted(char) if char else "the end of the text"

    def _invalid(self, message: str, path: Path) -> InvalidJob:
        return self._source.invalid(f"not JSON: {message}", offset=self._at, path=path)
