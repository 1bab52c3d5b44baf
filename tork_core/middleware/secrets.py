"""Finding secrets in text, as they are and as they are usually encoded.

A secret of several lines is found as a whole, line by line, and as a shell prints it that was given
it without quotes. Values of fewer than four characters are not looked for: they would blacken half
of every text.
"""

from __future__ import annotations

import base64
import html
import json
import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Protocol, cast
from urllib.parse import quote, quote_plus

from tork_core.model.secret_names import REDACTED

SHORTEST = 4
"""Shorter values are not looked for inside other text."""

_HEAD = 12
"""Characters of each form that the first, fast look goes by."""

_OVERLAPS = 256
"""How many overlapping places of one form are looked for: one that repeats itself could
otherwise take time by its square."""

_LINE_BREAKS = re.compile("[\r\n]+")

_WORD_BREAKS = re.compile("[ \t\n]+")
"""What shells part the words of a variable without quotes by; ``echo`` joins them by blanks."""

_IN_DOUBLE_QUOTES = re.compile(r'[\\"$`]')
"""What bash escapes when it prints a value in double quotes."""

_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_ANSI_ESCAPED = re.compile(r"[\x00-\x1f\x7f\\']")
_ANSI_ESCAPES = {
    "\a": "\\a",
    "\b": "\\b",
    "\t": "\\t",
    "\n": "\\n",
    "\v": "\\v",
    "\f": "\\f",
    "\r": "\\r",
    "\x1b": "\\E",
    "\\": "\\\\",
    "'": "\\'",
}
"""What stands between ``$'`` and ``'``."""

Spans = list[tuple[int, int]]


class Secrets:
    """The values that must not be seen. False if there is none to look for."""

    def __init__(self, values: Iterable[str]) -> None:
        literal: set[str] = set()
        wrapped: set[str] = set()
        for value in {value.strip() for value in values}:
            if len(value) >= SHORTEST:
                literal |= {form for form in _literal_forms(value) if len(form) >= SHORTEST}
                wrapped.update(_base64_forms(value))
        # The longest first, so that a hold is as early as it can be at the first look.
        self._literal = sorted(literal, key=lambda form: (-len(form), form))
        self._wrapped = sorted(wrapped - literal, key=lambda form: (-len(form), form))
        self._quick = _quick_look(self._literal, self._wrapped)

    def __bool__(self) -> bool:
        return bool(self._literal)

    def hide(self, text: str) -> str:
        """Return the text with every secret in it replaced."""
        parts: list[str] = []
        end = 0
        for start, stop in self.spans(text):
            parts += (text[end:start], REDACTED)
            end = stop
        return "".join([*parts, text[end:]]) if parts else text

    def spans(self, text: str) -> Spans:
        """Return where secrets stand, in order, overlapping ones joined."""
        if not self.may_be_in(text.encode("utf-8", "surrogatepass")):
            return []
        found = [span for form in self._literal for span in _places(form, text)]
        flat = _Flat(text)
        for form in self._wrapped:
            found += [flat.span(*span) for span in _places(form, flat.text)]
        return _joined(found)

    def hold(self, text: str) -> int:
        """Return where the longest beginning of a secret stands that the text ends with.

        The length of the text if it ends with none.
        """
        flat = _Flat(text)
        start = min((_start_at_end(form, text) for form in self._literal), default=len(text))
        flat_start = min(
            (_start_at_end(form, flat.text) for form in self._wrapped), default=len(flat.text)
        )
        return min(start, flat.place(flat_start)) if flat_start < len(flat.text) else start

    def may_be_in(self, data: bytes) -> bool:
        """Whether a secret may stand in a text, or in JSON; a quick look, without false denials."""
        if self._quick is None:
            return bool(self._literal)
        return self._quick.search(data) is not None


class SecretFilter:
    """Hides secrets in a log that comes in pieces, also those that are cut by the pieces' ends.

    Only what may be the beginning of a secret is held back, so a log stays live.
    """

    def __init__(self, secrets: Secrets) -> None:
        self._secrets = secrets
        self._held = ""
        self._hidden = 0
        """How much of what is held has been replaced already: it stays only because another
        secret may begin in it."""

    def feed(self, text: str) -> str:
        """Take the next piece and return what can be shown."""
        text = self._held + text
        return self._show(text, self._secrets.hold(text))

    def flush(self) -> str:
        """Return the rest."""
        return self._show(self._held, len(self._held))

    def _show(self, text: str, hold: int) -> str:
        shown: list[str] = []
        end = self._hidden
        for start, stop in self._secrets.spans(text):
            if start >= hold:
                break  # Decided when it is known what follows.
            if start >= end:
                shown += (text[end:start], REDACTED)
            # Else it goes on from what was replaced before.
            end = max(end, stop)
        if end < hold:
            shown.append(text[end:hold])
        self._held = text[hold:]
        self._hidden = max(0, end - hold)
        return "".join(shown)


def _literal_forms(value: str) -> Iterator[str]:
    lines = {line.strip() for line in value.splitlines()}
    for text in (value, *(line for line in lines if len(line) >= SHORTEST)):
        yield text
        yield _WORD_BREAKS.sub(" ", text)
        yield json.dumps(text)[1:-1]
        yield json.dumps(text, ensure_ascii=False)[1:-1]
        yield from _quoted_forms(text)
    for encoded in _url_forms(value):
        yield encoded
        yield re.sub("%[0-9A-F]{2}", lambda found: found[0].lower(), encoded)


def _url_forms(value: str) -> Iterator[str]:
    """Yield a value as URLs and forms have it: what is left as it is differs, with Python and curl,
    with JavaScript's encodeURIComponent and encodeURI, with what sends a page's form."""
    for unchanged in ("", "/", "!'()*", "!'()*;,/?:@&=+$#"):
        yield quote(value, safe=unchanged)
    for unchanged in ("", "*"):
        yield quote_plus(value, safe=unchanged)


def _quoted_forms(text: str) -> Iterator[str]:
    """Yield a text as shells print it in quotes (``set -x``, ``export -p``), as Python prints it
    (``repr``), and as HTML and XML have it."""
    yield text.replace("'", "'\\''")
    yield text.replace("'", "'\"'\"'")
    yield _IN_DOUBLE_QUOTES.sub(r"\\\g<0>", text)
    ansi = _ANSI_ESCAPED.sub(_ansi_escape, text)
    yield ansi
    yield ansi.replace("\\'", "'")
    yield _NOT_ASCII.sub(_octal, ansi)
    yield html.escape(text, quote=False)
    yield html.escape(text)
    yield html.escape(text).replace("&#x27;", "&#39;")


def _ansi_escape(found: re.Match[str]) -> str:
    return _ANSI_ESCAPES.get(found[0]) or _octal(found)


def _octal(found: re.Match[str]) -> str:
    """Write bytes as bash does in a locale that does not know the character."""
    return "".join(f"\\{byte:03o}" for byte in found[0].encode("utf-8", "surrogatepass"))


def _base64_forms(value: str) -> Iterator[str]:
    """Yield what is the same in every base64 text that holds the value, for the three ways in
    which its bytes can lie in groups of three."""
    data = value.encode("utf-8", "surrogatepass")
    for shift in range(3):
        # The first and the last character depend on the neighbours too, unless a group ends.
        first, last = (0, 2, 3)[shift], (shift + len(data)) * 8 // 6
        for encode in (base64.b64encode, base64.urlsafe_b64encode):
            form = encode(b"\0" * shift + data)[first:last].decode()
            if len(form) >= SHORTEST:
                yield form


class _QuickLook(Protocol):
    def search(self, text: bytes) -> object | None: ...


def _quick_look(literal: Sequence[str], wrapped: Sequence[str]) -> _QuickLook | None:
    """Return an expression that is found in every text that holds a form, None if there are too
    many: then every text is looked through."""
    if not literal:
        return None
    import re2  # pyright: ignore[reportMissingTypeStubs] - only where there are secrets

    module = cast("Any", re2)
    heads = {re.escape(form[:_HEAD]) for form in literal}
    heads |= {r"[\r\n]*".join(map(re.escape, form[:_HEAD])) for form in wrapped}
    options = module.Options()
    options.never_capture = True
    options.log_errors = False
    options.max_mem = 64 << 20
    options.encoding = module.Options.Encoding.LATIN1  # Bytes are compared, whatever they mean.
    try:
        return module.compile("|".join(sorted(heads)).encode("utf-8", "surrogatepass"), options)
    except module.error:
        return None


def _places(form: str, text: str) -> Iterator[tuple[int, int]]:
    length = len(form)
    start = text.find(form)
    count = 0
    while start >= 0:
        yield start, start + length
        count += 1
        start = text.find(form, start + (1 if count < _OVERLAPS else length))


def _joined(spans: Spans) -> Spans:
    joined: Spans = []
    for start, stop in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(stop, joined[-1][1])
        else:
            joined.append((start, stop))
    return joined


def _start_at_end(form: str, text: str) -> int:
    """Return where the longest beginning of a form stands that the text ends with, if not all."""
    head = form[:_HEAD]
    start = text.find(head, max(0, len(text) - len(form) + 1))
    while start >= 0:
        if form.startswith(text[start:]):
            return start
        start = text.find(head, start + 1)
    for length in range(min(len(head) - 1, len(text)), 0, -1):
        if text.endswith(head[:length]):
            return len(text) - length
    return len(text)


class _Flat:
    """A text without its line breaks (base64 is wrapped), and where its characters stood."""

    def __init__(self, original: str) -> None:
        self.text = _LINE_BREAKS.sub("", original)
        self._original = original
        self._places: list[int] | None = None

    def place(self, index: int) -> int:
        """Return where a character stood."""
        if len(self.text) == len(self._original):
            return index
        if self._places is None:
            self._places = [i for i, char in enumerate(self._original) if char not in "\r\n"]
        return self._places[index]

    def span(self, start: int, stop: int) -> tuple[int, int]:
        """Return where a range of characters stood."""
        return self.place(start), self.place(stop - 1) + 1
