"""Which handler answers a request: exact paths, each with its methods and its access level.

Authentication is decided by the route that was matched, never by the text of a path, so no prefix,
suffix or spelling of a path opens what another one guards.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import TypeAlias
from urllib.parse import unquote

from aiohttp import web

Handler: TypeAlias = Callable[[web.BaseRequest, Mapping[str, str]], Awaitable[web.StreamResponse]]


class Access(Enum):
    """Who may use a route: those with the key, where there is one, or everybody."""

    KEY = "key"
    PUBLIC = "public"


@dataclass(frozen=True)
class Route:
    """One method of one path; ``/jobs/{id}`` has a parameter ``id``, which is one segment.

    Where GET is served HEAD is too.
    """

    method: str
    path: str
    handler: Handler
    access: Access = Access.KEY


@dataclass(frozen=True)
class Match:
    """What a request's path leads to. ``route`` is None where the path has other methods only."""

    route: Route | None
    parameters: Mapping[str, str]
    methods: tuple[str, ...]


class Router:
    """All routes. Paths are compared segment by segment, after percent-decoding."""

    def __init__(self, routes: Iterable[Route]) -> None:
        self._paths: dict[tuple[str, ...], dict[str, Route]] = {}
        for route in routes:
            methods = self._paths.setdefault(tuple(route.path.split("/")[1:]), {})
            methods[route.method] = route
            if route.method == "GET":
                methods["HEAD"] = route

    def find(self, method: str, raw_path: str) -> Match | None:
        """Return what a path as it was sent leads to, None if there is no such path."""
        segments = tuple(unquote(part) for part in raw_path.partition("?")[0].split("/")[1:])
        for pattern, methods in self._paths.items():
            parameters = _matched(pattern, segments)
            if parameters is not None:
                return Match(methods.get(method), parameters, tuple(methods))
        return None


def _matched(pattern: tuple[str, ...], segments: tuple[str, ...]) -> dict[str, str] | None:
    if len(pattern) != len(segments):
        return None
    parameters: dict[str, str] = {}
    for part, segment in zip(pattern, segments, strict=True):
        if part.startswith("{") and segment:
            parameters[part[1:-1]] = segment
        elif part != segment:
            return None
    return parameters
