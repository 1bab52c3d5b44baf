"""The client against recorded answers: what is asked, and what errors mean."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable

import pytest

from tests.client.recorded import Recorded, error, json
from tork_core.client import Address, Client, Refused
from tork_core.errors import Busy, Conflict, NotFound, TorkError, Unavailable, UsageError

Serve = Callable[..., Recorded]
JOB = '{"id": "j", "state": "PENDING", "createdAt": "2026-11-25T00:00:00Z", "tasks": []}'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("http://localhost:3000", "http://localhost:3000"),
        ("localhost", "http://localhost:3000"),
        ("tork.example:80", "http://tork.example:80"),
        ("https://tork.example", "https://tork.example:443"),
        ("http://tork.example/api/", "http://tork.example:80/api"),
        ("[::1]:3001", "http://[::1]:3001"),
    ],
)
def test_an_address_may_be_short(text: str, shown: str) -> None:
    assert str(Address.parse(text)) == shown


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "no host"),
        ("ftp://x", "ftp"),
        ("http://", "no host"),
        ("localhost:x", "localhost:x"),
        ("localhost:99999", "99999"),
        ("http://a b/", "odd characters"),
        ("http://x\n", "odd characters"),
        ("http://me:pw@x", "TORK_API_KEY"),
        ("http://x/?q=1", "query"),
        ("http://[::1", "[::1"),
    ],
)
def test_a_malformed_address_is_wrong_usage(text: str, word: str) -> None:
    with pytest.raises(UsageError) as caught:
        Client(text)
    assert word in str(caught.value)
    assert "pw" not in str(caught.value)


def test_a_submission_carries_the_bytes_the_type_a_key_and_the_api_key(serve: Serve) -> None:
    server = serve(json(JOB))
    answer = Client(server.url, key="k").submit(b"tasks: []", format="yaml")
    assert (answer.value.id, answer.raw.decode()) == ("j", JOB)
    (request,) = server.requests
    assert (request.line, request.body) == ("POST /jobs HTTP/1.1", b"tasks: []")
    assert request.headers["content-type"] == "application/yaml"
    assert request.headers["authorization"] == "Bearer k"
    assert len(request.headers["idempotency-key"]) == 32


def test_a_submission_whose_answer_is_lost_is_sent_again_with_the_same_key(serve: Serve) -> None:
    server = serve(b"", b"HTTP/1.1 2", json(JOB))
    assert Client(server.url).submit(b"{}", format="json").value.id == "j"
    assert len({request.headers["idempotency-key"] for request in server.requests}) == 1
    assert len(server.requests) == 3


def test_a_submission_is_not_sent_for_ever(serve: Serve) -> None:
    server = serve(b"")
    with pytest.raises(Unavailable, match="closed the connection"):
        Client(server.url).submit(b"{}", format="json")
    assert len(server.requests) == 3


@pytest.mark.parametrize("key", ["a\nb", " x", "é", "x" * 256])
def test_a_key_that_no_header_carries_is_wrong_usage(key: str) -> None:
    with pytest.raises(UsageError, match="key"):
        Client("localhost:1").submit(b"{}", format="json", key=key)
    if key != "x" * 256 and key.strip() == key:
        with pytest.raises(UsageError, match="TORK_API_KEY"):
            Client(key=key)


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        ("400 Bad Request", Refused),
        ("401 Unauthorized", Refused),
        ("404 Not Found", NotFound),
        ("409 Conflict", Conflict),
        ("413 Content Too Large", Refused),
        ("503 Service Unavailable", Busy),
        ("302 Found", Refused),
    ],
)
def test_an_error_of_the_api_is_ours_with_its_words(
    serve: Serve, status: str, kind: type[TorkError]
) -> None:
    server = serve(error(status, "its words"))
    with pytest.raises(kind, match="its words"):
        Client(server.url).job("j")


def test_an_error_without_the_api_s_words_still_says_what_came(serve: Serve) -> None:
    page = b"<html>oops</html>"
    server = serve(b"HTTP/1.1 502 Bad Gateway\r\nContent-Length: 17\r\n\r\n" + page)
    with pytest.raises(TorkError, match=r"answered 502 Bad Gateway"):
        Client(server.url).job("j")


@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n<html>",
        json("[1, 2]"),
        json('{"id": 3}'),
        b"SSH-2.0-OpenSSH_9.2\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 600\r\n\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\n{",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
)
def test_what_is_no_answer_of_the_api_is_an_error_in_one_line(serve: Serve, answer: bytes) -> None:
    with pytest.raises(TorkError) as caught:
        _ = Client(serve(answer).url).job("j").value
    assert "\n" not in str(caught.value)


def test_a_server_that_is_not_there_is_said_in_one_line_with_what_to_do() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(Unavailable) as caught:
        Client(f"localhost:{port}").job("j")
    assert "\n" not in str(caught.value)
    for word in (f"localhost:{port}", "tork run standalone", "--server"):
        assert word in str(caught.value)


def test_a_name_that_nobody_has_is_said_too() -> None:
    with pytest.raises(Unavailable, match=r"nowhere\.invalid"):
        Client("nowhere.invalid").job("j")


def test_a_server_that_does_not_answer_is_not_waited_for_for_ever(serve: Serve) -> None:
    server = serve(lambda connection: time.sleep(0.5))
    begun = time.monotonic()
    with pytest.raises(Unavailable, match="did not answer in time"):
        Client(server.url, timeout=0.2).job("j")
    assert time.monotonic() - begun < 0.5


def test_an_answer_that_comes_before_the_body_was_read_is_heard(serve: Serve) -> None:
    server = serve(error("413 Content Too Large", "too long"))
    with pytest.raises(Refused, match="too long"):
        Client(server.url).submit(b"x" * 20_000_000, format="yaml")


@pytest.mark.parametrize(
    ("id", "path"),
    [("../../x", "..%2F..%2Fx"), ("a b\n", "a%20b%0A"), ("?x", "%3Fx"), ("\udcff", "%FF")],
)
def test_an_id_is_one_segment_of_the_path_whatever_it_holds(
    serve: Serve, id: str, path: str
) -> None:
    server = serve(error("404 Not Found", "there is no job"))
    with pytest.raises(NotFound):
        Client(server.url).job(id)
    assert server.requests[0].line == f"GET /jobs/{path} HTTP/1.1"


def test_a_job_that_has_ended_cannot_be_cancelled(serve: Serve) -> None:
    server = serve(error("400 Bad Request", "job is not running"))
    with pytest.raises(Conflict, match="job is not running"):
        Client(server.url).cancel("j")
    assert server.requests[0].line == "PUT /jobs/j/cancel HTTP/1.1"


def _page(number: int, pages: int, *parts: int) -> bytes:
    items = ", ".join(
        f'{{"id": "{n}", "jobId": "j", "taskId": "t", "attempt": 1, "number": {n}, '
        f'"contents": "{n};"}}'
        for n in parts
    )
    return json(
        f'{{"items": [{items}], "number": {number}, "size": 2, "totalPages": {pages}, '
        '"totalItems": 5}'
    )


def test_the_whole_log_is_put_together_from_its_pages_though_it_grows(serve: Serve) -> None:
    # Between the first and the second page part 5 came: 3 moves to the second page.
    server = serve(_page(1, 2, 4, 3), _page(2, 3, 3, 2), _page(3, 3, 1))
    parts = Client(server.url).whole_log("j")
    assert [part.contents for part in parts] == ["1;", "2;", "3;", "4;"]


def test_a_log_is_found_by_the_id_of_a_task_too(serve: Serve) -> None:
    server = serve(error("404 Not Found", "no job"), _page(1, 1, 1))
    assert [part.contents for part in Client(server.url).whole_log("t")] == ["1;"]
    assert [request.line.split("?")[0] for request in server.requests] == [
        "GET /jobs/t/log",
        "GET /tasks/t/log",
    ]


def test_an_id_of_neither_is_said_in_the_words_about_jobs(serve: Serve) -> None:
    server = serve(error("404 Not Found", "no job"), error("404 Not Found", "no task"))
    with pytest.raises(NotFound, match="no job"):
        Client(server.url).whole_log("x")
