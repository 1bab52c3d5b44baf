"""A small HTTP server on a port of its own that gives recorded answers, and notes what it is asked.

It answers as slowly, as wrongly or as briefly as a test wants, which no real server does on demand.
"""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

Answer: TypeAlias = bytes | Callable[[socket.socket], None]


@dataclass
class Request:
    """What was asked: the first line, the headers with lower-case names, the body."""

    line: str
    headers: dict[str, str]
    body: bytes


@dataclass
class Recorded:
    """The server: ``answers`` are given in order, one per connection; the last one again."""

    answers: Sequence[Answer]
    requests: list[Request] = field(default_factory=list)
    url: str = ""

    def serve(self) -> Iterator[Recorded]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.url = f"http://127.0.0.1:{listener.getsockname()[1]}"
            thread = threading.Thread(target=self._accept, args=(listener,), daemon=True)
            thread.start()
            yield self
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(10)

    def _accept(self, listener: socket.socket) -> None:
        number = 0
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            with connection:
                self._answer(connection, self.answers[min(number, len(self.answers) - 1)])
            number += 1

    def _answer(self, connection: socket.socket, answer: Answer) -> None:
        with connection.makefile("rb") as file:
            line = file.readline().decode().strip()
            headers: dict[str, str] = {}
            while header := file.readline().strip():
                name, _, value = header.decode().partition(":")
                headers[name.lower()] = value.strip()
            body = file.read(int(headers.get("content-length", "0")))
        self.requests.append(Request(line, headers, body))
        if callable(answer):
            answer(connection)
        else:
            connection.sendall(answer)


def json(text: str, status: str = "200 OK") -> bytes:
    """An answer in JSON."""
    body = text.encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


def error(status: str, message: str) -> bytes:
    """An error as the API gives it."""
    return json(f'{{"error": "{message}"}}', status)


STREAM = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(text: str) -> bytes:
    """A part of an answer that comes in parts."""
    data = text.encode()
    return f"{len(data):x}\r\n".encode() + data + b"\r\n"


def event(number: int, state: str, task: str = "") -> str:
    """A message of a stream: an event of a job, or of its task."""
    about = f', "taskId": "{task}", "name": "{task}"' if task else ""
    at = f"2026-11-25T00:00:0{number}Z"
    data = f'{{"jobId": "j", "number": {number}, "at": "{at}", "state": "{state}"{about}}}'
    return f"event: event\nid: {number}\ndata: {data}\n\n"


def log(number: int, contents: str, task: str = "t") -> str:
    """A message of a stream: a part of a log."""
    data = f'{{"jobId": "j", "taskId": "{task}", "attempt": 1, "number": {number}'
    return f'event: log\nid: l{number}\ndata: {data}, "contents": "{contents}"}}\n\n'
