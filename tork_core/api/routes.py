"""The routes of the API, one method each."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Mapping
from urllib.parse import urlencode

from aiohttp import hdrs, web

from tork_core._version import __version__
from tork_core.api import reading
from tork_core.api.failures import Refusal, answer, failure
from tork_core.api.routing import Access, Route
from tork_core.api.service import JobService
from tork_core.api.streams import Streams, wants_stream
from tork_core.errors import Conflict
from tork_core.interfaces.broker import Depth
from tork_core.interfaces.datastore import LogPage
from tork_core.model.listings import (
    HealthAnswer,
    QueueAnswer,
    log_part_answer,
    node_answer,
    page_of,
    summary,
)

MOST_JOBS = MOST_PARTS = 100
"""The longest pages."""

MOST_EVENTS = 1000
MOST_QUEUES = 100
"""Queues that one stream watches."""

Parameters = Mapping[str, str]


class Routes:
    """Handlers of requests. ``body_limit`` is the largest job in bytes.

    While ``draining`` is set nothing new is accepted.
    """

    def __init__(self, service: JobService, streams: Streams, body_limit: int) -> None:
        self.draining = False
        self._service = service
        self._streams = streams
        self._body_limit = body_limit

    def all(self) -> Iterator[Route]:
        """Yield every route: the seed's paths, and the later ones beside them."""
        for job in ("/job", "/jobs"):
            yield Route("POST", job, self.submit)
            yield Route("GET", f"{job}/{{id}}", self.job)
            yield Route("PUT", f"{job}/{{id}}/cancel", self.cancel)
        yield Route("GET", "/jobs", self.jobs)
        yield Route("GET", "/jobs/{id}/log", self.job_log)
        yield Route("GET", "/jobs/{id}/events", self.events)
        yield Route("GET", "/tasks/{id}", self.task)
        yield Route("GET", "/tasks/{id}/log", self.task_log)
        yield Route("GET", "/queues", self.queues)
        yield Route("GET", "/queues/{name}", self.queue)
        yield Route("DELETE", "/queues/{name}", self.delete_queue)
        yield Route("GET", "/queues/{name}/messages", self.messages)
        yield Route("GET", "/nodes", self.nodes)
        yield Route("GET", "/health", self.health, Access.PUBLIC)

    async def submit(self, request: web.BaseRequest, _: Parameters) -> web.Response:
        """Accept a job."""
        if self.draining:
            raise Refusal(
                503, "the server is stopping", headers={hdrs.RETRY_AFTER: "5"}, close=True
            )
        format = reading.body_format(request)
        key = reading.idempotency_key(request)
        data = await reading.body(request, self._body_limit)
        job, repeated = await self._service.accept(data, format=format, key=key)
        return answer(200, job, {"Idempotency-Replayed": "true"} if repeated else None)

    async def job(self, _: web.BaseRequest, parameters: Parameters) -> web.Response:
        """Show a job."""
        return answer(200, await self._service.job(reading.id_of("job", parameters)))

    async def cancel(self, _: web.BaseRequest, parameters: Parameters) -> web.Response:
        """Cancel a job."""
        try:
            await self._service.cancel(reading.id_of("job", parameters))
        except Conflict as error:
            return failure(400, str(error))
        return answer(200, {"status": "OK"})

    async def jobs(self, request: web.BaseRequest, _: Parameters) -> web.Response:
        """List jobs, the newest first."""
        if request.query.get("q"):
            raise Refusal(400, "searching (q) does not work yet in this version")
        number = reading.number(request, "page", 1)
        size = reading.number(request, "size", 10, most=MOST_JOBS)
        until = reading.place(request)
        total, jobs = await self._service.jobs(until=until, offset=(number - 1) * size, limit=size)
        page = page_of([summary(job) for job in jobs], number=number, size=size, total=total)
        if until is None and number == 1 and jobs:
            until = jobs[0].created_at, jobs[0].id
        anchor = None if until is None else reading.place_text(*until)
        return answer(200, page, _links("/jobs", number, size, page.total_pages, anchor))

    async def job_log(self, request: web.BaseRequest, parameters: Parameters) -> web.Response:
        """Show the log of a job, the newest part first."""
        job_id = reading.id_of("job", parameters)
        return await self._log(request, f"/jobs/{job_id}/log", job_id, self._service.job_log)

    async def task_log(self, request: web.BaseRequest, parameters: Parameters) -> web.Response:
        """Show the log of a task, the newest part first."""
        task_id = reading.id_of("task", parameters)
        return await self._log(request, f"/tasks/{task_id}/log", task_id, self._service.task_log)

    async def _log(
        self,
        request: web.BaseRequest,
        path: str,
        id: str,
        read: Callable[..., Awaitable[LogPage]],
    ) -> web.Response:
        if request.query.get("q"):
            raise Refusal(400, "searching (q) does not work yet in this version")
        number = reading.number(request, "page", 1)
        size = reading.number(request, "size", 25, most=MOST_PARTS)
        until = reading.number(request, "until", 0) or None
        found = await read(id, until=until, offset=(number - 1) * size, limit=size)
        items = [log_part_answer(part) for part in found.parts]
        page = page_of(items, number=number, size=size, total=found.total)
        if until is None and number == 1 and found.parts:
            until = found.parts[0].cursor
        anchor = None if until is None else str(until)
        return answer(200, page, _links(path, number, size, page.total_pages, anchor))

    async def events(self, request: web.BaseRequest, parameters: Parameters) -> web.StreamResponse:
        """List what has happened to a job, or stream it with its log as it happens."""
        job_id = reading.id_of("job", parameters)
        if wants_stream(request):
            return await self._streams.follow(request, job_id)
        after = reading.number(request, "after", 0, least=0)
        size = reading.number(request, "size", MOST_EVENTS, most=MOST_EVENTS)
        events = await self._service.events(job_id, after=after, limit=size)
        headers: dict[str, str] = {}
        if len(events) == size:
            query = urlencode({"after": events[-1].number, "size": size})
            headers[hdrs.LINK] = f'</jobs/{job_id}/events?{query}>; rel="next"'
        return answer(200, events, headers)

    async def task(self, _: web.BaseRequest, parameters: Parameters) -> web.Response:
        """Show a task."""
        return answer(200, await self._service.task(reading.id_of("task", parameters)))

    async def queues(self, _: web.BaseRequest, __: Parameters) -> web.Response:
        """List the queues."""
        return answer(200, [queue_answer(depth) for depth in await self._service.queues()])

    async def queue(self, _: web.BaseRequest, parameters: Parameters) -> web.Response:
        """Show a queue."""
        return answer(200, queue_answer(await self._service.queue(parameters["name"])))

    async def delete_queue(self, _: web.BaseRequest, parameters: Parameters) -> web.Response:
        """Delete a queue of tasks."""
        try:
            await self._service.delete_queue(parameters["name"])
        except Conflict as error:
            return failure(400, str(error))
        return answer(200, {"status": "OK"})

    async def messages(
        self, request: web.BaseRequest, parameters: Parameters
    ) -> web.StreamResponse:
        """Stream what passes through a queue, and through those that the query names."""
        names = [parameters["name"], *reading.queues(request, MOST_QUEUES - 1)]
        return await self._streams.watch(request, list(dict.fromkeys(names)))

    async def nodes(self, _: web.BaseRequest, __: Parameters) -> web.Response:
        """List the nodes."""
        return answer(200, [node_answer(node) for node in await self._service.nodes()])

    async def health(self, _: web.BaseRequest, __: Parameters) -> web.Response:
        """Say whether all is well."""
        problem = "the server is stopping" if self.draining else await self._service.health()
        if problem is None:
            return answer(200, HealthAnswer(status="UP", version=__version__))
        return answer(503, HealthAnswer(status="DOWN", version=__version__, error=problem))


def queue_answer(depth: Depth) -> QueueAnswer:
    """Return a queue as readers get it."""
    return QueueAnswer(
        name=depth.name, size=depth.ready, subscribers=depth.consumers, unacked=depth.unacked
    )


def _links(path: str, number: int, size: int, pages: int, until: str | None) -> dict[str, str]:
    """Point to the pages beside this one, which stay the same while others come."""
    if until is None:
        return {}
    links = [
        f'<{path}?{urlencode({"page": page, "size": size, "until": until})}>; rel="{name}"'
        for name, page in (("prev", number - 1), ("next", number + 1))
        if 1 <= page <= pages
    ]
    return {hdrs.LINK: ", ".join(links)} if links else {}
