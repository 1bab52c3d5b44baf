"""From committed outcomes to messages: tasks to queues, orders to nodes, news to observers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from tork_core.coordinator.deciding import Decided
from tork_core.coordinator.decisions.draft import Dispatch, Order, Verdict
from tork_core.coordinator.decisions.rules import Rules
from tork_core.interfaces.broker import Broker, Outgoing
from tork_core.interfaces.datastore import Datastore
from tork_core.model.job import JobId, TaskId
from tork_core.model.messages import (
    EVENTS,
    JOBS,
    PENDING,
    Hint,
    Notice,
    Orders,
    TaskMessage,
    encode,
    node_queue,
)
from tork_core.model.spec import JobSpec, TaskSpec
from tork_core.model.states import JobState, TaskState


class Publisher:
    """Publishes what follows from decisions."""

    def __init__(self, broker: Broker, datastore: Datastore, rules: Rules) -> None:
        self._broker = broker
        self._datastore = datastore
        self._rules = rules

    async def publish(self, decided: Decided) -> int:
        """Publish all that follows from a batch in one write; returns how many task messages.

        Raises Unavailable if a service is away; to publish it all again is safe.
        """
        tasks = await self._task_messages(decided)
        orders = [order for found in decided.outcomes for order in found.orders]
        orders += [Order(held.claim, Verdict.STOPPED) for held in decided.ended]
        messages = [*_hops(decided), *tasks, *order_messages(orders)]
        changed = [found.change.job for found in decided.outcomes if found.change is not None]
        if changed:
            ended = [job.id for job in changed if job.state.ended]
            messages.append(notice(Notice(jobs=[job.id for job in changed], ended=ended)))
        if messages:
            await self._broker.publish(messages)
        return len(tasks)

    async def _task_messages(self, decided: Decided) -> list[Outgoing]:
        known: dict[TaskId, TaskSpec] = {}
        dispatches: list[tuple[JobSpec, Dispatch]] = []
        for found in decided.outcomes:
            if found.spec is not None:
                dispatches += [(found.spec, item) for item in found.dispatches]
            if found.change is not None:
                known |= found.change.specs
        unknown: list[tuple[JobId, TaskId]] = [
            (item.task.job_id, item.task.id) for _, item in dispatches if item.task.id not in known
        ]
        if unknown:
            known |= await self._datastore.specs(unknown)
        return [
            self._task_message(job, item, known[item.task.id])
            for job, item in dispatches
            if item.task.id in known
        ]

    def _task_message(self, job: JobSpec, item: Dispatch, spec: TaskSpec) -> Outgoing:
        task = item.task
        assert task.published_at is not None
        message = TaskMessage(
            job_id=task.job_id,
            task_id=task.id,
            attempt=task.attempt,
            spec=spec,
            sent_at=task.published_at,
            ask=item.ask,
            secrets=list(self._rules.log_secrets(job, spec)),
        )
        return Outgoing(task.queue, encode(message), priority=task.priority)


def order_messages(orders: Iterable[Order]) -> list[Outgoing]:
    """Put the orders of each node into one message for it."""
    by_node: dict[str, Orders] = {}
    for order in orders:
        found = by_node.get(order.claim.node)
        if found is None:
            found = by_node[order.claim.node] = Orders(granted=[], stopped=[], settled=[])
        getattr(found, order.verdict.value).append(order.claim.number)
    return [Outgoing(node_queue(node), encode(found)) for node, found in by_node.items()]


def notice(news: Notice) -> Outgoing:
    """A message that reaches observers only."""
    return Outgoing(EVENTS, encode(news), deliver=False)


def _hops(decided: Decided) -> Iterator[Outgoing]:
    """Tell observers of ``jobs`` and ``pending`` what would have gone through these queues.

    The steps were taken in the commit itself, so nothing is delivered. A retry that has to wait
    is told of when its time has come.
    """
    for found in decided.outcomes:
        change = found.change
        if change is None:
            continue
        job_id = found.job_id
        for event in change.events:
            if event.task_id is None:
                hint = Hint(job_id=job_id, state=JobState(event.state))
                yield Outgoing(JOBS, encode(hint), deliver=False)
        for task_id in change.specs:
            if change.tasks[task_id].state is not TaskState.PENDING:
                hint = Hint(job_id=job_id, task_id=task_id)
                yield Outgoing(PENDING, encode(hint), deliver=False)
