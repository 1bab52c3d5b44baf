"""What one evaluation works with."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from tork_core.expressions.limits import MAX_ELEMENTS, MAX_STEPS, Allowance, Budget

if TYPE_CHECKING:
    from tork_core.expressions.functions.table import FunctionTable


def _clock() -> datetime:
    return datetime.now(UTC)


@dataclass(frozen=True, slots=True)
class Context:
    """What expressions take from outside beside their names.

    ``now`` gives the time of ``now()`` (aware), ``random`` the numbers of ``randomInt()``, and
    ``functions`` is the table of functions (None: the built-in ones). The defaults are the real
    clock and the system's randomness; the engine gives its own. ``allowance`` bounds what all
    evaluations with it take together.
    """

    now: Callable[[], datetime] = _clock
    random: random.Random = field(default_factory=random.SystemRandom)
    functions: FunctionTable | None = None
    allowance: Allowance | None = None


DEFAULT_CONTEXT = Context()


class Frame(Budget):
    """One evaluation: its names, its budget, and where its predicates are.

    One is made for every evaluation, so what most of them never set is a default of the class, and
    ``env`` is set by who makes one: a constructor would take as long as a small expression.
    """

    steps = MAX_STEPS
    elements = MAX_ELEMENTS
    item: object = None
    """``#``: the element that the innermost predicate is at."""
    acc: object = None
    """``#acc`` of the innermost reduce."""
    index: int = 0
    """``#index`` of the innermost map or reduce."""
    env: Mapping[str, object]
    context: Context = DEFAULT_CONTEXT
    variables: list[object]
    """The values of `let`, by the place that the compiler gave them."""
