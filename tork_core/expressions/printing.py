"""How values print: ``string(x)``, and what a template puts into its text."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import cast

from tork_core.errors import ExpressionError
from tork_core.expressions import limits
from tork_core.expressions.limits import Budget
from tork_core.expressions.times import Duration, Instant, Month, Weekday, Zone
from tork_core.expressions.values import (
    KeyedMap,
    adopt,
    kind,
    native_key,
    nested_too_deeply,
)


def print_value(value: object, budget: Budget) -> str:
    """The text of a value."""
    if type(value) is str:
        return value
    text = _printed(value, budget, 0)
    budget.write(len(text))
    return text


def _printed(value: object, budget: Budget, depth: int) -> str:
    budget.spend(5)
    if depth > limits.MAX_DEPTH:
        raise nested_too_deeply()
    value = adopt(value)
    match value:
        case str():
            budget.write(len(value))
            return value
        case None:
            return "<nil>"
        case bool():
            return "true" if value else "false"
        case int():
            return str(value)
        case float():
            return print_float(value)
        case list():
            return _bracketed(cast("list[object]", value), budget, depth)
        case bytes():
            return _bracketed(list(value), budget, depth)
        case dict():
            return _printed_map(cast("dict[object, object]", value), budget, depth)
        case Instant() | Duration() | Zone() | Month() | Weekday():
            return str(value)
        case _:
            raise ExpressionError(f"{kind(value)} cannot be printed")


def _bracketed(items: Iterable[object], budget: Budget, depth: int) -> str:
    return f"[{' '.join(_printed(item, budget, depth + 1) for item in items)}]"


def _printed_map(pairs: dict[object, object], budget: Budget, depth: int) -> str:
    parts: list[str] = []
    for key in sorted_keys(pairs):
        name = _printed(native_key(key), budget, depth + 1)
        parts.append(f"{name}:{_printed(pairs[key], budget, depth + 1)}")
    return f"map[{' '.join(parts)}]"


def sorted_keys(pairs: dict[object, object]) -> Sequence[object]:
    """The keys of a map in order: by type, then by value."""
    if isinstance(pairs, KeyedMap):
        return sorted(pairs, key=_key_order)
    return text_sorted(pairs)


def text_sorted(keys: Iterable[object]) -> Sequence[object]:
    """Keys that are text, nearly always, in order."""
    try:
        return sorted(cast("Iterable[str]", keys))
    except TypeError:
        return sorted(keys, key=str)


def _key_order(key: object) -> tuple[int, float, str]:
    value = native_key(key)
    match value:
        case None:
            return 0, 0.0, ""
        case bool():
            return 1, float(value), ""
        case int() | float():
            return 2, float(value), ""
        case _:
            return 3, 0.0, str(value)


def print_float(value: float) -> str:
    """A float with the fewest digits that read back as it; an exponent from a million up."""
    if not math.isfinite(value):
        return "NaN" if value != value else "+Inf" if value > 0 else "-Inf"
    sign, digits, exponent = float_digits(value)
    if exponent < -4 or exponent >= 6:
        return sign + scientific(digits, exponent, 2)
    return sign + positional(digits, exponent)


def float_digits(value: float) -> tuple[str, str, int]:
    """Sign, significant digits and the exponent of the first of them."""
    sign = "-" if math.copysign(1.0, value) < 0 else ""
    if value == 0:
        return sign, "0", 0
    mantissa, _, exponent = repr(abs(value)).partition("e")
    whole, _, fraction = mantissa.partition(".")
    power = len(whole) - 1 + int(exponent or "0")
    digits = whole + fraction
    leading = len(digits) - len(digits.lstrip("0"))
    return sign, digits[leading:].rstrip("0") or "0", power - leading


def scientific(digits: str, exponent: int, width: int) -> str:
    """``1.5e+06``: an exponent with a sign and at least so many digits."""
    fraction = f".{digits[1:]}" if len(digits) > 1 else ""
    sign = "-" if exponent < 0 else "+"
    return f"{digits[0]}{fraction}e{sign}{abs(exponent):0{width}d}"


def positional(digits: str, exponent: int) -> str:
    """``1500`` or ``0.0015``: no exponent."""
    if exponent < 0:
        return f"0.{'0' * (-exponent - 1)}{digits}"
    whole = digits[: exponent + 1].ljust(exponent + 1, "0")
    fraction = digits[exponent + 1 :]
    return f"{whole}.{fraction}" if fraction else whole
