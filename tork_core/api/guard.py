"""Who may ask: the names under which the server answers, and the key.

A page of another site that is open in somebody's browser must get nothing, also where its host
name was made to lead here: so the ``Host`` of every request is checked, and its ``Origin`` if it
has one.
"""

from __future__ import annotations

import hmac
from collections.abc import Iterable
from ipaddress import ip_address
from urllib.parse import urlsplit

from aiohttp import hdrs, web

from tork_core.api.failures import Refusal
from tork_core.api.routing import Access, Match

LOCAL_NAMES = ("localhost", "127.0.0.1", "::1")
"""The names under which a server always answers."""


class Guard:
    """Lets a request through, or raises Refusal. ``hosts`` are further names of the server."""

    def __init__(self, hosts: Iterable[str] = (), key: str | None = None) -> None:
        named = {_plain(host) for host in (*LOCAL_NAMES, *hosts)}
        self._hosts = named - {"0.0.0.0", "::"}  # Every address is not the name of one.
        self._key = key.strip().encode() if key else None

    def check_names(self, request: web.BaseRequest) -> None:
        """Check what the request says about where it goes and where it comes from."""
        if not request.raw_path.startswith("/"):
            raise Refusal(400, "the request names no path; write one such as /jobs")
        hosts = request.headers.getall(hdrs.HOST, [])
        if len(hosts) != 1 or not hosts[0].strip():
            raise Refusal(400, "a request needs one Host header")
        if not self._is_here(_host_of(hosts[0]), request):
            raise Refusal(
                403,
                f"this server does not answer as {_short(hosts[0])}; use localhost, or name the "
                "host with --allowed-host",
            )
        for origin in request.headers.getall(hdrs.ORIGIN, []):
            if not self._is_here(_host_of_url(origin), request):
                raise Refusal(403, f"pages of {_short(origin)} may not use this server")

    def check_access(self, request: web.BaseRequest, match: Match | None) -> None:
        """Check the key, unless the matched route is open to everybody."""
        if self._key is None:
            return
        if match is not None and match.route is not None and match.route.access is Access.PUBLIC:
            return
        given = _key_of(request)
        if given is None:
            raise _unauthorized("give the API key: Authorization: Bearer KEY")
        if not hmac.compare_digest(given, self._key):
            raise _unauthorized("this is not the API key")

    def _is_here(self, host: str | None, request: web.BaseRequest) -> bool:
        if host is None:
            return False
        host = _plain(host)
        if host in self._hosts:
            return True
        # The address that the connection was made to: no name was resolved, so none was bent.
        transport = request.transport
        own = transport.get_extra_info("sockname") if transport is not None else None
        return isinstance(own, tuple) and host == _plain(str(own[0]))  # pyright: ignore


def _key_of(request: web.BaseRequest) -> bytes | None:
    for authorization in request.headers.getall(hdrs.AUTHORIZATION, []):
        scheme, _, token = authorization.partition(" ")
        if scheme.lower() == "bearer":
            return token.strip().encode("utf-8", "surrogateescape")
    for key in request.headers.getall("X-API-Key", []):
        return key.strip().encode("utf-8", "surrogateescape")
    return None


def _unauthorized(message: str) -> Refusal:
    return Refusal(401, message, headers={hdrs.WWW_AUTHENTICATE: 'Bearer realm="tork"'})


def _host_of(header: str) -> str | None:
    """The host of ``host:port``, None if it is malformed."""
    if any(character in header for character in "/@?#\\"):
        return None
    return _host_of_url(f"//{header}")


def _host_of_url(url: str) -> str | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # A malformed port raises.
    except ValueError:
        return None
    return parts.hostname


def _plain(host: str) -> str:
    """A host in one spelling: lower case, an address in its shortest form."""
    host = host.strip("[]").lower()
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    mapped = getattr(address, "ipv4_mapped", None)
    return str(mapped or address)


def _short(text: str) -> str:
    return text[:100].encode("ascii", "replace").decode()
