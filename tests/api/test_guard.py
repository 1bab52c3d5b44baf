"""Who gets in: Host, Origin, the key; and addresses that are refused."""

from __future__ import annotations

from typing import Any

import pytest
from yarl import URL

from tork_core.api.listening import open_sockets
from tork_core.errors import UsageError
from tork_core.settings import Secret
from tork_core.settings.core import ApiSettings

KEY = Secret("the key of the house")
ID = "0" * 32
GUARDED = [
    ("POST", "/job"), ("POST", "/jobs"), ("GET", "/jobs"), ("GET", f"/job/{ID}"),
    ("GET", f"/jobs/{ID}"), ("PUT", f"/job/{ID}/cancel"), ("PUT", f"/jobs/{ID}/cancel"),
    ("GET", f"/jobs/{ID}/log"), ("GET", f"/jobs/{ID}/events"), ("GET", f"/tasks/{ID}"),
    ("GET", f"/tasks/{ID}/log"), ("GET", "/queues"), ("GET", "/nodes"), ("HEAD", "/jobs"),
    ("DELETE", "/jobs"), ("OPTIONS", "/jobs"), ("GET", "/nothing"), ("GET", "/"),
]  # fmt: skip


@pytest.mark.parametrize("host", ["evil.example", "evil.example:3000", "localhost.evil.example",
                                  "127.0.0.1.evil.example", "localhost@evil.example", "10.0.0.1",
                                  "localhost:x", "[::2]", "", " "])  # fmt: skip
async def test_another_host_name_gets_nothing(api: Any, host: str) -> None:
    answer = await api.raw(
        f"GET /jobs HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    )
    assert answer.split(b" ", 2)[1] in (b"403", b"400")
    assert b'"items"' not in answer
    assert b'{"error":' in answer


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:80", "127.0.0.1:3000", "[::1]:3000"])
async def test_the_names_of_this_machine_are_answered(api: Any, host: str) -> None:
    answer = await api.raw(
        f"GET /jobs HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode()
    )
    assert answer.startswith(b"HTTP/1.1 200 ")


async def test_a_request_without_a_host_or_with_two_is_refused(api: Any) -> None:
    for head in (b"GET /jobs HTTP/1.0\r\n\r\n",
                 b"GET /jobs HTTP/1.1\r\nHost: localhost\r\nHost: evil.example\r\n"
                 b"Connection: close\r\n\r\n",
                 b"GET http://evil.example/jobs HTTP/1.1\r\nHost: localhost\r\n"
                 b"Connection: close\r\n\r\n"):  # fmt: skip
        answer = await api.raw(head)
        assert answer.split(b" ", 2)[1] == b"400", answer
        assert b'"items"' not in answer


async def test_a_configured_name_is_answered(open_api: Any) -> None:
    async with open_api(allowed_hosts=["tork.example"]) as api:
        await api.get("/jobs", Host="Tork.Example:8080")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "https://localhost.evil.example"]
)
async def test_pages_of_other_sites_get_nothing(api: Any, origin: str) -> None:
    status, answer = await api.call(
        "POST", "/jobs", "tasks: [{run: 'true'}]", Content_Type="text/yaml", Origin=origin
    )
    assert (status, "may not use" in answer["error"]) == (403, True)
    assert (await api.get("/jobs"))["items"] == []
    await api.get("/jobs", Origin="http://localhost:8080")


@pytest.mark.parametrize(("method", "path"), GUARDED)
@pytest.mark.parametrize(
    "spelling", ["{}", "{}/", "/{}", "{}/health", "{}?x=/health", "{};/health", "{}%2Fhealth",
                 "{}#/health", "/health/..{}", "{}/../health"],
)  # fmt: skip
async def test_nothing_is_open_without_the_key_however_it_is_spelt(
    open_api: Any, method: str, path: str, spelling: str
) -> None:
    async with open_api(key=KEY) as api:
        url = URL(f"http://localhost:{api.port}{spelling.format(path)}", encoded=True)
        for headers in ({}, {"Authorization": "Bearer wrong"}, {"X-API-Key": ""},
                        {"Authorization": "Basic " + KEY.reveal()},
                        {"Authorization": KEY.reveal()}):  # fmt: skip
            async with api.session.request(method, url, headers=headers) as response:
                assert response.status == 401
                assert "WWW-Authenticate" in response.headers


async def test_the_key_opens_and_health_is_open_to_all(open_api: Any) -> None:
    async with open_api(key=KEY) as api:
        await api.get("/jobs", Authorization=f"Bearer {KEY.reveal()}")
        await api.get("/jobs", Authorization=f"bearer  {KEY.reveal()}")
        await api.get("/jobs", X_API_Key=KEY.reveal())
        await api.get("/health")
        status, _ = await api.call("GET", f"/jobs/{ID}/events", Accept="text/event-stream")
        assert status == 401


@pytest.mark.parametrize("address", ["0.0.0.0:0", "[::]:0"])
def test_an_open_address_needs_a_key_or_the_users_word(address: str) -> None:
    with pytest.raises(UsageError, match="TORK_API_KEY"):
        open_sockets(ApiSettings(address=address))
    for settings in (ApiSettings(address=address, key=KEY),
                     ApiSettings(address=address, insecure_open=True)):  # fmt: skip
        for bound in open_sockets(settings):
            bound.close()
