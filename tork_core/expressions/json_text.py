"""JSON: writing it as the language does, and reading it strictly."""

from __future__ import annotations

import base64
import json
import math
import re
from typing import Any, Final, cast

from tork_core.errors import ExpressionError
from tork_core.expressions import limits
from tork_core.expressions.limits import Budget
from tork_core.expressions.printing import (
    float_digits,
    positional,
    scientific,
    text_sorted,
)
from tork_core.expressions.times import Duration, Instant, Month, Weekday, Zone
from tork_core.expressions.times.layouts import format_time
from tork_core.expressions.values import KeyedMap, adopt, kind, nested_too_deeply

_RFC3339: Final = "2006-01-02T15:04:05.999999999Z07:00"
_UNSAFE: Final = re.compile('[\\x00-\\x1f"\\\\<>&\\u2028\\u2029\\ud800-\\udfff]')
_SHORT: Final = {
    '"': '\\"',
    "\\": "\\\\",
    "\n": "\\n",
    "\r": "\\r",
    "\t": "\\t",
    "\b": "\\b",
    "\f": "\\f",
}


def to_json(value: object, budget: Budget) -> str:
    """Write a value as JSON, indented by two spaces, keys sorted."""
    text = _written(value, "\n", budget, 0)
    budget.write(len(text))
    return text


def _written(value: object, margin: str, budget: Budget, depth: int) -> str:
    budget.spend(7)
    if depth > limits.MAX_DEPTH:
        raise nested_too_deeply()
    value = adopt(value)
    match value:
        case None:
            return "null"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return _float(value)
        case str():
            return _quoted(value, budget)
        case bytes():
            return f'"{base64.b64encode(value).decode()}"'
        case Month() | Weekday():
            return str(value.number)
        case Duration():
            return str(value.nanoseconds)
        case Instant():
            return f'"{_rfc3339(value)}"'
        case list():
            inner = margin + "  "
            items = [
                inner + _written(item, inner, budget, depth + 1)
                for item in cast("list[object]", value)
            ]
            return f"[{','.join(items)}{margin}]" if items else "[]"
        case Zone():
            return "{}"
        case KeyedMap():
            raise ExpressionError("a map with keys of any type has no JSON")
        case dict():
            return _object(cast("dict[object, object]", value), margin, budget, depth)
        case _:
            raise ExpressionError(f"{kind(value)} has no JSON")


def _object(pairs: dict[object, object], margin: str, budget: Budget, depth: int) -> str:
    if not pairs:
        return "{}"
    inner = margin + "  "
    lines = [
        f"{inner}{_quoted(str(key), budget)}: {_written(pairs[key], inner, budget, depth + 1)}"
        for key in text_sorted(pairs)
    ]
    return f"{{{','.join(lines)}{margin}}}"


def _quoted(text: str, budget: Budget) -> str:
    budget.write(len(text))
    return f'"{_UNSAFE.sub(_escape, text)}"'


def _escape(match: re.Match[str]) -> str:
    letter = match[0]
    if "\ud800" <= letter <= "\udfff":
        return "\\ufffd"
    return _SHORT.get(letter) or f"\\u{ord(letter):04x}"


def _float(value: float) -> str:
    if not math.isfinite(value):
        raise ExpressionError("infinity and NaN have no JSON")
    sign, digits, exponent = float_digits(value)
    if value != 0 and (exponent < -6 or exponent >= 21):
        return sign + scientific(digits, exponent, 1)
    return sign + positional(digits, exponent)


def _rfc3339(time: Instant) -> str:
    if not 0 <= time.clock().year <= 9999:
        raise ExpressionError("a date outside the years 0 to 9999 has no JSON")
    return format_time(time, _RFC3339)


def from_json(text: str, budget: Budget) -> object:
    """Read one JSON value; all numbers become floats."""
    # What takes the time is the values, most of all numbers, and there is a comma for nearly each.
    budget.spend(len(text) // 8 + 2 * text.count(",") + text.count(":") + 3 * text.count("{") + 1)
    try:
        value = json.loads(
            text, parse_int=_number, parse_float=_number, parse_constant=_no_constant
        )
    except json.JSONDecodeError as error:
        raise ExpressionError(
            f"the text is no JSON: {error.msg} (line {error.lineno}, column {error.colno})"
        ) from None
    except RecursionError:
        raise nested_too_deeply() from None
    if "\\u" in text or not text.isascii():
        value = _without_surrogates(value)
    return value


def _number(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise ExpressionError(f"the number {text[:30]} in the JSON is too large")
    return value


def _no_constant(name: str) -> float:
    raise ExpressionError(f"the text is no JSON: {name}")


_SURROGATE: Final = re.compile("[\ud800-\udfff]")


def _without_surrogates(value: Any, depth: int = 0) -> Any:
    """Replace lone surrogates, which JSON can name and which are no characters."""
    if depth > limits.MAX_DEPTH:
        raise nested_too_deeply()
    if isinstance(value, str):
        return _SURROGATE.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_surrogates(item, depth + 1) for item in cast("list[Any]", value)]
    if isinstance(value, dict):
        pairs = cast("dict[str, Any]", value)
        return {
            _SURROGATE.sub("\ufffd", key): _without_surrogates(item, depth + 1)
            for key, item in pairs.items()
        }
    return value
