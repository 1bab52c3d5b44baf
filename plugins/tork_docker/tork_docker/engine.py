"""The connection to a Docker engine, and the few calls that we make.

What is used of aiodocker is spelt out as protocols here: its own types leave much open. Its errors
become :class:`EngineError`, whatever went wrong.
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine, Generator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

import aiodocker
import aiohttp
from aiodocker.stream import Stream
from yarl import URL

from tork_core.errors import Unavailable, UsageError

T = TypeVar("T")
Json = Mapping[str, Any]

_OLDEST = (1, 30)
_NEWEST = (1, 51)
"""The versions of the engine's API that we know; between them it only grew in what we use."""

_ANSWER = 120.0
"""Seconds that the engine may take for a call, on a busy machine; not for waiting and following."""

_PING = 5.0
_LOST = 900
"""The status that aiodocker gives when there was no answer at all."""
_DEFAULT = "unix:///var/run/docker.sock"
_WITHOUT_ENGINE = (
    "start one, let your user talk to it (the group docker), or name another with --docker-host; "
    "--runtime shell runs tasks without containers, and without isolation"
)
"""What to do, for those whose first command fails for the want of an engine."""


class EngineError(Exception):
    """The engine refused a call (``status`` is that of HTTP) or did not answer (``status`` 0)."""

    def __init__(self, status: int, message: str) -> None:
        self.status = status
        self.message = message
        super().__init__(message)


class _NoAnswer(EngineError):
    """Nobody is there: no engine, or none that this user may talk to."""

    def __init__(self, message: str) -> None:
        super().__init__(0, message)


class _Container(Protocol):
    async def start(self) -> None: ...
    async def wait(self, *, timeout: object) -> Json: ...
    async def kill(self, *, signal: str) -> None: ...
    async def show(self) -> Json: ...
    async def put_archive(self, path: str, data: bytes) -> object: ...
    async def delete(self, *, force: bool, v: bool, timeout: object) -> None: ...


class _Containers(Protocol):
    async def create(self, config: Json, *, name: str) -> object: ...
    def container(self, container_id: str) -> _Container: ...


class _Docker(Protocol):
    docker_host: str
    api_version: str
    session: aiohttp.ClientSession
    containers: _Containers


class Engine:
    """An open connection to an engine. Every call raises EngineError."""

    def __init__(self, docker: aiodocker.Docker, url: str) -> None:
        self.url = url
        self._stream_docker = docker
        self._docker = cast(_Docker, docker)

    async def negotiate(self) -> None:
        """Choose the newest version of the API that both of us speak."""
        with _errors(self.url):
            answer = await self._get("version", versioned=False)
        newest = _version(str(answer.get("ApiVersion", "1.41")))
        oldest = _version(str(answer.get("MinAPIVersion", "1.12")))
        if newest < _OLDEST:
            raise EngineError(0, f"its API {_shown(newest)} is too old, at least 1.30 is needed")
        self._docker.api_version = "v" + _shown(max(min(newest, _NEWEST), oldest))

    @property
    def api_version(self) -> str:
        """The version of the API in use, such as ``v1.41``."""
        return self._docker.api_version

    async def ping(self) -> None:
        """Ask whether the engine is there."""
        with _errors(self.url):
            async with self._call("GET", "_ping", versioned=False, timeout=_PING) as response:
                await response.read()

    async def create(self, name: str, config: Json) -> None:
        """Make a container. Status 404: the image is not there."""
        with _errors(self.url):
            await self._docker.containers.create(config, name=name)

    async def start(self, name: str) -> None:
        """Start a container."""
        with _errors(self.url):
            await self._container(name).start()

    async def wait(self, name: str) -> int:
        """Wait for a container's end, however long it takes; returns its exit code."""
        with _errors(self.url):
            return int((await self._container(name).wait(timeout=None))["StatusCode"])

    async def signal(self, name: str, signal: str) -> None:
        """Send a signal to a container's first process."""
        with _errors(self.url):
            await self._container(name).kill(signal=signal)

    async def state(self, name: str) -> Json:
        """Return what the engine knows of a container's process."""
        with _errors(self.url):
            return cast(Json, (await self._container(name).show())["State"])

    async def remove(self, name: str) -> None:
        """Kill and remove a container with its own volumes, if it is there."""
        with _errors(self.url):
            try:
                limit = aiohttp.ClientTimeout(total=_ANSWER)
                await self._container(name).delete(force=True, v=True, timeout=limit)
            except aiodocker.DockerError as error:
                if error.status not in (404, 409):  # gone, or on its way
                    raise
                if error.status == 409 and "already in progress" not in error.message:
                    raise

    async def put(self, name: str, folder: str, archive: bytes) -> None:
        """Unpack an archive (tar) in a folder of a container."""
        with _errors(self.url):
            await self._container(name).put_archive(folder, archive)

    async def get(self, name: str, path: str, limit: int) -> bytes | None:
        """Return the first ``limit`` bytes of the archive (tar) of a path; None: no such path."""
        with _errors(self.url):
            place = f"containers/{name}/archive"
            async with self._call("GET", place, params={"path": path}) as response:
                if response.status == 404:
                    return None
                await _check(response)
                data = bytearray()
                async for chunk in response.content.iter_any():
                    data += chunk
                    if len(data) >= limit:
                        response.close()  # what else there is we do not want to hear
                        break
                return bytes(data[:limit])

    @asynccontextmanager
    async def attach(self, name: str) -> AsyncGenerator[Attached]:
        """Hold a container's streams, from before its start to the end."""

        async def where() -> tuple[URL, bytes | None, bool]:
            query = {"stream": "1", "stdin": "1", "stdout": "1", "stderr": "1"}
            return URL(f"containers/{name}/attach").with_query(query), None, False

        stream = Stream(self._stream_docker, where)
        with _errors(self.url):
            # What follows may take any time, but not the answer that it can begin.
            async with asyncio.timeout(_ANSWER):
                await stream.__aenter__()
        try:
            yield Attached(stream, self.url)
        finally:
            await stream.close()

    async def pull(self, image: str, auth: Json | None) -> AsyncIterator[Json]:
        """Pull an image, and give the engine's reports of progress."""
        with _errors(self.url):
            async with self._call(
                "POST",
                "images/create",
                params=_reference(image),
                headers=_auth_header(auth),
                timeout=None,
            ) as response:
                await _check(response)
                async for line in response.content:
                    report = json.loads(line)
                    if "error" in report:
                        raise EngineError(0, str(report["error"]))
                    yield report

    async def owned(self, kind: str, label: str) -> dict[str, str]:
        """Return the ids of ``containers``, ``volumes`` or ``networks`` that have a label, and it.

        A volume's id is its name.
        """
        filters = {"filters": f'{{"label":["{label}"]}}'}
        place = {"containers": "containers/json"}.get(kind, kind)
        with _errors(self.url):
            answer = await self._get(place, params={"all": "1", **filters})
            if kind == "volumes":
                answer = answer["Volumes"]
        found = cast(list[Json], answer or [])
        return {item.get("Id") or item["Name"]: item["Labels"][label] for item in found}

    async def discard(self, kind: str, identity: str) -> None:
        """Remove a container, a volume or a network, if it is there."""
        if kind == "containers":
            await self.remove(identity)
            return
        with _errors(self.url):
            async with self._call("DELETE", f"{kind}/{identity}") as response:
                if response.status != 404:
                    await _check(response)

    def _container(self, name: str) -> _Container:
        return self._docker.containers.container(name)

    async def _get(
        self, path: str, *, params: Mapping[str, str] | None = None, versioned: bool = True
    ) -> Any:
        async with self._call("GET", path, params=params, versioned=versioned) as response:
            await _check(response)
            return await response.json()

    def _call(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        versioned: bool = True,
        timeout: float | None = _ANSWER,
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        version = f"{self._docker.api_version}/" if versioned else ""
        return self._docker.session.request(
            method,
            f"{self._docker.docker_host}/{version}{path}",
            params=params,
            headers=headers,
            timeout=aiohttp.ClientTimeout(total=timeout),
        )


class Attached:
    """The streams of a container."""

    def __init__(self, stream: Stream, url: str) -> None:
        self._stream = stream
        self._url = url

    async def write(self, data: bytes) -> None:
        """Write to the container's standard input. Raises EngineError, also where it has ended."""
        try:
            with _errors(self._url):
                await self._stream.write_in(data)
        except AssertionError as error:
            # aiodocker takes it for sure that the connection is there. The engine closes it with
            # the container's last stream, and on a busy host we may see that before we write.
            raise EngineError(0, "the container has ended, and takes nothing more") from error

    async def read(self) -> tuple[int, bytes] | None:
        """Return what came next, and on which stream (1 or 2); None at the end of both."""
        with _errors(self._url):
            message = await self._stream.read_out()
        return None if message is None else (message.stream, message.data)


@asynccontextmanager
async def open_engine(host: str) -> AsyncGenerator[Engine]:
    """Connect to the engine at ``host``, by default the one that Docker's own tools would take.

    Raises UsageError for an address that cannot be, Unavailable if no engine answers there.
    """
    url = host or os.environ.get("DOCKER_HOST") or _DEFAULT
    connector, base = _connector(url)
    async with (
        connector,
        aiohttp.ClientSession(connector=connector) as session,
        aiodocker.Docker(
            base, connector=connector, session=session, timeout=aiohttp.ClientTimeout(total=_ANSWER)
        ) as docker,
    ):
        engine = Engine(docker, url)
        try:
            await engine.negotiate()
        except _NoAnswer as error:
            raise Unavailable("docker", f"{error.message}; {_WITHOUT_ENGINE}") from error
        except EngineError as error:
            raise Unavailable("docker", error.message) from error
        yield engine


async def uncut(work: Coroutine[Any, Any, T]) -> T:
    """Carry a call to the engine to its end; a cancellation meanwhile is raised after it.

    A call that was cut off may still be carried out, and would leave a container behind.
    """
    call = asyncio.ensure_future(work)
    cancelled = None
    while not call.done():
        try:
            await asyncio.wait([call])
        except asyncio.CancelledError as error:
            cancelled = error
    if cancelled is not None:
        if not call.cancelled():
            call.exception()  # seen: what follows a cancellation is the removal in any case
        raise cancelled
    return call.result()


def _connector(url: str) -> tuple[aiohttp.BaseConnector, str]:
    """How to reach an engine: without a limit, since each task holds a connection while it runs."""
    if url.startswith("unix://"):
        return aiohttp.UnixConnector(url.removeprefix("unix://"), limit=0), "unix://localhost"
    scheme, separator, place = url.partition("://")
    if not separator or scheme not in ("tcp", "http", "https") or not place:
        raise UsageError(
            f"{url}: this address of a Docker engine cannot be used; write unix:///PATH or "
            "tcp://HOST:PORT"
        )
    if scheme == "https" or os.environ.get("DOCKER_TLS_VERIFY"):
        return aiohttp.TCPConnector(limit=0, ssl=_tls()), f"https://{place}"
    return aiohttp.TCPConnector(limit=0), f"http://{place}"


def _tls() -> ssl.SSLContext:
    """The certificates in DOCKER_CERT_PATH, as Docker's own tools use them."""
    folder = Path(os.environ.get("DOCKER_CERT_PATH") or Path.home() / ".docker")
    try:
        context = ssl.create_default_context(cafile=str(folder / "ca.pem"))
        context.load_cert_chain(str(folder / "cert.pem"), str(folder / "key.pem"))
    except (OSError, ssl.SSLError) as error:
        raise UsageError(f"{folder}: no certificates for the Docker engine: {error}") from error
    return context


@contextmanager
def _errors(url: str) -> Generator[None]:
    try:
        yield
    except aiodocker.DockerError as error:
        if error.status == _LOST:
            raise _no_answer(url, error.__context__ or error) from error
        raise EngineError(error.status, error.message) from error
    except TimeoutError as error:
        raise EngineError(0, f"the Docker engine at {url} does not answer in time") from error
    except (aiohttp.ClientError, OSError) as error:
        raise _no_answer(url, error) from error


def _no_answer(url: str, error: BaseException) -> _NoAnswer:
    reason = str(error) or type(error).__name__
    if isinstance(error, aiohttp.ClientConnectorError):
        reason = error.os_error.strerror or reason  # in fewer words
    return _NoAnswer(f"no Docker engine answers at {url}: {reason}")


async def _check(response: aiohttp.ClientResponse) -> None:
    if response.status >= 400:
        raise aiodocker.DockerError(response.status, _message(await response.read()))


def _message(body: bytes) -> str:
    """The engine's words for what it refused."""
    try:
        return str(json.loads(body)["message"])
    except (ValueError, KeyError, TypeError):
        return body.decode(errors="replace")


def _version(text: str) -> tuple[int, int]:
    major, _, minor = text.partition(".")
    return int(major), int(minor or 0)


def _shown(version: tuple[int, int]) -> str:
    return f"{version[0]}.{version[1]}"


def _reference(image: str) -> dict[str, str]:
    """Name one image: without a tag the engine would pull all of them."""
    last = image.rpartition("/")[2]
    named = ":" in last or "@" in last
    return {"fromImage": image} if named else {"fromImage": image, "tag": "latest"}


def _auth_header(auth: Json | None) -> dict[str, str]:
    if auth is None:
        return {}
    return {"X-Registry-Auth": base64.urlsafe_b64encode(json.dumps(auth).encode()).decode()}
