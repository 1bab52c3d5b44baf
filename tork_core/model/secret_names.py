"""Which names say that a value is a secret, and what is shown in its place."""

from __future__ import annotations

import re

REDACTED = "[REDACTED]"

WORDS = ("secret", "password", "access_key")
"""A name with one of these in it, in any case, is that of a secret."""

_SECRET_NAME = re.compile("|".join(WORDS), re.IGNORECASE | re.ASCII)


def is_secret_name(name: str) -> bool:
    """Whether the value of what has this name, or stands at this path, is a secret."""
    return _SECRET_NAME.search(name) is not None
