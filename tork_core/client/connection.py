"""One exchange with a server, by the standard library, and what its errors mean."""

from __future__ import annotations

import http.client
from collections.abc import Generator, Mapping
from contextlib import contextmanager

import msgspec

from tork_core.client.address import Address
from tork_core.errors import Busy, Conflict, NotFound, TorkError, Unavailable

_ERROR_CAP = 64 * 1024
"""Bytes of an error that are read."""

Headers = Mapping[str, str]


class Refused(TorkError):
    """The server did not do what it was asked to; ``status`` is HTTP's."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        super().__init__(message)


class Unreachable(Unavailable):
    """There was no connection, so nothing was sent either."""


class _Error(msgspec.Struct, frozen=True):
    error: str


@contextmanager
def exchange(
    address: Address,
    method: str,
    path: str,
    *,
    body: bytes | None = None,
    headers: Headers | None = None,
    timeout: float,
) -> Generator[http.client.HTTPResponse]:
    """Send a request and give its answer, to be read within the context.

    ``timeout`` is the longest wait, in seconds, for each step: to connect, to send, to read.
    Raises Unavailable if there is no answer, and the error that the answer means if it is one.
    """
    kind = http.client.HTTPSConnection if address.secure else http.client.HTTPConnection
    connection = kind(address.host, address.port, timeout=timeout)
    try:
        with _translated(address):
            connection.connect()
        with _translated(address, connected=True):
            try:
                connection.request(method, address.prefix + path, body, dict(headers or {}))
            except (BrokenPipeError, ConnectionResetError):
                # It may have answered before it read everything: that the body is too long, say.
                if body is None:
                    raise
            response = connection.getresponse()
            if response.status >= 300:
                raise _error(response, address)
            yield response
    finally:
        connection.close()


@contextmanager
def _translated(address: Address, *, connected: bool = False) -> Generator[None]:
    """Turn what the standard library raises into Unavailable."""
    try:
        yield
    except TimeoutError:
        raise Unavailable(str(address), "it did not answer in time") from None
    except http.client.RemoteDisconnected:
        raise Unavailable(str(address), "it closed the connection without an answer") from None
    except http.client.IncompleteRead:
        raise Unavailable(str(address), "the connection was lost") from None
    except (http.client.HTTPException, UnicodeError) as error:
        reason = " ".join(str(error).split())[:100]
        raise Unavailable(str(address), f"it does not speak HTTP ({reason})") from None
    except OSError as error:
        reason = error.strerror or str(error)
        if connected:
            raise Unavailable(str(address), f"the connection was lost ({reason})") from None
        raise Unreachable(
            str(address),
            f"no server can be reached there ({reason}); start one with `tork run standalone`, or "
            "name another with --server or TORK_SERVER",
        ) from None


def _error(response: http.client.HTTPResponse, address: Address) -> TorkError:
    status = response.status
    try:
        message = msgspec.json.decode(response.read(_ERROR_CAP), type=_Error).error
    except (msgspec.DecodeError, UnicodeDecodeError):
        # A proxy's page, or another kind of server.
        message = f"{address} answered {status} {response.reason}"
        return Busy(message) if status in (502, 503, 504) else Refused(status, message)
    # It may end on a terminal, whoever sent it.
    message = "".join(char for char in message if char.isprintable() or char == "\n")
    match status:
        case 401:
            return Refused(status, f"{message} (TORK_API_KEY holds the key)")
        case 404:
            return NotFound(message)
        case 409:
            return Conflict(message)
        case 429 | 503:
            return Busy(message)
        case _:
            return Refused(status, message)
