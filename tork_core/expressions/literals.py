"""Writing values as the language writes them: ``"text"``, ``2.0``, ``[1, nil]``, ``{"a": 1}``.

For people: the command line and the reference show values so, and what they show can be read back
(but for maps with keys that are not text, which have no notation).
"""

from __future__ import annotations

import json
import math
from datetime import datetime, timedelta, tzinfo
from typing import cast

from tork_core.expressions.times import Duration, Zone


def write_literal(value: object) -> str:
    """A plain Python value in the language's notation."""
    match value:
        case None:
            return "nil"
        case bool():
            return "true" if value else "false"
        case str():
            return json.dumps(value, ensure_ascii=False)
        case float():
            return _float(value)
        case bytes():
            return 'b"' + "".join(f"\\x{byte:02x}" for byte in value) + '"'
        case list():
            items = cast("list[object]", value)
            return f"[{', '.join(map(write_literal, items))}]"
        case dict():
            pairs = cast("dict[object, object]", value)
            written = (f"{_key(key)}: {write_literal(item)}" for key, item in pairs.items())
            return f"{{{', '.join(written)}}}"
        case datetime():
            return f'date("{value.isoformat()}")'
        case timedelta():
            return f'duration("{Duration.from_python(value)}")'
        case tzinfo():
            return f'timezone("{Zone.from_python(value)}")'
        case _:
            return str(value)


def _key(key: object) -> str:
    return write_literal(key) if isinstance(key, str) else f"({write_literal(key)})"


def _float(value: float) -> str:
    if math.isfinite(value):
        return repr(value)
    return "0/0" if math.isnan(value) else "1/0" if value > 0 else "-1/0"
