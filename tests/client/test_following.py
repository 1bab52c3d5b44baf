"""Following a job over connections that break."""

from __future__ import annotations

import socket
from collections.abc import Callable

import pytest

from tests.client.recorded import END, STREAM, Recorded, chunk, error, event, log
from tork_core.client import Client, Unlogged
from tork_core.errors import NotFound, Unavailable
from tork_core.model.job import Event, LogPart

Serve = Callable[..., Recorded]


def shown(item: object) -> str:
    if isinstance(item, Event):
        return item.state
    if isinstance(item, LogPart):
        return item.contents
    assert isinstance(item, Unlogged)
    return f"{item.parts} missing"


def follow(server: Recorded, losses: list[str] | None = None, **options: float) -> list[str]:
    client = Client(server.url, **options)
    on_loss = (lambda reason: None) if losses is None else losses.append
    return [shown(item) for item in client.follow("j", on_loss=on_loss)]


def test_a_job_is_followed_to_its_end(serve: Serve) -> None:
    stream = (
        event(1, "PENDING"),
        event(2, "RUNNING", "t"),
        ": still here\n\n",
        log(1, "hello"),
        "event: new-fashioned\ndata: ?\n\n",
        'event: missing\ndata: {"taskId": "t", "attempt": 1, "parts": 2}\n\n',
        event(3, "COMPLETED", "t"),
        event(4, "COMPLETED"),
    )
    server = serve(STREAM + b"".join(map(chunk, stream)) + END)
    assert follow(server) == [
        *("PENDING", "RUNNING", "hello", "2 missing", "COMPLETED", "COMPLETED")
    ]
    assert server.requests[0].line == "GET /jobs/j/events HTTP/1.1"
    assert server.requests[0].headers["accept"] == "text/event-stream"


@pytest.mark.parametrize(
    "broken", [b"", END, b"5\r\nda", b"zz\r\n", chunk("data: half a mess")], ids=repr
)
def test_it_goes_on_after_the_last_message_when_the_connection_breaks(
    serve: Serve, broken: bytes
) -> None:
    losses: list[str] = []
    server = serve(
        STREAM + chunk(event(1, "PENDING")) + chunk(log(1, "a")) + broken,
        STREAM + broken,
        error("503 Service Unavailable", "starting"),
        STREAM + chunk(log(2, "b")) + chunk(event(2, "FAILED")),
    )
    assert follow(server, losses) == ["PENDING", "a", "b", "FAILED"]
    asked = [request.headers.get("last-event-id") for request in server.requests]
    assert asked == [None, "l1", "l1", "l1"]
    assert 1 <= len(losses) <= 2


def test_a_job_that_ended_while_nobody_listened_has_ended(serve: Serve) -> None:
    server = serve(STREAM + chunk(event(1, "FAILED", "t")), b"HTTP/1.1 204 No Content\r\n\r\n")
    assert follow(server) == ["FAILED"]


def test_a_server_that_stays_away_is_given_up(serve: Serve) -> None:
    def vanish(connection: socket.socket) -> None:
        connection.sendall(STREAM + chunk(event(1, "PENDING")))

    server = serve(vanish, b"")
    with pytest.raises(Unavailable):
        follow(server, patience=0.3)
    assert len(server.requests) >= 3


def test_a_job_that_is_not_there_is_said_at_once(serve: Serve) -> None:
    server = serve(error("404 Not Found", "there is no job j"))
    with pytest.raises(NotFound, match="there is no job j"):
        follow(server)


def test_a_server_that_was_never_there_is_not_waited_for(serve: Serve) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unavailable, match="tork run standalone"):
        list(Client(f"127.0.0.1:{port}").follow("j"))
