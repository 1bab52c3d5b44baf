"""Prints what happens in a run of many connections on one broker and one datastore."""

import asyncio
import random
import sys
from datetime import timedelta

from tork_memory.broker import MemoryBroker
from tork_memory.datastore import MemoryDatastore
from tork_memory.queues import MemoryQueues
from tork_memory.store import MemoryStore

from tork_core.errors import Conflict, Unavailable
from tork_core.interfaces.broker import Outgoing
from tork_core.interfaces.datastore import Beat, JobChange
from tork_core.interfaces.environment import Environment
from tork_core.model.job import Claim, Job, Task
from tork_core.model.node import Node, NodeKind
from tork_core.model.spec import JobSpec
from tork_core.model.states import JobState, TaskState

chance = random.Random(5)
seconds = 1_700_000_000.0
NAMES = [f"name-{number}" for number in range(8)]


def tell(*what: object) -> None:
    sys.stdout.write(f"{what}\n")


async def consume(queues: MemoryQueues, number: int) -> None:
    while True:
        broker = MemoryBroker(queues)
        names = chance.sample(NAMES, 3)
        try:
            async with broker.consume(names, prefetch=chance.randint(1, 5)) as consumer:
                for _ in range(chance.randint(1, 20)):
                    deliveries = await consumer.batch(3)
                    tell(number, [(d.queue, d.body, d.redelivered) for d in deliveries])
                    if chance.random() < 0.1:
                        broker.close()
                    await (consumer.nack if chance.random() < 0.2 else consumer.ack)(deliveries)
        except (Conflict, Unavailable) as error:
            tell(number, str(error))


async def write(datastore: MemoryDatastore, number: int) -> None:
    global seconds
    while True:
        ids = {f"job-{chance.randint(0, 9)}" for _ in range(4)}
        loaded = await datastore.load({i: {f"{i}-{n}" for n in range(4)} for i in sorted(ids)})
        changes: list[JobChange] = []
        for job_id in sorted(ids):
            view = loaded.views.get(job_id)
            version = view.job.version if view else 0
            state = chance.choice(list(JobState))
            due = loaded.now + timedelta(seconds=chance.randint(-3, 3))
            changes.append(
                JobChange(
                    job=Job(id=job_id, created_at=due, version=version + 1, state=state, due=due),
                    base=version,
                    at=due,
                    spec=JobSpec(tasks=[]),
                    end_active=chance.choice([None, TaskState.CANCELLED]),
                )
            )
            for n in chance.sample(range(4), 2):
                changes[-1].tasks[f"{job_id}-{n}"] = Task(
                    id=f"{job_id}-{n}",
                    job_id=job_id,
                    path=str(n),
                    position=n,
                    created_at=due,
                    queue=chance.choice(NAMES),
                    state=chance.choice(list(TaskState)),
                    due=due,
                    claim=Claim(node=chance.choice(NAMES), number=n),
                )
        await asyncio.sleep(0)
        committed = await datastore.commit(changes)
        tell(number, sorted(committed.conflicts), committed.ended)
        tell(loaded.views and list(next(iter(loaded.views.values())).tasks))
        tell(await datastore.due(5), await datastore.waiting())
        tell(await datastore.running(set(NAMES)))
        node = Node(id=chance.choice(NAMES), name="n", kind=NodeKind.WORKER, beat=number)
        beaten = await datastore.beat([Beat(node)], gap=1)
        heard = {node.id: node.last_heartbeat_at for node in beaten if node.last_heartbeat_at}
        tell(beaten, await datastore.expire(heard if chance.random() < 0.1 else {}))
        seconds += 0.3
        await asyncio.sleep(0)


async def publish(broker: MemoryBroker) -> None:
    for number in range(400):
        messages = [
            Outgoing(chance.choice(NAMES), b"%d-%d" % (number, n), priority=chance.randint(0, 9))
            for n in range(3)
        ]
        await broker.publish(messages)
        await asyncio.sleep(0)
    tell(await broker.queues())


async def main() -> None:
    queues = MemoryQueues()
    store = MemoryStore(Environment(clock=lambda: seconds), kept_jobs=3, stepwise=True)
    loops = [asyncio.create_task(consume(queues, number)) for number in range(4)]
    loops += [asyncio.create_task(write(MemoryDatastore(store), n)) for n in range(2)]
    await publish(MemoryBroker(queues))
    for loop in loops:
        loop.cancel()
        await asyncio.wait([loop])


asyncio.run(main())
