"""Why a job does not move: what can be told from outside."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from contextlib import suppress

from tork_core.cli.terminal import cell
from tork_core.client import Client
from tork_core.errors import TorkError
from tork_core.model.answers import JobAnswer
from tork_core.model.job import Event
from tork_core.model.states import TaskState


def notes(job: JobAnswer) -> Iterator[str]:
    """Yield what holds a job up: queues of its tasks that no worker serves."""
    for queue in job.unserved_queues or ():
        yield (
            f"no worker serves queue {cell(queue)}: its tasks wait; start a worker, or the "
            f"standalone server, with `--queue {shlex.quote(f'{cell(queue)}:1')}`"
        )


def queue_of(event: Event) -> str | None:
    """Return the queue that an event says a task was sent to."""
    if event.task_id is None or event.state != TaskState.SCHEDULED or not event.detail:
        return None
    word, _, name = event.detail.partition(" ")
    return name if word == "queue" else None


class Watchman:
    """Tells, once each, what holds up a job that somebody waits for."""

    def __init__(self, client: Client, job_id: str, tell: Callable[[str], None]) -> None:
        self._client = client
        self._job_id = job_id
        self._tell = tell
        self._queues: set[str] = set()
        self._told: set[str] = set()

    def hear(self, event: Event) -> None:
        """A task may have been sent to a queue that was not met before: see whether it waits."""
        queue = queue_of(event)
        if queue is not None and queue not in self._queues:
            self._queues.add(queue)
            self.look()

    def look(self) -> None:
        """See what the job waits for. Whoever waits for its end is not troubled by a failure."""
        with suppress(TorkError):
            for note in notes(self._client.job(self._job_id).value):
                if note not in self._told:
                    self._told.add(note)
                    self._tell(note)
