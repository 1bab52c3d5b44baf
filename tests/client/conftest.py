"""Recorded servers, closed at the end of the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.client.recorded import Answer, Recorded

Serve = Callable[..., Recorded]


@pytest.fixture
def serve() -> Iterator[Serve]:
    """Returns a function that starts a server with these answers."""
    running: list[Iterator[Recorded]] = []

    def start(*answers: Answer) -> Recorded:
        server = Recorded(answers).serve()
        running.append(server)
        return next(server)

    yield start
    for server in running:
        next(server, None)
