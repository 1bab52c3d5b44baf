"""Expressions and templates with the answers of the reference implementation.

They are in expr-cases.jsonl, one a line.

Types count. Tags stand for what JSON lacks: {"$float": "NaN"}, {"$bytes": hex},
{"$time": RFC 3339}, {"$duration": nanoseconds}, {"$zone": name} and
{"$map": [[key, value], …]}. ``or_error`` says that an error is as good as the value.
"""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tork_core.expressions import ExpressionError, evaluate, render

CASES = [
    json.loads(line)
    for line in Path(__file__).with_name("expr-cases.jsonl").read_text("utf-8").strip().split("\n")
]
_ANY_ORDER = ("keys", "values", "toPairs")


def _untagged(value: Any) -> Any:
    if isinstance(value, list):
        return [_untagged(item) for item in value]
    if not isinstance(value, dict):
        return value
    match value:
        case {"$float": text}:
            return float(text)
        case {"$bytes": text}:
            return bytes.fromhex(text)
        case {"$time": text}:
            return datetime.fromisoformat(text)
        case {"$duration": nanoseconds}:
            return timedelta(microseconds=nanoseconds // 1_000)
        case {"$zone": name}:
            return ZoneInfo(name)
        case {"$map": pairs}:
            return {_untagged(key): _untagged(item) for key, item in pairs}
        case _:
            return {key: _untagged(item) for key, item in value.items()}


def _same(got: Any, wanted: Any) -> bool:
    if isinstance(wanted, datetime):
        return isinstance(got, datetime) and got == wanted and got.utcoffset() == wanted.utcoffset()
    if type(got) is not type(wanted):
        return False
    if isinstance(wanted, float):
        both_nan = math.isnan(wanted) and math.isnan(got)
        return both_nan or math.isclose(got, wanted, rel_tol=1e-12)
    if isinstance(wanted, list):
        return len(got) == len(wanted) and all(map(_same, got, wanted))
    if isinstance(wanted, dict):
        return got.keys() == wanted.keys() and all(_same(got[key], wanted[key]) for key in wanted)
    return got == wanted


def _problem(case: dict[str, Any]) -> str | None:
    """What is wrong with our answer to a case; None when nothing is."""
    source = case.get("expr", case.get("template"))
    try:
        got = (render if "template" in case else evaluate)(source, _untagged(case["env"]))
    except ExpressionError as error:
        if case["kind"] == "error" or case.get("or_error"):
            return None
        return f"{source!r}: {error}"
    if case["kind"] == "error":
        return f"{source!r} gives {got!r} and should fail"
    wanted = _untagged(case["expected"])
    if source.startswith(_ANY_ORDER) and isinstance(got, list):
        got, wanted = sorted(got, key=str), sorted(wanted, key=str)
    return None if _same(got, wanted) else f"{source!r} gives {got!r}, not {wanted!r}"


@pytest.mark.parametrize("part", range(20))
def test_the_answers_are_those_of_the_reference_implementation(part: int) -> None:
    assert [problem for case in CASES[part::20] if (problem := _problem(case))] == []
