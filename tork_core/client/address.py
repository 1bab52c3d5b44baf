"""Where a server is, as users write it: ``http://localhost:3000``, ``tork.example``."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import urlsplit

from tork_core.errors import UsageError
from tork_core.model.problems import quoted

DEFAULT_SERVER = "http://localhost:3000"
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True)
class Address:
    """A server. ``prefix`` stands before every path, where a proxy puts the API below one."""

    secure: bool
    host: str
    port: int
    prefix: str = ""

    @classmethod
    def parse(cls, text: str) -> Address:
        """Read an address. A host alone is meant with port 3000, a URL with the port of its scheme.

        Raises UsageError for anything else.
        """
        if not _clean(text):
            raise _malformed(text, "it holds odd characters")
        bare = "://" not in text
        try:
            parts = urlsplit(f"http://{text}" if bare else text)
            port = parts.port
        except ValueError as error:
            raise _malformed(text, str(error)) from None
        if parts.scheme not in _PORTS:
            raise _malformed(text, f"{quoted(parts.scheme)} is neither http nor https")
        if parts.username is not None or parts.password is not None:
            raise UsageError("the server's address holds a password; set TORK_API_KEY instead")
        if parts.query or parts.fragment:
            raise _malformed(text, "it has a query or a fragment")
        host = parts.hostname
        if not host:
            raise _malformed(text, "it names no host")
        if port is None:
            port = 3000 if bare else _PORTS[parts.scheme]
        return cls(parts.scheme == "https", host, port, parts.path.rstrip("/"))

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}{self.prefix}"


def _clean(text: str) -> bool:
    return text.isascii() and text.isprintable() and " " not in text


def _malformed(text: str, reason: str) -> UsageError:
    return UsageError(
        f"{quoted(text)} is no address of a server ({reason}); write one such as {DEFAULT_SERVER}"
    )
