"""Declaring the language's own functions, which work on its values as they are."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from tork_core.expressions.functions.declare import Function, declare

LANGUAGE = "language"
TORK = "tork"


def builtin(
    signature: str, *, group: str, origin: str = LANGUAGE
) -> Callable[[Callable[..., Any]], Function]:
    """Make a built-in function; one whose first parameter is ``frame`` gets the evaluation."""

    def made(call: Callable[..., Any]) -> Function:
        takes_frame = next(iter(inspect.signature(call).parameters), "") == "frame"
        return declare(
            signature, call, group=group, origin=origin, native=True, takes_frame=takes_frame
        )

    return made
