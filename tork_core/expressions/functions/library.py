"""The table of the functions that are always there."""

from __future__ import annotations

from typing import Final

from tork_core.expressions.functions import (
    arrays,
    bits,
    conversions,
    maps,
    numbers,
    predicates,
    strings,
    times,
    tork,
)
from tork_core.expressions.functions.table import FunctionTable

BUILTINS: Final = FunctionTable(
    one
    for module in (
        predicates,
        arrays,
        maps,
        strings,
        numbers,
        bits,
        conversions,
        times,
        tork,
    )
    for one in module.FUNCTIONS
)
