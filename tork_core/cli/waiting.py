"""Why a job does not move: what can be told from outside."""

from __future__ import annotations

from collections.abc import Iterator

from tork_core.cli.terminal import cell
from tork_core.client import Client
from tork_core.model.answers import JobAnswer
from tork_core.model.states import TaskState


def notes(client: Client, job: JobAnswer) -> Iterator[str]:
    """Yield what holds a job up: queues of its tasks that no worker serves."""
    waiting = {task.queue for task in job.execution if task.state is TaskState.SCHEDULED}
    if not waiting:
        return
    served = {queue.name for queue in client.queues().value if queue.subscribers}
    for queue in sorted(name for name in waiting if name and name not in served):
        name = cell(queue)
        yield (
            f"no worker serves queue {name}: its tasks wait; start one with "
            f"`tork run worker --queue {name}:1`"
        )
