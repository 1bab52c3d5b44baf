"""Opening the sockets that the API is served on; refusing those that would be open to others."""

from __future__ import annotations

import errno
import socket
from collections.abc import Sequence
from contextlib import ExitStack
from ipaddress import ip_address

from tork_core.errors import TorkError, Unavailable, UsageError
from tork_core.settings.address import Address, parse_address
from tork_core.settings.core import ApiSettings


def open_sockets(settings: ApiSettings) -> list[socket.socket]:
    """Bind every address that the host of the settings stands for; they do not listen yet.

    Raises UsageError for a host that is unknown or, without a key, can be reached from elsewhere;
    and Unavailable for a port that is taken.
    """
    address = parse_address(settings.address)
    found = _resolve(address)
    open_to_others = [place[0] for _, place in found if not ip_address(_bare(place[0])).is_loopback]
    if open_to_others and settings.key is None and not settings.insecure_open:
        raise UsageError(
            f"{address} can be reached from other machines, and whoever reaches the API may run "
            "anything here; set TORK_API_KEY, or listen on localhost, or say --insecure-open-api"
        )
    with ExitStack() as stack:
        sockets: list[socket.socket] = []
        port = address.port
        for family, place in found:
            bound = _bind(family, (place[0], port, *place[2:]), address)
            if bound is not None:
                sockets.append(stack.enter_context(bound))
                port = bound.getsockname()[1]  # One free port for all of them.
        if not sockets:
            raise UsageError(f"{address} is no address of this machine")
        stack.pop_all()
        return sockets


def url_of(settings: ApiSettings, sockets: Sequence[socket.socket]) -> str:
    """Return where the API is to be found, with the port that was bound."""
    host = parse_address(settings.address).host
    return f"http://{Address(host, sockets[0].getsockname()[1])}"


def taken(address: str) -> TorkError:
    """Return the error for a port that somebody else listens on."""
    return Unavailable(
        f"address {address}", "is in use; end what listens there, or choose another --address"
    )


def _resolve(address: Address) -> list[tuple[int, tuple[str, ...]]]:
    try:
        found = socket.getaddrinfo(
            address.host, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )
    except OSError as error:
        raise UsageError(f"{address}: the host {address.host} is not known: {error}") from None
    # IPv4 first: of a free port it is known sooner whether it is free in both.
    places = sorted({(int(family), place) for family, _, _, _, place in found}, key=lambda p: p[0])
    return [(family, place) for family, place in places]  # pyright: ignore[reportReturnType]


def _bind(family: int, place: tuple[object, ...], address: Address) -> socket.socket | None:
    """Bind one address, None if this machine does not have it."""
    try:
        bound = socket.socket(family, socket.SOCK_STREAM)
    except OSError:
        return None  # No IPv6 here.
    try:
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if family == socket.AF_INET6:
            bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        bound.bind(place)
    except OSError as error:
        bound.close()
        if error.errno in (errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT):
            return None
        if error.errno == errno.EADDRINUSE:
            raise taken(str(address)) from None
        if error.errno == errno.EACCES:
            raise UsageError(
                f"{address}: this user may not listen on port {address.port}"
            ) from None
        raise
    return bound


def _bare(host: str) -> str:
    return host.partition("%")[0]
