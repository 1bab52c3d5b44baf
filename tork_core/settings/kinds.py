"""What a setting may hold, and how each kind is read from text and from TOML.

Text comes from flags and the environment, TOML values from the configuration file. Every reader
raises ValueError with words for the user, who learns from the caller which flag, variable or key
was meant.
"""

from __future__ import annotations

import re
import types
import typing
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Protocol, TypeAlias, cast

from tork_core.model.problems import quoted
from tork_core.model.units import parse_duration, parse_memory
from tork_core.settings.secret import HIDDEN, Secret

Seconds: TypeAlias = Annotated[float, "seconds"]
"""A span of time: a number of seconds, or a duration such as ``300ms`` or ``1m30s``."""

Bytes: TypeAlias = Annotated[int, "bytes"]
"""A size: a number of bytes, or text such as ``64m``."""

_WHOLE = re.compile(r"[+-]?[0-9]+")
_DECIMAL = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)")
_ZERO_DURATION = re.compile(r"0+(?:\.0*)?(?:ms|us|µs|ns|h|m|s)")
_YES = frozenset({"true", "yes", "on", "1"})
_NO = frozenset({"false", "no", "off", "0"})


class Kind(Protocol):
    """One kind of value."""

    @property
    def word(self) -> str:
        """What stands for the value in help texts."""
        ...

    def from_text(self, text: str) -> Any:
        """Read what a flag or an environment variable holds."""
        ...

    def from_toml(self, value: object) -> Any:
        """Read what the configuration file holds."""
        ...

    def to_toml(self, value: Any) -> object:
        """Return the value as a configuration file would hold it; secrets are hidden."""
        ...


class Text:
    """Text as it is."""

    word = "TEXT"

    def from_text(self, text: str) -> str:
        if "\0" in text:
            raise ValueError("holds a NUL character")
        return text

    def from_toml(self, value: object) -> str:
        if not isinstance(value, str):
            raise ValueError(f"{_shown(value)} is not text; put it in quotes")
        return self.from_text(value)

    def to_toml(self, value: str) -> object:
        return value


class WholeNumber:
    """A whole number."""

    word = "NUMBER"

    def from_text(self, text: str) -> int:
        if _WHOLE.fullmatch(text.strip()) is None or len(text) > 18:
            raise ValueError(f"{quoted(text)} is not a whole number")
        return int(text)

    def from_toml(self, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise ValueError(f"{_shown(value)} is not a whole number")
        return value

    def to_toml(self, value: int) -> object:
        return value


class Decimal:
    """A number."""

    word = "NUMBER"

    def from_text(self, text: str) -> float:
        if _DECIMAL.fullmatch(text.strip()) is None:
            raise ValueError(f"{quoted(text)} is not a number")
        return float(text)

    def from_toml(self, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise ValueError(f"{_shown(value)} is not a number")
        return self.from_text(repr(value))

    def to_toml(self, value: float) -> object:
        return value


class Switch:
    """On or off."""

    word = "true|false"

    def from_text(self, text: str) -> bool:
        word = text.strip().lower()
        if word not in _YES | _NO:
            raise ValueError(f"{quoted(text)} is neither true nor false")
        return word in _YES

    def from_toml(self, value: object) -> bool:
        if not isinstance(value, bool):
            raise ValueError(f"{_shown(value)} is neither true nor false")
        return value

    def to_toml(self, value: bool) -> object:
        return value


class Span:
    """Seconds, as a number or a duration."""

    word = "DURATION"

    def from_text(self, text: str) -> float:
        text = text.strip()
        if _DECIMAL.fullmatch(text):
            return float(text)
        if _ZERO_DURATION.fullmatch(text):
            return 0.0
        try:
            return parse_duration(text)
        except ValueError:
            raise ValueError(
                f"{quoted(text)} is not a duration; write seconds, or one such as 300ms or 1h30m"
            ) from None

    def from_toml(self, value: object) -> float:
        return self.from_text(value) if isinstance(value, str) else Decimal().from_toml(value)

    def to_toml(self, value: float) -> object:
        return int(value) if value == int(value) else value


class Size:
    """Bytes, as a number or a size."""

    word = "SIZE"

    def from_text(self, text: str) -> int:
        text = text.strip()
        try:
            return WholeNumber().from_text(text) if _WHOLE.fullmatch(text) else parse_memory(text)
        except ValueError:
            raise ValueError(
                f"{quoted(text)} is not a size; write bytes, or a number followed by k, m or g"
            ) from None

    def from_toml(self, value: object) -> int:
        return self.from_text(value) if isinstance(value, str) else WholeNumber().from_toml(value)

    def to_toml(self, value: int) -> object:
        for unit, size in (("g", 1 << 30), ("m", 1 << 20), ("k", 1 << 10)):
            if value and value % size == 0:
                return f"{value // size}{unit}"
        return value


@dataclass(frozen=True)
class Choice:
    """One of a few words."""

    words: tuple[str, ...]

    @property
    def word(self) -> str:
        return "|".join(self.words)

    def from_text(self, text: str) -> str:
        if text not in self.words:
            raise ValueError(f"{quoted(text)} is not one of {', '.join(self.words)}")
        return text

    def from_toml(self, value: object) -> str:
        return self.from_text(Text().from_toml(value))

    def to_toml(self, value: str) -> object:
        return value


@dataclass(frozen=True)
class Items:
    """Several values: a repeated flag, a list in TOML, text with commas in the environment."""

    item: Kind

    @property
    def word(self) -> str:
        return self.item.word

    def from_text(self, text: str) -> tuple[Any, ...]:
        return self.from_texts([part.strip() for part in text.split(",") if part.strip()])

    def from_texts(self, texts: Sequence[str]) -> tuple[Any, ...]:
        """Read the values of a repeated flag."""
        return tuple(self.item.from_text(text) for text in texts)

    def from_toml(self, value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise ValueError(f"{_shown(value)} is not a list")
        return tuple(self.item.from_toml(item) for item in cast("list[object]", value))

    def to_toml(self, value: Sequence[Any]) -> object:
        return [self.item.to_toml(item) for item in value]


@dataclass(frozen=True)
class Pairs:
    """Names with a value each: ``name:value`` in flags and the environment, a table in TOML."""

    value: Kind

    @property
    def word(self) -> str:
        return f"NAME:{self.value.word}"

    def from_text(self, text: str) -> Mapping[str, Any]:
        return self.from_texts([part.strip() for part in text.split(",") if part.strip()])

    def from_texts(self, texts: Sequence[str]) -> Mapping[str, Any]:
        """Read the pairs of a repeated flag."""
        pairs: dict[str, Any] = {}
        for text in texts:
            # The last colon: a name may hold others.
            name, colon, value = text.rpartition(":")
            if not colon or not name:
                raise ValueError(f"{quoted(text)} is not of the form {self.word}")
            if name in pairs:
                raise ValueError(f"{quoted(name)} is given twice")
            try:
                pairs[name] = self.value.from_text(value)
            except ValueError as error:
                raise ValueError(f"{quoted(text)}: {error}") from None
        return types.MappingProxyType(pairs)

    def from_toml(self, value: object) -> Mapping[str, Any]:
        if isinstance(value, list):
            return self.from_texts([Text().from_toml(item) for item in cast("list[object]", value)])
        if not isinstance(value, dict):
            raise ValueError(f"{_shown(value)} is not a table of names and values")
        table = cast("dict[str, object]", value)
        return types.MappingProxyType(
            {name: self.value.from_toml(item) for name, item in table.items()}
        )

    def to_toml(self, value: Mapping[str, Any]) -> object:
        return {name: self.value.to_toml(item) for name, item in value.items()}


@dataclass(frozen=True)
class Hidden:
    """A secret of another kind."""

    inner: Kind

    @property
    def word(self) -> str:
        return self.inner.word

    def from_text(self, text: str) -> Secret[Any]:
        try:
            return Secret(self.inner.from_text(text))
        except ValueError:
            raise ValueError(f"is not of the form {self.word}") from None

    def from_toml(self, value: object) -> Secret[Any]:
        try:
            return Secret(self.inner.from_toml(value))
        except ValueError:
            raise ValueError(f"is not of the form {self.word}") from None

    def to_toml(self, value: Secret[Any]) -> object:
        return HIDDEN


@dataclass(frozen=True)
class Maybe:
    """A value, or None where nothing is set; nothing that is set reads as None."""

    inner: Kind

    @property
    def word(self) -> str:
        return self.inner.word

    def from_text(self, text: str) -> Any:
        return self.inner.from_text(text)

    def from_toml(self, value: object) -> Any:
        return self.inner.from_toml(value)

    def to_toml(self, value: Any) -> object:
        return None if value is None else self.inner.to_toml(value)


_SIMPLE: dict[object, Kind] = {
    str: Text(),
    int: WholeNumber(),
    float: Decimal(),
    bool: Switch(),
    Seconds: Span(),
    Bytes: Size(),
}


def kind_of(annotation: object) -> Kind:
    """Return the kind that a declaration's type stands for; raises TypeError for others."""
    if annotation in _SIMPLE:
        return _SIMPLE[annotation]
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is Literal and all(isinstance(word, str) for word in arguments):
        return Choice(arguments)
    if origin is Secret:
        return Hidden(kind_of(arguments[0]))
    if origin is list or (origin is tuple and arguments[1:] == (...,)) or origin is Sequence:
        return Items(kind_of(arguments[0]))
    if origin in (dict, Mapping) and arguments[0] is str:
        return Pairs(kind_of(arguments[1]))
    if origin in (types.UnionType, typing.Union) and len(arguments) == 2 and arguments[1] is _NONE:
        return Maybe(kind_of(arguments[0]))
    raise TypeError(
        f"{annotation!r} is no type of a setting; use str, int, float, bool, Seconds, Bytes, a "
        "Literal of words, Sequence[…], Mapping[str, …], Secret[…], or one of these | None"
    )


_NONE = type(None)


def _shown(value: object) -> str:
    """Return a TOML value for an error message, short."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return quoted(value)
    if isinstance(value, dict | list):
        return "a table" if isinstance(value, dict) else "a list"
    return str(value)[:60]
