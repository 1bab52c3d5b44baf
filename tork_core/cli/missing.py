"""Options that are not there because the plugin that brings them is not."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tork_core.plugins import Registry


def advice(option: str, registry: Registry) -> str | None:
    """Say which plugin would bring an option (``--rabbitmq-url``); None if that is not known."""
    from tork_core.plugins.registry import DISTRIBUTIONS

    # The prefix of an option is the name of its provider.
    prefix, dash, _ = option.lstrip("-").partition("-")
    for (kind, name), distribution in DISTRIBUTIONS.items():
        if dash and name == prefix and name not in registry.names(kind):
            return (
                f"{option} is an option of the {kind} {name}, which is not installed: "
                f"pip install {distribution}"
            )
    return None
