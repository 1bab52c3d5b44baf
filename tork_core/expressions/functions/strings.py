"""Functions of strings."""

from __future__ import annotations

from typing import Final

from tork_core.errors import ExpressionError
from tork_core.expressions.frame import Frame
from tork_core.expressions.functions.builtin import builtin

_GROUP: Final = "Strings"
# What the language takes for blanks: fewer characters than Python does.
BLANKS: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a"
    "\u2028\u2029\u202f\u205f\u3000"
)


@builtin("trim(text: string, characters?: string) -> string", group=_GROUP)
def trim(frame: Frame, text: str, characters: str = BLANKS) -> str:
    """Cut blanks, or any of the characters, off both ends.

    >>> trim("--a--", "-")
    "a"
    """
    frame.read(len(text))
    return text.strip(characters) if characters else text


@builtin("trimPrefix(text: string, prefix?: string) -> string", group=_GROUP)
def trim_prefix(frame: Frame, text: str, prefix: str = " ") -> str:
    """Cut a prefix off, once; a blank by default.

    >>> trimPrefix("v1.2", "v")
    "1.2"
    """
    frame.read(len(text))
    return text.removeprefix(prefix)


@builtin("trimSuffix(text: string, suffix?: string) -> string", group=_GROUP)
def trim_suffix(frame: Frame, text: str, suffix: str = " ") -> str:
    """Cut a suffix off, once; a blank by default.

    >>> trimSuffix("clip.mp4", ".mp4")
    "clip"
    """
    frame.read(len(text))
    return text.removesuffix(suffix)


@builtin("upper(text: string) -> string", group=_GROUP)
def upper(frame: Frame, text: str) -> str:
    """Make letters capitals.

    >>> upper("abc")
    "ABC"
    """
    frame.spend(len(text) // 8 + 1)
    return text.upper() if text.isascii() else "".join(map(_upper_letter, text))


def _upper_letter(letter: str) -> str:
    # Letter by letter, as the language does: what would become two letters stays.
    made = letter.upper()
    return made if len(made) == 1 else letter


@builtin("lower(text: string) -> string", group=_GROUP)
def lower(frame: Frame, text: str) -> str:
    """Make letters small.

    >>> lower("ABC")
    "abc"
    """
    frame.spend(len(text) // 8 + 1)
    return text.lower() if text.isascii() else "".join(map(_lower_letter, text))


def _lower_letter(letter: str) -> str:
    # The one letter that becomes two is the İ; it is an i, as the language has it.
    return letter.lower()[0]


@builtin("split(text: string, separator: string, count?: count) -> array", group=_GROUP)
def split(frame: Frame, text: str, separator: str, count: int = -1) -> list[str]:
    """Cut a string at every separator, into at most so many pieces.

    An empty separator cuts it into its characters.

    >>> split("a,b,c", ",", 2)
    ["a", "b,c"]
    """
    return _pieces(frame, text, separator, count)


@builtin("splitAfter(text: string, separator: string, count?: count) -> array", group=_GROUP)
def split_after(frame: Frame, text: str, separator: str, count: int = -1) -> list[str]:
    """Cut a string after every separator, which stays with the piece before it.

    >>> splitAfter("a,b,c", ",")
    ["a,", "b,", "c"]
    """
    pieces = _pieces(frame, text, separator, count)
    return [*(piece + separator for piece in pieces[:-1]), *pieces[-1:]]


def _pieces(frame: Frame, text: str, separator: str, count: int) -> list[str]:
    frame.read(len(text))
    if count == 0:
        return []
    if separator:
        most = text.count(separator) + 1
        frame.make(most if count < 0 else min(most, count))
        return text.split(separator, count - 1 if count > 0 else -1)
    frame.make(len(text) if count < 0 else min(len(text), count))
    if count < 0 or count >= len(text):
        return list(text)
    return [*text[: count - 1], text[count - 1 :]]


@builtin("replace(text: string, old: string, new: string, count?: count) -> string", group=_GROUP)
def replace(frame: Frame, text: str, old: str, new: str, count: int = -1) -> str:
    """Put another text in the place of one, at most so many times.

    >>> replace("a-b-c", "-", "+", 1)
    "a+b-c"
    """
    frame.read(len(text))
    found = text.count(old)
    if count >= 0:
        found = min(found, count)
    frame.write(len(text) + found * (len(new) - len(old)))
    return text.replace(old, new, count)


@builtin("repeat(text: string, count: count) -> string", group=_GROUP)
def repeat(frame: Frame, text: str, count: int) -> str:
    """The text so many times.

    >>> repeat("ab", 3)
    "ababab"
    """
    if count < 0:
        raise ExpressionError(f"repeat: the count is negative ({count})")
    size = len(text.encode("utf-8", "replace")) * count
    if size >= 1_000_000 or count > 1_000_000:
        raise ExpressionError("repeat: the text would be longer than 1,000,000 bytes")
    frame.elements -= size
    frame.make(0)
    frame.write(len(text) * count)
    return text * count


@builtin("indexOf(text: string, part: string) -> int", group=_GROUP)
def index_of(frame: Frame, text: str, part: str) -> int:
    """The place of a part in a string, in characters from 0; -1 when it is not there.

    >>> indexOf("wörld", "r")
    2
    """
    frame.read(len(text))
    return text.find(part)


@builtin("lastIndexOf(text: string, part: string) -> int", group=_GROUP)
def last_index_of(frame: Frame, text: str, part: str) -> int:
    """The last place of a part in a string, in characters from 0; -1 when it is not there.

    >>> lastIndexOf("a/b/c", "/")
    3
    """
    frame.read(len(text))
    return text.rfind(part)


@builtin("hasPrefix(text: string, prefix: string) -> bool", group=_GROUP)
def has_prefix(text: str, prefix: str) -> bool:
    """Whether a string starts with another one.

    >>> hasPrefix("v1.2", "v")
    true
    """
    return text.startswith(prefix)


@builtin("hasSuffix(text: string, suffix: string) -> bool", group=_GROUP)
def has_suffix(text: str, suffix: str) -> bool:
    """Whether a string ends with another one.

    >>> hasSuffix("clip.mp4", ".mp4")
    true
    """
    return text.endswith(suffix)


FUNCTIONS: Final = (
    trim,
    trim_prefix,
    trim_suffix,
    upper,
    lower,
    split,
    split_after,
    replace,
    repeat,
    index_of,
    last_index_of,
    has_prefix,
    has_suffix,
)
