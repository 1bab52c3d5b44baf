"""What the commands that talk to a server have in common: ``--server`` and ``--json``."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar

import click

if TYPE_CHECKING:
    from tork_core.client import Client

C = TypeVar("C", bound=Callable[..., Any])


def with_server(command: C) -> C:
    """Add ``--server``; the command gets a Client as ``client``."""
    return click.option(
        "--server",
        "client",
        metavar="URL",
        envvar="TORK_SERVER",
        default="http://localhost:3000",
        show_default=True,
        show_envvar=True,
        callback=_client,
        help="The server to talk to. TORK_API_KEY holds its key, if it wants one.",
    )(command)


def with_json(command: C) -> C:
    """Add ``--json``, as ``as_json``."""
    return click.option(
        "--json", "as_json", is_flag=True, help="Print one JSON value: what the API answers."
    )(command)


def _client(ctx: click.Context, param: click.Parameter, value: str) -> Client | None:
    if ctx.resilient_parsing:
        return None
    from tork_core.client import Client

    return Client(value)
