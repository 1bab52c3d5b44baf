"""A real server on a free port, with a worker that runs tasks in the shell."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import aiohttp
import pytest

from tork_core.api.listening import open_sockets
from tork_core.api.server import Server, serve
from tork_core.engine import Engine
from tork_core.settings.core import ApiSettings, RuntimeChoice, WorkerSettings
from tork_core.testing.waiting import eventually

YAML = {"Content-Type": "text/yaml"}
JSON = {"Content-Type": "application/json"}
HELLO = "name: hello\ntasks:\n- name: say\n  run: echo hello\n"


@dataclass
class Api:
    """A server, and a client of it."""

    port: int
    engine: Engine
    server: Server
    session: aiohttp.ClientSession

    async def call(
        self, method: str, path: str, body: Any = None, **headers: str
    ) -> tuple[int, Any]:
        """Send a request; return the status and what the answer says."""
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.session.request(method, path, data=body, headers=given) as response:
            text = await response.text()
            return response.status, json.loads(text) if text else None

    async def get(self, path: str, **headers: str) -> Any:
        """Return what a path shows."""
        status, body = await self.call("GET", path, **headers)
        assert status == 200, body
        return body

    async def submit(self, job: str = HELLO, **headers: str) -> Any:
        """Submit a job in YAML; return it as it was accepted."""
        status, body = await self.call("POST", "/jobs", job, Content_Type="text/yaml", **headers)
        assert status == 200, body
        return body

    async def ended(self, job_id: str, within: float = 20) -> Any:
        """Return a job when it has ended."""
        return await eventually(
            lambda: self.get(f"/jobs/{job_id}"),
            lambda job: job["state"] in ("COMPLETED", "FAILED", "CANCELLED"),
            within=within,
        )

    async def running(self, job_id: str) -> Any:
        """Return a job when one of its tasks runs."""
        return await eventually(
            lambda: self.get(f"/jobs/{job_id}"),
            lambda job: any(task["state"] == "RUNNING" for task in job.get("execution", [])),
            within=20,
        )

    async def raw(self, request: bytes, *, within: float = 5) -> bytes:
        """Send bytes as they are; return all that comes until the server has closed."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            writer.write(request)
            return await asyncio.wait_for(reader.read(), within)
        finally:
            writer.close()


Open = Callable[..., AbstractAsyncContextManager[Api]]


@asynccontextmanager
async def _opened(
    *, keep_alive: float = 15, queues: int = 4, **settings: Any
) -> AsyncIterator[Api]:
    chosen = ApiSettings(address="localhost:0", **settings)
    sockets = open_sockets(chosen)
    port = sockets[0].getsockname()[1]
    worker = WorkerSettings(queues={"default": queues}, grace=2)
    async with (
        Engine(RuntimeChoice(type="shell"), worker) as engine,
        serve(engine.service, chosen, sockets, keep_alive=keep_alive) as server,
        aiohttp.ClientSession(f"http://localhost:{port}") as session,
    ):
        await engine.ready()
        yield Api(port, engine, server, session)


@pytest.fixture
def open_api() -> Open:
    """Returns a function that opens a server with these settings."""
    return _opened


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    """A server with the default settings."""
    async with _opened() as opened:
        yield opened
