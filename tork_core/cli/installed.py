"""The plugins of this process, for commands."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

import click

if TYPE_CHECKING:
    from tork_core.plugins import Registry

_KEY = "tork_core.registry"


def registry_of(ctx: click.Context) -> Registry:
    """Return what plugins offer; they are loaded at the first call within one invocation."""
    meta = ctx.find_root().meta
    if _KEY not in meta:
        from tork_core.plugins import load

        meta[_KEY] = load()
    return cast("Registry", meta[_KEY])
