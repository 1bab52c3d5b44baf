"""Providers: how a plugin offers a broker, a datastore or a runtime.

A provider is one declaration. From its settings the core derives the command-line options, the
environment variables, the keys of the configuration file, their validation, ``tork config show``
and the table in the docs.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from tork_core.interfaces.broker import Broker
from tork_core.interfaces.datastore import Datastore
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.runtime import Runtime
from tork_core.model.spec import LimitsSpec
from tork_core.settings import Settings

T = TypeVar("T")
Open = Callable[[Any, Environment], AbstractAsyncContextManager[T]]
"""Takes the settings and the environment; opening may raise Unavailable, closing must not."""
CheckLimits = Callable[[Any, LimitsSpec], str | None]
"""Takes the settings and limits; returns why tasks cannot be held to them here, None if they can.
Blocks for as long as it needs to see."""


@dataclass(frozen=True, kw_only=True)
class Provider(Generic[T]):
    """What every provider declares.

    ``name`` is what users write after ``--broker``, ``--datastore`` or ``--runtime``; it is unique
    per kind. ``open`` imports the plugin's client library, and not before.
    """

    name: str
    help: str
    settings: type[Settings]
    open: Open[T]
    api: int = 1


@dataclass(frozen=True, kw_only=True)
class BrokerProvider(Provider[Broker]):
    """Offers a broker. ``shared``: several processes can meet on it."""

    shared: bool


@dataclass(frozen=True, kw_only=True)
class DatastoreProvider(Provider[Datastore]):
    """Offers a datastore. ``durable``: it outlives the process; ``shared``: several can use it."""

    durable: bool
    shared: bool


@dataclass(frozen=True, kw_only=True)
class RuntimeProvider(Provider[Runtime]):
    """Offers a runtime.

    ``honours`` names the fields of a task (as on the wire: ``run``, ``cmd``) that it carries out,
    ``ignores`` those it may leave out with a warning in the task's log. A task with any other
    field of execution is failed before it starts, with an error that names the field.

    ``check_limits`` is for one that can honour ``limits`` on some hosts only: a worker with default
    limits calls it, once for each, before it opens the runtime, and does not start if they cannot
    hold. A task with limits of its own is for the runtime to fail.
    """

    honours: frozenset[str]
    ignores: frozenset[str] = frozenset()
    check_limits: CheckLimits | None = None
