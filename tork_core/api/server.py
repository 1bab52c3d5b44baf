"""The server: connections, and what happens to each request on its way to a route and back."""

from __future__ import annotations

import asyncio
import errno
import re
import secrets
import socket
import time
from collections.abc import AsyncGenerator, Sequence
from contextlib import asynccontextmanager

import structlog
from aiohttp import hdrs, web

from tork_core import logs
from tork_core.api.failures import NAME, REQUEST_ID, Refusal, failure, failure_of
from tork_core.api.guard import Guard
from tork_core.api.listening import taken
from tork_core.api.routes import Routes
from tork_core.api.routing import Router
from tork_core.api.service import JobService
from tork_core.api.streams import KEEP_ALIVE, Streams
from tork_core.errors import TorkError, Unavailable
from tork_core.settings.address import parse_address
from tork_core.settings.core import ApiSettings

_log = structlog.get_logger()

BACKLOG = 2048
"""Connections that may wait until they are taken."""

IDLE = 75.0
"""Seconds for which a connection may wait for its next request."""

LINGERING = 3.0
"""Seconds in which the rest of a refused body is read and dropped, so that its sender sees why."""

CLOSING_PATIENCE = 5.0
"""Seconds that requests have to be answered in when the server closes."""

SETTLING = 0.05
"""Seconds for connections that were accepted last."""

_REQUEST_ID = re.compile(r"[A-Za-z0-9._:/+=@-]{1,128}")


class Server:
    """A server that is open. :meth:`drain` refuses what is new, and goes on answering."""

    def __init__(
        self, service: JobService, settings: ApiSettings, *, keep_alive: float = KEEP_ALIVE
    ) -> None:
        self._streams = Streams(service, keep_alive=keep_alive)
        self._routes = Routes(service, self._streams, settings.body_limit)
        self._router = Router(self._routes.all())
        own = parse_address(settings.address).host
        key = settings.key.reveal() if settings.key is not None else None
        self._guard = Guard([own, *settings.allowed_hosts], key)

    def drain(self) -> None:
        """Accept no further jobs; everything else is answered as before."""
        self._routes.draining = True

    def close(self) -> None:
        """End the streams."""
        self.drain()
        self._streams.close()

    async def handle(self, request: web.BaseRequest) -> web.StreamResponse:
        """Answer a request, whatever it is."""
        started = time.perf_counter()
        given = request.headers.get(REQUEST_ID, "")
        request_id = given if _REQUEST_ID.fullmatch(given) else secrets.token_hex(8)
        request[NAME] = request_id
        with logs.bound(request=request_id):
            response = await self._answered(request)
            if not response.prepared:
                response.headers[REQUEST_ID] = request_id
                response.headers["X-Content-Type-Options"] = "nosniff"
                response.headers.setdefault(hdrs.CACHE_CONTROL, "no-store")
            _log.info(
                "http.request",
                method=request.method,
                path=request.raw_path.partition("?")[0][:500],
                status=response.status,
                seconds=round(time.perf_counter() - started, 4),
                remote=request.remote,
            )
        return response

    async def _answered(self, request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await self._routed(request)
        except (TorkError, Refusal) as error:
            if isinstance(error, Unavailable):
                _log.warning("http.unavailable", error=str(error))
            return failure_of(error)
        except ConnectionError:
            raise  # Nobody is there to be answered.
        except Exception:  # noqa: BLE001 -- a fault of ours: logged, and told without its inside
            _log.exception("http.failed", path=request.path[:500])
            return failure(500, "this is a fault in Tork, which its log says more about")

    async def _routed(self, request: web.BaseRequest) -> web.StreamResponse:
        self._guard.check_names(request)
        match = self._router.find(request.method, request.raw_path)
        self._guard.check_access(request, match)
        if match is None:
            raise Refusal(404, "there is nothing at this path; see docs/reference/rest.md")
        if match.route is None:
            allowed = ", ".join(match.methods)
            raise Refusal(
                405,
                f"{request.method[:20]} is not possible here, {allowed} is",
                headers={hdrs.ALLOW: allowed},
            )
        return await match.route.handler(request, match.parameters)


@asynccontextmanager
async def serve(
    service: JobService,
    settings: ApiSettings,
    sockets: Sequence[socket.socket],
    *,
    keep_alive: float = KEEP_ALIVE,
) -> AsyncGenerator[Server]:
    """Serve the API on bound sockets for as long as the context is open.

    Leaving it ends the streams, and waits a little for requests that are being answered.
    """
    server = Server(service, settings, keep_alive=keep_alive)
    connections = _Connections(
        server.handle,
        auto_decompress=False,
        access_log=None,
        keepalive_timeout=IDLE,
        lingering_time=LINGERING,
    )
    runner = web.ServerRunner(connections, shutdown_timeout=CLOSING_PATIENCE)
    await runner.setup()
    try:
        for bound in sockets:
            try:
                await web.SockSite(runner, bound, backlog=BACKLOG).start()
            except OSError as error:
                if error.errno == errno.EADDRINUSE:
                    raise taken(settings.address) from None
                raise
        yield server
    finally:
        server.close()
        for site in list(runner.sites):
            await site.stop()
        # What was accepted a moment ago begins its request, or is seen to be idle: aiohttp would
        # wait for the whole patience for a connection that it finds in between.
        await asyncio.sleep(SETTLING)
        await runner.cleanup()
        for bound in sockets:
            bound.close()


class _Connections(web.Server):
    """Makes connections that answer in JSON also to what is no HTTP."""

    def __call__(self) -> web.RequestHandler:
        return _Connection(self, loop=asyncio.get_running_loop(), **self._kwargs)


class _Connection(web.RequestHandler):
    """A connection of a client."""

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Answer what could not be read as a request; it never reached a route."""
        if request.writer.output_size > 0:
            raise ConnectionError("an answer has begun already")
        if status < 500:
            reason = str(message or exc or "").partition("\n")[0][:200]
            response = failure(status, f"this is no request of HTTP: {reason.rstrip(':')}")
            _log.info("http.malformed", status=status, remote=request.remote)
        else:
            _log.error("http.failed", exc_info=exc)
            response = failure(status, "this is a fault in Tork, which its log says more about")
        response.force_close()
        return response
