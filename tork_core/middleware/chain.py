"""Middleware put in order, and called one after the other.

A :class:`Chain` is what the engine holds: one object with a method for every place at which
middleware has a say. Without middleware each of them gives back what it was given.
"""

from __future__ import annotations

import difflib
import heapq
from collections.abc import Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

import msgspec

from tork_core.errors import InvalidJob, PluginError, UsageError
from tork_core.interfaces.middleware import (
    JobEvent,
    JobMiddleware,
    LogFilter,
    LogMiddleware,
    Middleware,
    NodeEvent,
    NodeMiddleware,
    Offered,
    Stage,
    TaskEvent,
    TaskLogContext,
    TaskMiddleware,
)
from tork_core.model.answers import JobAnswer, job_answer
from tork_core.model.job import Event, JobRecord
from tork_core.model.problems import quoted
from tork_core.model.spec import JobSpec, TaskSpec

M = TypeVar("M", bound=Middleware)
T = TypeVar("T")


def ordered(middleware: Iterable[M]) -> list[M]:
    """Return middleware in the order that it declares, ties by name.

    Raises PluginError if what it declares goes round in a circle.
    """
    by_name = {item.name: item for item in middleware}
    followers: dict[str, set[str]] = {name: set() for name in by_name}
    for name, item in by_name.items():
        followers[name].update(other for other in item.before if other in by_name)
        for other in item.after:
            if other in by_name:
                followers[other].add(name)
    waiting = dict.fromkeys(by_name, 0)
    for after in followers.values():
        for name in after:
            waiting[name] += 1
    ready = [name for name, count in waiting.items() if not count]
    heapq.heapify(ready)
    order: list[M] = []
    while ready:
        name = heapq.heappop(ready)
        order.append(by_name[name])
        for after in followers[name]:
            waiting[after] -= 1
            if not waiting[after]:
                heapq.heappush(ready, after)
    if len(order) < len(by_name):
        circle = sorted(by_name.keys() - {item.name for item in order})
        raise PluginError(
            f"middleware that wants to be before and after each other: {', '.join(circle)}"
        )
    return order


class Chain:
    """All middleware of a process, in order."""

    def __init__(
        self,
        *,
        job: Iterable[JobMiddleware] = (),
        task: Iterable[TaskMiddleware] = (),
        node: Iterable[NodeMiddleware] = (),
        log: Iterable[LogMiddleware] = (),
    ) -> None:
        self._job = ordered(job)
        self._task = ordered(task)
        self._node = ordered(node)
        self._log = ordered(log)

    @classmethod
    def of(cls, offered: Offered, *, disabled: Sequence[str] = ()) -> Chain:
        """Return what is offered without what is disabled; raises UsageError for unknown names."""
        kinds: tuple[Sequence[Middleware], ...] = (
            offered.job_middleware,
            offered.task_middleware,
            offered.node_middleware,
            offered.log_middleware,
        )
        known = {item.name for kind in kinds for item in kind}
        for name in disabled:
            if name not in known:
                near = difflib.get_close_matches(name, known, n=1)
                hint = f", did you mean {quoted(near[0])}?" if near else ""
                raise UsageError(f"there is no middleware {quoted(name)} to leave out{hint}")
        off = frozenset(disabled)
        return cls(
            job=[item for item in offered.job_middleware if item.name not in off],
            task=[item for item in offered.task_middleware if item.name not in off],
            node=[item for item in offered.node_middleware if item.name not in off],
            log=[item for item in offered.log_middleware if item.name not in off],
        )

    # --- admission ---------------------------------------------------------------------------

    def admit_job(self, spec: JobSpec) -> JobSpec:
        """Return a submitted job as it is to be stored; raises InvalidJob if it is refused."""
        for item in self._job:
            if item.admit is not None:
                spec = _admitted(item, JobSpec, item.admit, spec)
        return spec

    def admit_task(self, stage: Stage, spec: TaskSpec) -> TaskSpec:
        """Return a task as it is to be scheduled or run; raises InvalidJob if it is refused."""
        for item in self._task:
            admit = item.admit
            if admit is not None:
                spec = _admitted(item, TaskSpec, lambda task, admit=admit: admit(stage, task), spec)
        return spec

    # --- what leaves -------------------------------------------------------------------------

    def show_job(self, answer: JobAnswer) -> JobAnswer:
        """Return an answer as readers may see it."""
        for item in self._job:
            if item.show is not None:
                answer = item.show(answer)
        return answer

    def text_of(self, answer: JobAnswer) -> Callable[[str], str]:
        """Return the function that makes other text about a job, as stored, fit to be seen."""
        shown = [item.show_text(answer) for item in self._job if item.show_text is not None]

        def show(text: str) -> str:
            for function in shown:
                text = function(text)
            return text

        return show

    def show_events(self, answer: JobAnswer, events: Iterable[Event]) -> list[Event]:
        """Return events of a job, as stored, as readers may see them."""
        show = self.text_of(answer)
        return [shown_event(event, show) for event in events]

    # --- observers ---------------------------------------------------------------------------

    @property
    def observes(self) -> bool:
        """Whether anything watches jobs or tasks: if not, no record need be made for it."""
        return any(item.observe is not None for item in (*self._job, *self._task))

    async def observe(self, record: JobRecord, events: Sequence[Event]) -> None:
        """Tell the observers of events of a job that were committed.

        ``record`` holds the job as it is now, with every task that the events name. An exception
        of an observer is logged and goes no further.
        """
        if not self.observes or not events:
            return
        stored = job_answer(record)
        shown, shown_events = self.show_job(stored), self.show_events(stored, events)
        places = {task.id: place for place, task in enumerate(stored.execution)}
        for event, shown_event in zip(events, shown_events, strict=True):
            if event.task_id is None:
                for item in self._job:
                    if item.observe is not None:
                        seen = (event, stored) if item.raw else (shown_event, shown)
                        await _call(item, item.observe, _job_event(*seen))
            else:
                for item in self._task:
                    if item.observe is not None:
                        seen = (event, stored) if item.raw else (shown_event, shown)
                        await _call(item, item.observe, _task_event(*seen, places[event.task_id]))

    async def observe_node(self, event: NodeEvent) -> None:
        """Tell the observers of a node. An exception of one is logged and goes no further."""
        for item in self._node:
            await _call(item, item.observe, event)

    # --- logs --------------------------------------------------------------------------------

    def log_secrets(self, job: JobSpec, task: TaskSpec) -> list[str]:
        """Return the values of a job that must not be seen in the log of a rendered task."""
        values: set[str] = set()
        for item in self._log:
            if item.values is not None:
                values.update(item.values(job, task))
        return sorted(values)

    def open_log(self, context: TaskLogContext) -> LogFilter | None:
        """Return the filter for the log of an attempt, or None if nothing is to be changed."""
        opened = [item.open(context) for item in self._log]
        filters = [item for item in opened if item is not None]
        if len(filters) < 2:
            return filters[0] if filters else None
        return _Filters(filters)


def shown_event(event: Event, show: Callable[[str], str]) -> Event:
    """Return an event as readers may see it; ``show`` is what :meth:`Chain.text_of` gives."""
    detail = None if event.detail is None else show(event.detail)
    return msgspec.structs.replace(event, name=show(event.name), detail=detail)


class _Filters:
    """Several filters, one after the other."""

    def __init__(self, filters: Sequence[LogFilter]) -> None:
        self._filters = filters

    def feed(self, text: str) -> str:
        for item in self._filters:
            text = item.feed(text)
        return text

    def flush(self) -> str:
        text = ""
        for item in self._filters:
            text = (item.feed(text) if text else "") + item.flush()
        return text


def _admitted(item: Middleware, kind: type[T], admit: Callable[[T], T], spec: T) -> T:
    try:
        admitted = admit(spec)
    except InvalidJob:
        raise
    except Exception as error:
        # A plugin's mistake must not pass for one of the engine, which would try again for ever.
        raise InvalidJob(f"the middleware {item.name} failed: {error!r}") from error
    if not isinstance(admitted, kind):
        raise InvalidJob(f"the middleware {item.name} returned {type(admitted).__name__}")
    return admitted


async def _call(item: Middleware, observe: Callable[[T], Awaitable[None]], event: T) -> None:
    try:
        await observe(event)
    except Exception as error:  # noqa: BLE001 - a plugin's mistake, which must not stop the engine
        import structlog

        structlog.get_logger().error(
            "middleware.failed", middleware=item.name, error=repr(error), exc_info=error
        )


def _job_event(event: Event, job: JobAnswer) -> JobEvent:
    return JobEvent(id=f"{event.job_id}:{event.number}", event=event, job=job)


def _task_event(event: Event, job: JobAnswer, place: int) -> TaskEvent:
    task = job.execution[place]
    return TaskEvent(
        id=f"{event.job_id}:{event.number}",
        event=event,
        task=task,
        job=msgspec.structs.replace(job, execution=[task]),
    )
