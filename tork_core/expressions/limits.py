"""What one evaluation may take.

An expression comes from whoever may submit a job, and is evaluated on the loop that serves
everyone: its cost is counted as it runs, and it ends with an error where it passes a limit.

A step is about as much work as one operation (some 100 ns). What no loop repeats needs no
counting, since the source's length bounds it; a predicate charges the size of its body for every
element, a function charges for the elements or the text that it walks or makes.
"""

from __future__ import annotations

from typing import Final

from tork_core.errors import ExpressionError

MAX_SOURCE: Final = 4_000
"""Longest expression, in characters."""

MAX_DEPTH: Final = 150
"""Deepest nesting of operations in an expression, and of values that are walked."""

MAX_STEPS: Final = 300_000
"""Steps of one evaluation; this many take well under 50 ms."""

MAX_STEPS_TOGETHER: Final = 3_000_000
"""Steps of all evaluations that a job needs to go on, with the one that goes beyond it: these take
less than half a second."""

MAX_ELEMENTS: Final = 999_999
"""Elements of the lists and maps that one evaluation makes (the language's own limit)."""

MAX_TEXT: Final = 1_000_000
"""Longest text that an operation or a function makes, in characters."""

MAX_PATTERN: Final = 1_000
"""Longest regular expression, in characters."""

ELEMENTS_A_STEP: Final = 8
"""How many elements are copied in the time of one step."""

CHARACTERS_A_STEP: Final = 64
"""How many characters are copied or searched in the time of one step."""


class Budget:
    """What is left of the steps and elements of one evaluation."""

    steps = MAX_STEPS
    elements = MAX_ELEMENTS

    def spend(self, steps: int) -> None:
        """Count steps; raise :class:`ExpressionError` when none are left."""
        self.steps -= steps
        if self.steps < 0:
            raise ExpressionError(
                f"the expression takes more than {MAX_STEPS:,} steps",
                hint="work on less data, or do this in a task",
            )

    def walk(self, count: int) -> None:
        """Count a walk over elements that does little for each."""
        self.spend(count // ELEMENTS_A_STEP + 1)

    def read(self, characters: int) -> None:
        """Count a walk over text."""
        self.spend(characters // CHARACTERS_A_STEP + 1)

    def make(self, count: int) -> None:
        """Count the elements of a list or a map before it is made."""
        self.elements -= count
        if self.elements < 0:
            raise ExpressionError(
                f"the expression makes more than {MAX_ELEMENTS:,} elements",
                hint="work on less data, or do this in a task",
            )
        self.walk(count)

    def write(self, characters: int) -> None:
        """Count text before it is made."""
        if characters > MAX_TEXT:
            raise ExpressionError(f"the text would be longer than {MAX_TEXT:,} characters")
        self.read(characters)


class Allowance:
    """What is left of the steps of several evaluations that nothing else comes between."""

    def __init__(self, steps: int = MAX_STEPS_TOGETHER) -> None:
        self.steps = steps

    def check(self) -> None:
        """Raise :class:`ExpressionError` before an evaluation for which none are left."""
        if self.steps < 0:
            raise ExpressionError(
                f"this and the expressions before it take more than {MAX_STEPS_TOGETHER:,} steps",
                hint="work on less data, or do this in a task",
            )
