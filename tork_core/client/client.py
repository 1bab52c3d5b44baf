"""The calls of the API, one method each."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote, urlencode

import msgspec

from tork_core._version import __version__
from tork_core.client.address import DEFAULT_SERVER, Address
from tork_core.client.answers import Answer, decode
from tork_core.client.connection import Refused, Unreachable, exchange
from tork_core.client.following import Follower, News
from tork_core.client.queue_watching import QueueWatch
from tork_core.errors import Conflict, NotFound, Unavailable, UsageError
from tork_core.model.answers import JobAnswer, TaskAnswer
from tork_core.model.job import Event
from tork_core.model.listings import JobSummary, LogPartAnswer, Page, PassedAnswer, QueueAnswer

if TYPE_CHECKING:
    # It brings the reader of YAML along, which no other call needs.
    from tork_core.model.reading import Format

_EVENTS = 1000
"""Events that are asked for at once."""

_SUBMISSIONS = 3
"""How often a submission is sent whose answer got lost. Its key makes all of them one job."""


class Client:
    """One server, by its address. ``key`` is the server's API key, TORK_API_KEY by default.

    ``timeout`` is the longest wait, in seconds, for each step of a call. Every method raises
    Unavailable if the server cannot be reached, NotFound for an unknown id, and another TorkError
    if the server refuses.
    """

    def __init__(
        self,
        server: str | Address = DEFAULT_SERVER,
        *,
        key: str | None = None,
        timeout: float = 30.0,
        patience: float = 60.0,
    ) -> None:
        self.address = server if isinstance(server, Address) else Address.parse(server)
        self._timeout = timeout
        self._patience = patience
        self._headers = {"User-Agent": f"tork/{__version__}", "Accept": "application/json"}
        key = os.environ.get("TORK_API_KEY") if key is None else key
        if key:
            if not _printable(key):
                raise UsageError("TORK_API_KEY holds characters that no header can carry")
            self._headers["Authorization"] = f"Bearer {key}"

    # -- jobs

    def submit(self, job: bytes, *, format: Format, key: str | None = None) -> Answer[JobAnswer]:
        """Submit a job file's bytes. ``key`` makes it one job, however often it is submitted."""
        if key is not None and not (_printable(key) and key.strip() == key and len(key) < 256):
            raise UsageError("a key is 1 to 255 printable ASCII characters, without outer spaces")
        headers = {
            "Content-Type": f"application/{format}",
            "Idempotency-Key": key or os.urandom(16).hex(),
        }
        for left in reversed(range(_SUBMISSIONS)):
            try:
                return Answer(self._call("POST", "/jobs", job, headers), JobAnswer)
            except Unreachable:
                raise
            except Unavailable:
                if not left:
                    raise
        raise AssertionError

    def job(self, job_id: str) -> Answer[JobAnswer]:
        """Return a job with its execution."""
        return Answer(self._call("GET", f"/jobs/{_segment(job_id)}"), JobAnswer)

    def jobs(self, *, page: int = 1, size: int = 10) -> Answer[Page[JobSummary]]:
        """Return a page of jobs, the newest first."""
        query = urlencode({"page": page, "size": size})
        return Answer(self._call("GET", f"/jobs?{query}"), Page[JobSummary])

    def task(self, task_id: str) -> Answer[TaskAnswer]:
        """Return one instance of a task."""
        return Answer(self._call("GET", f"/tasks/{_segment(task_id)}"), TaskAnswer)

    def cancel(self, job_id: str) -> Answer[Mapping[str, str]]:
        """Cancel a job with all of its tasks; raises Conflict if it has ended."""
        try:
            raw = self._call("PUT", f"/jobs/{_segment(job_id)}/cancel")
        except Refused as error:
            raise (Conflict(str(error)) if error.status == 400 else error) from None
        return Answer(raw, dict[str, str])

    def events(self, job_id: str) -> Answer[list[Event]]:
        """Return all that has happened to a job and its tasks."""
        found: list[msgspec.Raw] = []
        after = 0
        while True:
            raw = self._call("GET", f"/jobs/{_segment(job_id)}/events?after={after}&size={_EVENTS}")
            found += (page := decode(raw, list[msgspec.Raw]))
            if len(page) < _EVENTS:
                return Answer(msgspec.json.encode(found), list[Event])
            after = decode(bytes(page[-1]), Event).number

    def follow(
        self,
        job_id: str,
        *,
        on_loss: Callable[[str], None] = lambda reason: None,
        on_quiet: Callable[[], None] = lambda: None,
    ) -> Iterator[News]:
        """Yield a job's events and log, live, until it has ended.

        The whole log of an attempt comes before the event of its end. A connection that breaks is
        opened again, and ``on_loss`` is told why it broke; ``on_quiet`` is called every now and
        then while nothing happens.
        """
        return Follower(
            self.address,
            f"/jobs/{_segment(job_id)}/events",
            self._headers,
            patience=self._patience,
            on_loss=on_loss,
            on_quiet=on_quiet,
        ).run()

    # -- logs

    def log(self, id: str, *, page: int = 1, size: int = 100) -> Answer[Page[LogPartAnswer]]:
        """Return a page of the log of a job, or of a task, by its id; the newest part first."""
        query = urlencode({"page": page, "size": size})
        try:
            raw = self._call("GET", f"/jobs/{_segment(id)}/log?{query}")
        except NotFound as error:
            try:
                raw = self._call("GET", f"/tasks/{_segment(id)}/log?{query}")
            except NotFound:
                raise error from None
        return Answer(raw, Page[LogPartAnswer])

    def whole_log(self, id: str) -> list[LogPartAnswer]:
        """Return the log of a job, or of a task, by its id, in order."""
        # Parts that come meanwhile move others to later pages: some are seen twice, none is missed.
        parts: dict[tuple[str, int, int], LogPartAnswer] = {}
        number, pages = 1, 1
        while number <= pages:
            page = self.log(id, page=number).value
            for part in page.items:
                parts.setdefault((part.task_id, part.attempt, part.number), part)
            number, pages = number + 1, page.total_pages
        return list(reversed(parts.values()))

    # -- the cluster

    def queues(self) -> Answer[list[QueueAnswer]]:
        """Return the queues that there are."""
        return Answer(self._call("GET", "/queues"), list[QueueAnswer])

    def queue(self, name: str) -> Answer[QueueAnswer]:
        """Return one queue."""
        return Answer(self._call("GET", f"/queues/{_segment(name)}"), QueueAnswer)

    def delete_queue(self, name: str) -> Answer[Mapping[str, str]]:
        """Delete a queue of tasks with what waits in it; the tasks are sent again."""
        return Answer(self._call("DELETE", f"/queues/{_segment(name)}"), dict[str, str])

    def watch_queues(
        self,
        *names: str,
        on_loss: Callable[[str], None] = lambda reason: None,
        on_quiet: Callable[[], None] = lambda: None,
    ) -> Iterator[PassedAnswer]:
        """Yield what passes through these queues from now on, for ever.

        A connection that breaks is opened again, and ``on_loss`` is told why it broke; what passes
        in between is not seen. ``on_quiet`` is called when the watching has begun, and every now
        and then while nothing passes.
        """
        if not names:
            raise UsageError("name a queue to watch")
        others = urlencode([("queue", name) for name in names[1:]])
        return QueueWatch(
            self.address,
            f"/queues/{_segment(names[0])}/messages?{others}",
            self._headers,
            patience=self._patience,
            on_loss=on_loss,
            on_quiet=on_quiet,
        ).run()

    def _call(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> bytes:
        with exchange(
            self.address,
            method,
            path,
            body=body,
            headers={**self._headers, **(headers or {})},
            timeout=self._timeout,
        ) as response:
            raw = response.read()
        decode(raw, Any)
        return raw.strip()


def _segment(id: str) -> str:
    """Return an id or a name as a segment of a path, whatever a user wrote."""
    if not id.strip():
        raise UsageError("the id or the name is empty")
    segment = quote(id.encode(errors="surrogateescape"), safe="")
    # What stands for a folder must not be taken for one on the way.
    return segment.replace(".", "%2E") if segment in (".", "..") else segment


def _printable(text: str) -> bool:
    return text.isascii() and text.isprintable()
