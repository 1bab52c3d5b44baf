"""Following a job as readers may see it: its secrets are known by then, at a bounded cost."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from tork_memory.broker import MemoryBroker
from tork_memory.datastore import MemoryDatastore
from tork_memory.store import MemoryStore

from tests.coordinator.coordinator_stage import open_hand, open_stage, report_of
from tests.coordinator.job_story import job
from tests.coordinator.virtual_time import virtual
from tork_core.api import service
from tork_core.api.service import JobService
from tork_core.coordinator.following import News
from tork_core.expressions import BUILTINS
from tork_core.interfaces.middleware import JobMiddleware
from tork_core.middleware.chain import Chain
from tork_core.model.answers import JobAnswer
from tork_core.model.job import Event, JobId, JobRecord

LOAD = 0.3
"""Seconds, virtual ones, for which a job of many tasks is loaded."""


class SlowDatastore(MemoryDatastore):
    """Takes its time to load a whole job."""

    def __init__(self, store: MemoryStore) -> None:
        super().__init__(store)
        self.spent = 0.0

    async def job(self, job_id: JobId) -> JobRecord | None:
        self.spent += LOAD
        await asyncio.sleep(LOAD)
        return await super().job(job_id)


def only_known(answer: JobAnswer) -> Callable[[str], str]:
    """Show the names of tasks that were known when this was made."""
    names = {"", *(task.name for task in answer.execution)}
    return lambda text: text if text in names or text.startswith("queue") else f"unknown: {text}"


@virtual
async def test_each_event_is_shown_by_who_knows_its_task_and_most_time_is_left_to_others() -> None:
    tasks = 60
    chain = Chain(job=[JobMiddleware(name="known", show_text=only_known)])
    async with open_stage() as stage, open_hand(stage) as hand:
        coordinator, broker, _ = stage.coordinator()
        stage.start(coordinator)
        datastore = SlowDatastore(stage.store)
        news = News(MemoryBroker(stage.queues))
        stage.tasks.append(asyncio.create_task(news.run()))
        shown = JobService(coordinator, broker, datastore, chain, BUILTINS, news)
        accepted = await coordinator.submit(job(*["true"] * tasks))
        clock = asyncio.get_running_loop().time
        began = clock()

        async def follow() -> list[Event]:
            found = [item async for item in shown.follow(accepted.job_id)]
            return [item for item in found if isinstance(item, Event)]

        following = asyncio.create_task(follow())
        for number in range(tasks):
            [message] = await hand.take()
            await asyncio.sleep(0.1)
            await hand.report(report_of(message, number))
        events = await following
        shown.close()
    assert [event.number for event in events] == list(range(1, len(events) + 1))
    assert not [event.name for event in events if event.name.startswith("unknown")]
    # One load at the beginning and one at the end come in any case.
    share = 1 / (1 + min(service.REST, service.LONGEST_REST / LOAD))
    assert datastore.spent <= 2 * LOAD + 1.1 * share * (clock() - began)
