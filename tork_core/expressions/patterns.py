"""Regular expressions: RE2, which takes linear time whatever the pattern.

Linear still means: the text's length times the pattern's size where RE2 has to fall back on its
slower engine, and a short pattern may stand for a large program. Both are counted.
"""

from __future__ import annotations

from typing import Any, Final, Protocol, cast

from tork_core.errors import ExpressionError
from tork_core.expressions import limits
from tork_core.expressions.limits import Budget
from tork_core.expressions.values import adopt, kind

_MEMORY: Final = 1024 * 1024
_CACHED: Final = 256
_STATES_A_STEP: Final = 30

_cache: dict[str, Pattern] = {}


class Pattern(Protocol):
    """A compiled pattern."""

    @property
    def programsize(self) -> int:
        """The size of the program that it became."""
        ...

    def search(self, text: str | bytes) -> object | None:
        """A match anywhere in the text, or None."""
        ...


def compile_pattern(pattern: str) -> Pattern:
    """Compile a pattern, or raise :class:`ExpressionError`."""
    found = _cache.get(pattern)
    if found is None:
        found = _compile(pattern)
        if len(_cache) >= _CACHED:
            _cache.clear()
        _cache[pattern] = found
    return found


def _compile(pattern: str) -> Pattern:
    if len(pattern) > limits.MAX_PATTERN:
        raise ExpressionError(
            f"the regular expression is longer than {limits.MAX_PATTERN:,} characters"
        )
    import re2  # pyright: ignore[reportMissingTypeStubs]

    module = cast(Any, re2)
    options = module.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = _MEMORY
    try:
        return cast(Pattern, module.compile(_encodable(pattern), options))
    except module.error as error:
        reason = error.args[0] if error.args else "?"
        text = reason.decode("utf-8", "replace") if isinstance(reason, bytes) else reason
        raise ExpressionError(
            f"the regular expression is invalid: {text}", hint="its syntax is RE2's"
        ) from None


def matches(left: object, right: object, budget: Budget) -> bool:
    """``left matches right``: whether the pattern is found anywhere in the text."""
    if left is None or right is None:
        return False
    right = adopt(right)
    if type(right) is not str:
        raise ExpressionError(f"a pattern must be a string, not {kind(right)}")
    if right not in _cache:
        # Repetition makes a program of up to the memory's limit, whatever the pattern's length.
        budget.spend(len(right) * 40 + (50_000 if "{" in right else 300))
    return found_in(left, compile_pattern(right), budget)


def found_in(text: object, pattern: Pattern, budget: Budget) -> bool:
    """Whether a compiled pattern is found anywhere in a text; not in nil."""
    text = adopt(text)
    if text is None:
        return False
    if not isinstance(text, str | bytes):
        raise ExpressionError(f"{kind(text)} matches a string is not possible")
    budget.spend(len(text) * pattern.programsize // _STATES_A_STEP + 5)
    return pattern.search(_encodable(text) if isinstance(text, str) else text) is not None


def _encodable(text: str) -> str:
    """Text without lone surrogates, which have no encoding."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()
