"""Functions that tell and change types, and encodings."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from tork_core.errors import ExpressionError
from tork_core.expressions.frame import Frame
from tork_core.expressions.functions.builtin import builtin
from tork_core.expressions.json_text import from_json, to_json
from tork_core.expressions.limits import MAX_TEXT
from tork_core.expressions.namespaces import TextNamespace
from tork_core.expressions.printing import print_value
from tork_core.expressions.times import Duration, Instant, Month, Weekday, Zone
from tork_core.expressions.values import KeyedMap, adopt

_TYPES: Final = "Types"
_ENCODING: Final = "Encoding"

_TYPE_NAMES: Final[dict[type, str]] = {
    type(None): "nil",
    bool: "bool",
    int: "int",
    float: "float",
    str: "string",
    list: "array",
    bytes: "array",
    dict: "map",
    TextNamespace: "map",
    KeyedMap: "map",
    Instant: "time.Time",
    Duration: "time.Duration",
    Zone: "time.Location",
    Month: "time.Month",
    Weekday: "time.Weekday",
}


@builtin("type(value: any) -> string", group=_TYPES)
def type_(value: object) -> str:
    """The name of a value's type.

    >>> type(1.5)
    "float"
    """
    return _TYPE_NAMES.get(type(adopt(value)), "unknown")


@builtin("string(value: any) -> string", group=_TYPES)
def string(frame: Frame, value: object) -> str:
    """A value as text.

    >>> string([1, 2.5, nil])
    "[1 2.5 <nil>]"
    """
    return print_value(value, frame)


@builtin("toJSON(value: any) -> string", group=_ENCODING)
def to_json_(frame: Frame, value: object) -> str:
    """A value as JSON, indented by two blanks, with its keys sorted.

    >>> toJSON([])
    "[]"
    """
    return to_json(value, frame)


@builtin("fromJSON(text: string) -> any", group=_ENCODING)
def from_json_(frame: Frame, text: str) -> object:
    """The value of a JSON text; numbers become floats.

    >>> fromJSON('{"a": [1, 2]}').a[1]
    2.0
    """
    return from_json(text, frame)


@builtin("toBase64(text: string) -> string", group=_ENCODING)
def to_base64(frame: Frame, text: str) -> str:
    """The text in base64.

    >>> toBase64("hello")
    "aGVsbG8="
    """
    data = text.encode("utf-8", "replace")
    frame.write(len(data) * 4 // 3)
    return base64.b64encode(data).decode()


@builtin("fromBase64(text: string) -> string", group=_ENCODING)
def from_base64(frame: Frame, text: str) -> str:
    """The text that a base64 text holds; bytes that are no text become U+FFFD.

    >>> fromBase64("aGVsbG8=")
    "hello"
    """
    if len(text) > MAX_TEXT * 2:
        raise ExpressionError(f"fromBase64: the text is longer than {MAX_TEXT * 2:,} characters")
    frame.read(len(text) * 4)
    bare = text.replace("\n", "").replace("\r", "")
    try:
        data = base64.b64decode(bare, validate=True)
    except (binascii.Error, ValueError):
        raise ExpressionError("fromBase64: the text is no base64") from None
    if (
        bare.rstrip("=") != base64.b64encode(data).decode().rstrip("=")[: len(bare)]
        and len(bare) % 4
    ):
        raise ExpressionError("fromBase64: the text is no base64")
    return data.decode("utf-8", "replace")


FUNCTIONS: Final = (type_, string, to_json_, from_json_, to_base64, from_base64)
