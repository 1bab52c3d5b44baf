"""Declaring settings: the options of a section, and the names that follow from them."""

from __future__ import annotations

import dataclasses
import inspect
import re
import typing
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar, cast

from tork_core.settings.kinds import Hidden, Items, Kind, Maybe, Pairs, Switch, kind_of

S = TypeVar("S", bound="Settings")

_NAME = re.compile(r"[a-z][a-z0-9]*(?:_[a-z0-9]+)*")


@dataclass(frozen=True, kw_only=True)
class Option:
    """One setting. ``default`` is computed anew for every struct, and shown as ``shown``."""

    name: str
    kind: Kind
    help: str
    default: Callable[[], Any]
    shown: str | None = None
    flag: str | None = None
    least: float | None = None
    most: float | None = None
    check: Callable[[Any], None] | None = None

    @property
    def several(self) -> bool:
        """Whether the flag may be repeated."""
        return isinstance(self.plain_kind, Items | Pairs)

    @property
    def switch(self) -> bool:
        """Whether the flag takes no value (``--x``, ``--no-x``)."""
        return isinstance(self.plain_kind, Switch)

    @property
    def secret(self) -> bool:
        """Whether the value is never shown."""
        return isinstance(self.plain_kind, Hidden)

    @property
    def plain_kind(self) -> Kind:
        """The kind of a value that is set."""
        return self.kind.inner if isinstance(self.kind, Maybe) else self.kind

    def checked(self, value: Any) -> Any:
        """Return a value that was read; raises ValueError if it is out of bounds."""
        if value is None:
            return None
        if self.least is not None and value < self.least:
            raise ValueError(f"must be at least {self.least:g}")
        if self.most is not None and value > self.most:
            raise ValueError(f"must be at most {self.most:g}")
        if self.check is not None:
            self.check(value)
        return value


class _Declared:
    """What :func:`option` leaves in the class body until the class is made."""

    def __init__(self, **given: Any) -> None:
        self.given = given


def option(
    default: Any = None,
    *,
    help: str,
    default_factory: Callable[[], Any] | None = None,
    shown: str | None = None,
    flag: str | None = None,
    least: float | None = None,
    most: float | None = None,
    check: Callable[[Any], None] | None = None,
) -> Any:
    """Declare one setting of a :class:`Settings`.

    ``default`` may be written as in a configuration file (``"64m"`` for Bytes, plain text for a
    Secret, a list or a dict for several); ``default_factory`` computes it for every process, and
    ``shown`` then says in words what it is. ``flag`` replaces the derived command-line option
    (``"--queue"``). ``least`` and ``most`` bound a number; ``check`` raises ValueError, with words
    for the user, for a value that will not do.
    """
    return _Declared(
        default=default,
        default_factory=default_factory,
        help=help,
        shown=shown,
        flag=flag,
        least=least,
        most=most,
        check=check,
    )


class Settings:
    """The settings of one part: subclass it and declare each with :func:`option`.

    A plugin's settings name their ``prefix``, which with the kind of the provider gives the names
    of flags, variables and keys. The core's own settings name their ``section`` instead. Instances
    are immutable. Overriding :meth:`check` relates settings to each other.
    """

    prefix: ClassVar[str | None] = None
    section: ClassVar[str | None] = None
    __options__: ClassVar[tuple[Option, ...]] = ()

    if typing.TYPE_CHECKING:
        # dataclass_transform does not know a default that is given by position, as option's is.
        def __init__(self, **values: Any) -> None: ...

    def but(self: S, **values: object) -> S:
        """Return the same settings with other values for some of them."""
        return cast("S", dataclasses.replace(cast("Any", self), **values))

    def __init_subclass__(cls, *, prefix: str | None = None, section: str | None = None) -> None:
        super().__init_subclass__()
        for name in (prefix, section):
            if name is not None and _NAME.fullmatch(name) is None:
                raise TypeError(f"{cls.__qualname__}: {name!r} is no name of a section")
        cls.prefix, cls.section = prefix, section
        cls.__options__ = tuple(_options(cls))
        for declared in cls.__options__:
            setattr(cls, declared.name, dataclasses.field(default_factory=declared.default))
        dataclass(frozen=True, kw_only=True)(cls)

    def check(self) -> None:
        """Raise ValueError, with words for the user, if settings contradict each other."""


def _options(cls: type[Settings]) -> typing.Iterator[Option]:
    hints = typing.get_type_hints(cls, include_extras=True)
    for name in inspect.get_annotations(cls):
        if typing.get_origin(hints[name]) is ClassVar:
            continue
        declared = cls.__dict__.get(name)
        if not isinstance(declared, _Declared) or _NAME.fullmatch(name) is None:
            raise TypeError(f"{cls.__qualname__}.{name}: declare it as name: Type = option(…)")
        try:
            yield _option(name, hints[name], **declared.given)
        except (TypeError, ValueError) as error:
            raise TypeError(f"{cls.__qualname__}.{name}: {error}") from None


def _option(
    name: str,
    annotation: object,
    *,
    default: Any,
    default_factory: Callable[[], Any] | None,
    **given: Any,
) -> Option:
    kind = kind_of(annotation)
    if default_factory is None:
        value = _default_value(kind, default)
        return Option(name=name, kind=kind, default=lambda: value, **given)
    return Option(name=name, kind=kind, default=default_factory, **given)


def _default_value(kind: Kind, default: Any) -> Any:
    if default is None:
        if not isinstance(kind, Maybe):
            raise TypeError("give a default, or make the type … | None")
        return None
    return kind.from_toml(default)


@dataclass(frozen=True)
class Section:
    """Settings together with their place, from which all names follow.

    ``path`` is that of the table in the file: ``("broker", "rabbitmq")``. ``distribution`` is
    whose they are, for messages.
    """

    path: tuple[str, ...]
    settings: type[Settings]
    distribution: str = "tork-core"

    @classmethod
    def core(cls, settings: type[Settings]) -> Section:
        """Return the section of settings that name it themselves."""
        if settings.section is None:
            raise TypeError(f"{settings.__qualname__} names no section")
        return cls((settings.section,), settings)

    @classmethod
    def provider(cls, kind: str, settings: type[Settings], distribution: str) -> Section:
        """Return the section of a provider of this kind (``broker``)."""
        if settings.prefix is None:
            raise TypeError(f"{settings.__qualname__} names no prefix")
        return cls((kind, settings.prefix), settings, distribution)

    @property
    def title(self) -> str:
        """The head of the table in the file: ``[broker.rabbitmq]``."""
        return f"[{'.'.join(self.path)}]"

    @property
    def options(self) -> tuple[Option, ...]:
        """What is declared, in that order."""
        return self.settings.__options__

    def flag(self, option: Option) -> str:
        """Return the command-line option: ``--rabbitmq-url``."""
        return option.flag or f"--{self.path[-1]}-{option.name}".replace("_", "-")

    def variable(self, option: Option) -> str:
        """Return the environment variable: ``TORK_BROKER_RABBITMQ_URL``."""
        return "_".join(("TORK", *self.path, option.name)).upper()

    def key(self, option: Option) -> str:
        """Return where the option stands in the file, in words: ``[broker.rabbitmq] url``."""
        return f"{self.title} {option.name}"
