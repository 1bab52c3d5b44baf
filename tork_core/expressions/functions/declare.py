"""Declaring functions: one decorated Python function is the function, its check and its reference.

::

    @function("slug(text: string, separator?: string) -> string")
    def slug(text: str, separator: str = "-") -> str:
        '''Make the text fit for a URL.

        >>> slug("Big Buck Bunny")
        "big-buck-bunny"
        '''

The signature says what the function takes; a call with other arguments is an error that names the
function, before the Python function sees it. The docstring's first paragraph describes it, and the
example is shown in the reference.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final

from tork_core.errors import PluginError

KINDS: Final = (
    "any",
    "array",
    "bool",
    "bytes",
    "count",
    "date",
    "duration",
    "float",
    "int",
    "map",
    "nil",
    "number",
    "predicate",
    "string",
    "timezone",
)
"""What a parameter may be declared to take; alternatives are joined by ``|``.

A ``count`` is an int, or a float that is cut toward zero; a ``predicate`` (the language's own
functions only) is an expression that is evaluated for every element.
"""


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter: its name, the kinds it takes, and whether it may be left out or repeated."""

    name: str
    kinds: tuple[str, ...]
    optional: bool = False
    repeated: bool = False

    def __str__(self) -> str:
        mark = "?" if self.optional else "..." if self.repeated else ""
        return f"{self.name}{mark}: {' | '.join(self.kinds)}"


@dataclass(frozen=True, slots=True)
class Function:
    """A function of the language; ``call`` is what runs it.

    ``native`` functions are the language's own: they take and give its values as they are inside
    it, where others get and give plain Python ones. ``takes_frame`` ones get the evaluation first.
    """

    name: str
    parameters: tuple[Parameter, ...]
    result: str
    call: Callable[..., Any]
    summary: str
    examples: tuple[tuple[str, str], ...] = ()
    group: str = ""
    origin: str = ""
    native: bool = False
    takes_frame: bool = False
    overrides: bool = False

    @property
    def signature(self) -> str:
        """How the function is called: ``split(text: string, separator: string) -> array``."""
        return f"{self.name}({', '.join(map(str, self.parameters))}) -> {self.result}"

    @property
    def least(self) -> int:
        """The smallest number of arguments."""
        return sum(not part.optional and not part.repeated for part in self.parameters)

    @property
    def most(self) -> int | None:
        """The largest number of arguments; None where there is no bound."""
        return None if any(part.repeated for part in self.parameters) else len(self.parameters)

    @property
    def predicate(self) -> int | None:
        """The place of the parameter that is a predicate."""
        for place, part in enumerate(self.parameters):
            if part.kinds == ("predicate",):
                return place
        return None

    def parameter(self, place: int) -> Parameter:
        """The parameter that takes the argument at a place."""
        return self.parameters[min(place, len(self.parameters) - 1)]

    def of_origin(self, origin: str) -> Function:
        """The same function with the name of who brings it."""
        return replace(self, origin=origin)


def function(
    signature: str, *, overrides: bool = False, group: str = ""
) -> Callable[[Callable[..., Any]], Function]:
    """Make a function of the language out of a Python function.

    ``signature`` is ``name(parameter: kind, …) -> kind``; a parameter that may be left out has a
    ``?`` after its name, a last one that may be repeated ``...``. ``overrides`` allows it to take
    the place of a function of the same name. The function must be pure and quick; a ValueError,
    TypeError, ArithmeticError or LookupError that it raises becomes the expression's error.
    """
    return lambda call: declare(signature, call, overrides=overrides, group=group)


def declare(signature: str, call: Callable[..., Any], **fields: Any) -> Function:
    """The function for a signature and a Python function with a docstring."""
    name, parameters, result = _parse_signature(signature)
    summary, examples = _parse_docstring(inspect.getdoc(call) or "")
    if not summary:
        raise PluginError(f"the function {name} of expressions has no docstring")
    return Function(name, parameters, result, call, summary, examples, **fields)


_SIGNATURE: Final = re.compile(r"([^\W\d]\w*)\((.*)\) -> (\w+(?: \| \w+)*)")
_PARAMETER: Final = re.compile(r"(\w+)(\?|\.\.\.)?: (\w+(?: \| \w+)*)")


def _parse_signature(text: str) -> tuple[str, tuple[Parameter, ...], str]:
    found = _SIGNATURE.fullmatch(text)
    if found is None:
        raise PluginError(
            f"{text!r} is no signature of a function; write name(parameter: kind) -> kind"
        )
    parts = found[2].split(", ") if found[2] else []
    return found[1], tuple(_parse_parameter(part, text) for part in parts), found[3]


def _parse_parameter(part: str, signature: str) -> Parameter:
    found = _PARAMETER.fullmatch(part)
    kinds = tuple(found[3].split(" | ")) if found else ()
    if found is None or not set(kinds) <= set(KINDS):
        raise PluginError(
            f"{part!r} in {signature!r} is no parameter; the kinds are {', '.join(KINDS)}"
        )
    return Parameter(found[1], kinds, optional=found[2] == "?", repeated=found[2] == "...")


def _parse_docstring(text: str) -> tuple[str, tuple[tuple[str, str], ...]]:
    """The description and the examples (``>>> expression`` and its value on the next line)."""
    lines = text.splitlines()
    described = [line for line in lines if not line.startswith(">>>")]
    examples: list[tuple[str, str]] = []
    for place, line in enumerate(lines):
        if line.startswith(">>> ") and place + 1 < len(lines):
            examples.append((line[4:], lines[place + 1].strip()))
            described.remove(lines[place + 1])
    return " ".join(" ".join(described).split()), tuple(examples)
