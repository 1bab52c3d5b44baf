"""What a request says: its body, its parameters, its ids; raises Refusal for what will not do."""

from __future__ import annotations

import asyncio
import re
import zlib
from collections.abc import Awaitable, Callable, Mapping
from datetime import UTC, datetime, timedelta

from aiohttp import hdrs, web
from aiohttp.client_exceptions import ClientPayloadError
from aiohttp.http_exceptions import HttpProcessingError

from tork_core.api.failures import Refusal
from tork_core.errors import NotFound
from tork_core.model.reading import Format

BODY_PATIENCE = 60.0
"""Seconds in which a body has to come."""

_FORMATS: Mapping[str, Format] = {
    "application/json": "json",
    "application/yaml": "yaml",
    "application/x-yaml": "yaml",
    "text/yaml": "yaml",
    "text/x-yaml": "yaml",
}
_CHARSETS = frozenset({"utf-8", "utf8", "us-ascii", "ascii"})
_ID = re.compile("[0-9a-f]{32}")
_KEY = re.compile("[!-~](?:[ -~]{0,253}[!-~])?")
_NUMBER = re.compile("[0-9]{1,9}")
_GZIP_OR_ZLIB = 32 + zlib.MAX_WBITS
"""zlib finds out itself which of the two it is."""
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def body_format(request: web.BaseRequest) -> Format:
    """Return the format that the content type names."""
    given = request.headers.get(hdrs.CONTENT_TYPE, "").strip()
    if not given:
        raise Refusal(400, f"the request has no Content-Type; send {_WANTED}")
    kind, *parameters = (part.strip() for part in given.split(";"))
    format = _FORMATS.get(kind.lower())
    if format is None:
        raise Refusal(415, f"the Content-Type {_short(kind)} is not known; send {_WANTED}")
    for parameter in parameters:
        name, _, value = parameter.partition("=")
        charset = value.strip().strip('"').lower()
        if name.strip().lower() == "charset" and charset not in _CHARSETS:
            raise Refusal(415, f"the charset {_short(charset)} is not known; send UTF-8")
    return format


_WANTED = "application/json or text/yaml"


async def body(request: web.BaseRequest, limit: int) -> bytes:
    """Return the body, decompressed; refuses more than ``limit`` bytes of it.

    Whoever waits for leave to send it (``Expect: 100-continue``) gets it here, when all that the
    headers say has been found fit.
    """
    expected = request.headers.get(hdrs.EXPECT, "").strip().lower()
    if expected not in ("", "100-continue"):
        raise Refusal(417, f"Expect: {_short(expected)} is not known", close=True)
    if (request.content_length or 0) > limit:
        raise _too_large(limit)
    coding = _coding(request)
    if expected and request.version >= (1, 1):
        await request.writer.write(b"HTTP/1.1 100 Continue\r\n\r\n")
        request.writer.output_size = 0
    try:
        async with asyncio.timeout(BODY_PATIENCE):
            return await (coding(request, limit) if coding else _plain(request, limit))
    except TimeoutError:
        raise Refusal(408, "the body took too long to come", close=True) from None
    except zlib.error as error:
        raise Refusal(400, f"the body cannot be decompressed: {error}", close=True) from None
    except (ClientPayloadError, HttpProcessingError, web.RequestPayloadError) as error:
        reason = _short(str(error).split("\n", 1)[0])
        raise Refusal(400, f"the body is malformed: {reason}", close=True) from None


async def _plain(request: web.BaseRequest, limit: int) -> bytes:
    data = bytearray()
    async for chunk in request.content.iter_any():
        data += chunk
        if len(data) > limit:
            raise _too_large(limit)
    return bytes(data)


async def _inflated(request: web.BaseRequest, limit: int) -> bytes:
    """Decompress no more than ``limit`` allows, however small a bomb is."""
    inflater = zlib.decompressobj(_GZIP_OR_ZLIB)
    data = bytearray()
    async for chunk in request.content.iter_any():
        data += inflater.decompress(chunk, limit + 1 - len(data))
        if len(data) > limit:
            raise _too_large(limit)
        if inflater.unused_data:
            raise Refusal(400, "something follows the compressed body", close=True)
    if not inflater.eof:
        raise Refusal(400, "the compressed body is broken off", close=True)
    return bytes(data)


def _coding(
    request: web.BaseRequest,
) -> Callable[[web.BaseRequest, int], Awaitable[bytes]] | None:
    coding = ",".join(request.headers.getall(hdrs.CONTENT_ENCODING, [])).strip().lower()
    if coding in ("", "identity"):
        return None
    if coding in ("gzip", "x-gzip", "deflate"):
        return _inflated
    raise Refusal(
        415,
        f"the Content-Encoding {_short(coding)} is not known; send gzip, deflate, or none",
        headers={hdrs.ACCEPT_ENCODING: "gzip, deflate"},
    )


def _too_large(limit: int) -> Refusal:
    return Refusal(
        413,
        f"the body is larger than {limit:,} bytes; let the job's scripts fetch what is large",
        close=True,
    )


def idempotency_key(request: web.BaseRequest) -> str | None:
    """Return the key that makes submissions one job, None if there is none."""
    keys = request.headers.getall("Idempotency-Key", [])
    if not keys:
        return None
    if len(keys) > 1 or _KEY.fullmatch(keys[0]) is None:
        raise Refusal(400, "an Idempotency-Key is 1 to 255 printable characters of ASCII")
    return keys[0]


def id_of(kind: str, parameters: Mapping[str, str]) -> str:
    """Return the id in the path; what cannot be one is answered as an unknown one is."""
    given = parameters["id"]
    if _ID.fullmatch(given) is None:
        raise NotFound(f"there is no {kind} {_short(given)}: an id is 32 hexadecimal digits")
    return given


def number(
    request: web.BaseRequest, name: str, default: int, *, least: int = 1, most: int = 999_999_999
) -> int:
    """Return a number among the parameters of the query."""
    given = request.query.getall(name, [])
    if not given:
        return default
    if len(given) == 1 and _NUMBER.fullmatch(given[0]) and least <= int(given[0]) <= most:
        return int(given[0])
    bounds = f"from {least} to {most}" if most < 999_999_999 else f"from {least} on"
    raise Refusal(400, f"{name}={_short(', '.join(given))}: {name} is a whole number {bounds}")


def queues(request: web.BaseRequest, most: int) -> list[str]:
    """Return the further queues that the query names (``queue=a&queue=b``)."""
    given = request.query.getall("queue", [])
    if len(given) > most or not all(given):
        raise Refusal(400, f"queue: name up to {most} queues, each with queue=NAME")
    return given


def place(request: web.BaseRequest) -> tuple[datetime, str] | None:
    """Return the job at which a listing begins, as :func:`place_text` has written it."""
    given = request.query.get("until")
    if given is None:
        return None
    micros, _, job_id = given.partition("-")
    if not re.fullmatch("[0-9]{1,17}", micros) or _ID.fullmatch(job_id) is None:
        raise Refusal(400, f"until={_short(given)}: take until from the Link of a page before")
    return _EPOCH + timedelta(microseconds=int(micros)), job_id


def place_text(created_at: datetime, job_id: str) -> str:
    """Write the job at which a listing begins."""
    return f"{(created_at - _EPOCH) // timedelta(microseconds=1)}-{job_id}"


def _short(text: str) -> str:
    return text[:100].encode("ascii", "backslashreplace").decode()
