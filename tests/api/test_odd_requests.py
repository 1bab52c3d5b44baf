"""Requests of HTTP's darker corners: each is answered in JSON, none with a 500."""

from __future__ import annotations

import asyncio
import gzip
import json
import threading
from typing import Any

import pytest

from tests.api.hostile import bomb
from tork_core.api import service
from tork_core.testing.waiting import eventually


def _parsed(answer: bytes) -> tuple[int, dict[str, str], Any]:
    head, _, body = answer.partition(b"\r\n\r\n")
    first, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    return int(first.split(" ")[1]), headers, json.loads(body) if body else None


@pytest.mark.parametrize("path", ["/health", "/jobs", "/queues", "/nodes", "/job/{id}",
                                  "/jobs/{id}/log", "/jobs/{id}/events"])  # fmt: skip
async def test_head_is_get_without_its_body(api: Any, path: str) -> None:
    job = await api.ended((await api.submit())["id"])
    path = path.format(id=job["id"])
    async with api.session.get(path) as get, api.session.head(path) as head:
        assert head.status == get.status == 200
        assert await head.read() == b""
        assert head.headers["Content-Type"] == get.headers["Content-Type"]
        assert abs(int(head.headers["Content-Length"]) - len(await get.read())) < 50


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        ("DELETE", "/jobs", {"GET", "HEAD", "POST"}),
        ("GET", "/job", {"POST"}),
        ("PUT", "/jobs/" + "0" * 32, {"GET", "HEAD"}),
        ("POST", "/job/" + "0" * 32 + "/cancel", {"PUT"}),
        ("PATCH", "/health", {"GET", "HEAD"}),
        ("OPTIONS", "/queues", {"GET", "HEAD"}),
    ],
)
async def test_other_methods_are_405_and_name_those_there_are(
    api: Any, method: str, path: str, allowed: set[str]
) -> None:
    async with api.session.request(method, path) as response:
        assert response.status == 405
        assert set(response.headers["Allow"].split(", ")) == allowed
        assert "error" in await response.json()


@pytest.mark.parametrize("path", ["/", "//jobs", "/jobs/", "/Jobs", "/job//cancel", "/favicon.ico",
                                  "/jobs/x/y/z", "/%6aobs/%00", "/" + "a" * 7000])  # fmt: skip
async def test_unknown_paths_are_404(api: Any, path: str) -> None:
    answer = await api.raw(
        f"GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n".encode()
    )
    status, _, body = _parsed(answer)
    assert (status, bool(body["error"])) == (404, True)


@pytest.mark.parametrize(
    "request_",
    [
        b"GARBAGE\r\n\r\n",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"GET /jobs HTTP/9.9\r\nHost: localhost\r\n\r\n",
        b"GET /jobs HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 10_000 + b"\r\n\r\n",
        b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n",
        b"GET /jobs HTTP/1.1\r\nHost: localhost\r\nBad Header: x\r\n\r\n",
        b"GET /jobs HTTP/1.1\r\nHost: localhost\r\nA: b\0c\r\n\r\n",
        b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: x\r\n\r\n",
        b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: -1\r\n\r\n",
        b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/yaml\r\n"
        b"Transfer-Encoding: chunked\r\n\r\nZZ\r\nabc\r\n",
        b"GET /jobs HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 5000 + b"\r\n",
    ],
)
async def test_what_is_no_http_is_400(api: Any, request_: bytes) -> None:
    status, _, body = _parsed(await api.raw(request_))
    assert (status, bool(body["error"])) == (400, True)
    assert "Traceback" not in body["error"]
    await api.get("/health")


async def test_a_body_that_never_comes_holds_nobody_up(api: Any) -> None:
    for _ in range(20):
        _, writer = await asyncio.open_connection("127.0.0.1", api.port)
        writer.write(
            b"POST /jobs HTTP/1.1\r\nHost: localhost\r\nContent-Type: text/yaml\r\n"
            b"Content-Length: 100\r\n\r\ntasks:"
        )
    await api.ended((await api.submit())["id"])


@pytest.mark.parametrize(
    ("headers", "status", "word"),
    [
        ({}, 400, "Content-Type"),
        ({"Content-Type": ""}, 400, "Content-Type"),
        ({"Content-Type": "text/plain"}, 415, "text/yaml"),
        ({"Content-Type": "multipart/form-data; boundary=x"}, 415, "application/json"),
        ({"Content-Type": "application/x-www-form-urlencoded"}, 415, "text/yaml"),
        ({"Content-Type": "text/yaml; charset=utf-16"}, 415, "UTF-8"),
        ({"Content-Type": "text/yaml", "Content-Encoding": "br"}, 415, "gzip"),
        ({"Content-Type": "text/yaml", "Content-Encoding": "gzip"}, 400, "decompressed"),
        ({"Content-Type": "text/yaml", "Expect": "the-unexpected"}, 417, "Expect"),
        ({"Content-Type": "text/yaml", "Idempotency-Key": ""}, 400, "Idempotency-Key"),
        ({"Content-Type": "text/yaml", "Idempotency-Key": "x" * 256}, 400, "Idempotency-Key"),
        ({"Content-Type": "text/yaml", "Idempotency-Key": "schlüssel"}, 400, "Idempotency-Key"),
    ],
)
async def test_headers_that_will_not_do(
    api: Any, headers: dict[str, str], status: int, word: str
) -> None:
    async with api.session.post(
        "/jobs", data=b"tasks: [{run: 'true'}]", headers=headers,
        skip_auto_headers=["Content-Type"],
    ) as response:  # fmt: skip
        assert response.status == status
        assert word in (await response.json())["error"]
    assert (await api.get("/jobs"))["items"] == []


@pytest.mark.parametrize("chunked", [False, True])
async def test_a_body_over_the_limit_is_413(api: Any, chunked: bool) -> None:
    body = b"name: x\n#" + b"x" * 2_000_000 + b"\ntasks: [{run: 'true'}]"

    async def chunks() -> Any:
        yield body

    status, answer = await api.call(
        "POST", "/jobs", chunks() if chunked else body, Content_Type="text/yaml"
    )
    assert (status, "larger than 1,048,576 bytes" in answer["error"]) == (413, True)
    assert (await api.get("/jobs"))["items"] == []


async def test_bombs_and_broken_archives(api: Any) -> None:
    for data, status in (
        (bomb(), 413),
        (gzip.compress(b"tasks: [{run: 'true'}]")[:-6], 400),
        (gzip.compress(b"tasks: [{run: 'true'}]") + b"more", 400),
    ):
        answered, answer = await api.call(
            "POST", "/jobs", data, Content_Type="text/yaml", Content_Encoding="gzip"
        )
        assert (answered, bool(answer["error"])) == (status, True)


async def test_request_ids_are_taken_over_or_made(api: Any) -> None:
    async with api.session.get("/health", headers={"X-Request-Id": "abc-123"}) as response:
        assert response.headers["X-Request-Id"] == "abc-123"
    async with api.session.get("/nope", headers={"X-Request-Id": "a b<script>"}) as response:
        assert len(response.headers["X-Request-Id"]) == 16


async def test_requests_in_a_row_on_one_connection(api: Any) -> None:
    one = b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n"
    last = b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    assert (await api.raw(one * 20 + last)).count(b'"UP"') == 21


async def test_a_smaller_limit_and_a_draining_server(open_api: Any) -> None:
    async with open_api(body_limit=2048) as api:
        status, _ = await api.call("POST", "/jobs", b"#" * 3000, Content_Type="text/yaml")
        assert status == 413
        job = await api.submit()
        api.server.drain()
        status, answer = await api.call(
            "POST", "/jobs", b"tasks: [{run: 'true'}]", Content_Type="text/yaml"
        )
        assert (status, "stopping" in answer["error"]) == (503, True)
        await api.ended(job["id"])
        status, answer = await api.call("GET", "/health")
        assert (status, answer["status"]) == (503, "DOWN")


async def test_connections_that_come_while_the_server_closes_do_not_hold_it_up(
    open_api: Any,
) -> None:
    async def keep_connecting(port: int) -> None:
        while True:
            try:
                _, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            except OSError:
                return

    loop = asyncio.get_running_loop()
    async with open_api() as api:
        connecting = [asyncio.create_task(keep_connecting(api.port)) for _ in range(4)]
        await asyncio.sleep(0.3)
        began = loop.time()
    assert loop.time() - began < 3
    await asyncio.gather(*connecting)


async def test_large_jobs_that_would_wait_too_long_to_be_read_are_refused(
    api: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def read(*given: Any) -> Any:
        assert gate.wait(20)
        return real(*given)

    async def refused() -> list[tuple[int, Any]]:
        return [task.result() for task in sending if task.done()]

    gate, real = threading.Event(), service.read_submission
    large = json.dumps({"description": "x" * 20_000, "tasks": [{"run": "true"}]})
    monkeypatch.setattr(service, "read_submission", read)
    monkeypatch.setattr(service, "MOST_READ", 3 * len(large))
    sending = [
        asyncio.create_task(api.call("POST", "/jobs", large, Content_Type="text/yaml"))
        for _ in range(10)
    ]
    answers = await eventually(refused, lambda found: len(found) == 7, within=20)
    assert {status for status, _ in answers} == {503}
    assert all("too many large jobs" in answer["error"] for _, answer in answers)
    gate.set()
    assert sorted(status for status, _ in await asyncio.gather(*sending)) == [200] * 3 + [503] * 7
    await api.submit(large)
