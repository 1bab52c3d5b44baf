"""A socket in front of an engine's: it counts the calls, and can be cut."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

_CALL = re.compile(rb"(GET|HEAD|POST|PUT|DELETE) (?:/v[\d.]+)?/([^ ?]+)[^ ]* HTTP/1.1\r\n")


class Proxy:
    """What passed, and the connections that are open."""

    def __init__(self, target: str) -> None:
        self.calls: list[str] = []
        self._target = target
        self._open: set[asyncio.StreamWriter] = set()
        self.silent = asyncio.Event()
        """When set, nothing that is sent reaches the engine any more."""
        self.silent_from: str | None = None
        """The call that sets it."""

    def cut(self) -> None:
        """Break all connections."""
        for writer in self._open:
            writer.transport.abort()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        there, answers = None, None
        try:
            answers, there = await asyncio.open_unix_connection(self._target)
            self._open |= {writer, there}
            back = asyncio.create_task(_pass(answers, writer))
            with suppress(ConnectionError):
                while data := await reader.read(65536):
                    self.calls += [
                        f"{method.decode()} {_named(path.decode())}"
                        for method, path in _CALL.findall(data)
                    ]
                    if self.silent_from in self.calls:
                        self.silent.set()
                    if not self.silent.is_set():
                        there.write(data)
                        await there.drain()
            there.close()
            await back
        finally:
            for end in (writer, there):
                if end is not None:
                    self._open.discard(end)
                    end.close()


async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
    writer.close()


def _named(path: str) -> str:
    """A path without the names of containers."""
    return re.sub(r"tork-[0-9a-f]+", "NAME", path)


@asynccontextmanager
async def open_proxy(host: str, folder: Path) -> AsyncGenerator[tuple[Proxy, str]]:
    """Open a socket in front of the engine at ``host``; gives its address too."""
    proxy = Proxy(host.removeprefix("unix://"))
    path = folder / "proxy.sock"
    server = await asyncio.start_unix_server(proxy.serve, path)
    async with server:
        yield proxy, f"unix://{path}"
        proxy.cut()
        server.close()
