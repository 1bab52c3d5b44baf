"""From errors to answers: a status, and ``{"error": "..."}`` that says what to do."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
from aiohttp import web

from tork_core.errors import Busy, Conflict, InvalidJob, NotFound, TorkError, Unavailable

REQUEST_ID = "X-Request-Id"
"""The header that names a request, in its answer and in the log."""

NAME = web.RequestKey("name", str)
"""What a request is called there."""

_MOST_PROBLEMS = 10
"""Problems of a job that one answer names."""

_LONGEST_LINE = 300
"""Characters of a line in an error; a job's own text may be quoted in it."""


class Refusal(Exception):
    """A request that is answered with an error of HTTP's own.

    ``close`` ends the connection: what follows on it cannot be trusted, or is not wanted.
    """

    def __init__(
        self,
        status: int,
        message: str,
        *,
        headers: Mapping[str, str] | None = None,
        close: bool = False,
    ) -> None:
        self.status = status
        self.message = message
        self.headers = headers or {}
        self.close = close
        super().__init__(message)


def answer(status: int, body: object, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return a JSON answer."""
    return web.Response(
        status=status,
        body=msgspec.json.encode(body),
        content_type="application/json",
        headers=headers,
    )


def failure(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """Return an error."""
    return answer(status, {"error": message}, headers)


def failure_of(error: TorkError | Refusal) -> web.Response:
    """Return the answer that an error stands for."""
    if isinstance(error, Refusal):
        response = failure(error.status, error.message, error.headers)
        if error.close:
            response.force_close()
        return response
    if isinstance(error, InvalidJob):
        found = error.problems
        lines = [_shortened(str(problem)) for problem in found[:_MOST_PROBLEMS]]
        if len(found) > _MOST_PROBLEMS:
            lines.append(f"and {len(found) - _MOST_PROBLEMS} more")
        return failure(400, "\n".join(lines))
    if isinstance(error, Busy | Unavailable):
        return failure(503, str(error), {"Retry-After": "1"})
    if isinstance(error, NotFound):
        return failure(404, str(error))
    if isinstance(error, Conflict):
        return failure(409, str(error))
    return failure(500, str(error))


def _shortened(text: str) -> str:
    lines = text.splitlines()
    return "\n".join(
        line if len(line) <= _LONGEST_LINE else f"{line[:_LONGEST_LINE]}…" for line in lines
    )
