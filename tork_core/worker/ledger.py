"""The claims that a worker holds, from their first asking until their end report is settled."""

from __future__ import annotations

import asyncio
from enum import Enum

from tork_core.model.job import JobId, TaskId
from tork_core.model.messages import ClaimItem, ReportItem


class Phase(Enum):
    """How far a claim has come."""

    ASKING = "asking"
    GRANTED = "granted"
    REPORTED = "reported"
    OVER = "over"


class HandedBack(Exception):
    """Why an attempt is given back: the worker is leaving, or has lost its lease."""


class Holding:
    """One claim, from its first asking on.

    Its attempt runs in the task of its slot, between :meth:`enter` and :meth:`leave`; a stop
    cancels that task only there, and the slot takes the cancellation back.
    """

    def __init__(self, item: ClaimItem) -> None:
        self.item = item
        self.phase = Phase.ASKING
        self.sent_at = float("-inf")
        """When the claim or the report was last sent (loop time)."""
        self.answered = False
        """Whether a coordinator has granted the claim; until then it is asked for again."""
        self.report: ReportItem | None = None
        self.give_back: HandedBack | None = None
        """Set when the attempt is to be handed back instead of reported."""
        self.stopping = False
        """Whether the attempt was cancelled by a stop."""
        self._running: asyncio.Task[object] | None = None
        self._permitted = asyncio.Event()
        self._published = asyncio.Event()
        self._left = asyncio.Event()

    @property
    def number(self) -> int:
        """The claim's number, by which orders name it."""
        return self.item.number

    def enter(self) -> None:
        """The current task begins with the attempt."""
        self._running = asyncio.current_task()
        if self.stopping:
            self._stop()

    def leave(self) -> None:
        """The attempt has ended, and nothing of it is left."""
        self._running = None
        self._left.set()

    async def left(self) -> None:
        """Wait until nothing of the attempt is left."""
        await self._left.wait()

    async def permission(self) -> bool:
        """Wait for the answer to the claim; True if the attempt may start."""
        await self._permitted.wait()
        return self.phase is Phase.GRANTED

    def grant(self) -> None:
        """The claim is granted: let the attempt start, unless a stop came first."""
        self.answered = True
        self.start_unasked()

    def start_unasked(self) -> None:
        """Let the attempt start before the claim is answered."""
        if self.phase is Phase.ASKING:
            self.phase = Phase.GRANTED
            self._permitted.set()

    @property
    def waits(self) -> bool:
        """Whether something of this claim has to be told, and is not answered yet."""
        if self.phase is Phase.REPORTED:
            return True
        return self.phase in (Phase.ASKING, Phase.GRANTED) and not self.answered

    def close(self) -> None:
        """Nothing more is to be told of this claim; an attempt that runs is stopped."""
        open_before = self.phase in (Phase.ASKING, Phase.GRANTED)
        self.phase = Phase.OVER
        self._permitted.set()
        self._published.set()
        if open_before:
            self._stop()

    def hand_back(self, reason: HandedBack) -> None:
        """Stop the attempt and give it back, if it has not ended."""
        if self.phase in (Phase.ASKING, Phase.GRANTED) and self.give_back is None:
            self.give_back = reason
            self._stop()

    def end(self, report: ReportItem) -> None:
        """The attempt has ended; the report is kept until it is settled."""
        if self.phase is not Phase.OVER:
            self.report = report
            self.phase = Phase.REPORTED
            self.sent_at = float("-inf")

    def confirm(self) -> None:
        """The broker has the report."""
        self._published.set()

    async def delivered(self) -> None:
        """Wait until the broker has the report, or nothing is to be reported."""
        await self._published.wait()

    def _stop(self) -> None:
        self.stopping = True
        if self._running is not None:
            self._running.cancel()
            self._running = None


class Ledger:
    """All claims of one incarnation, by number."""

    def __init__(self) -> None:
        self._holdings: dict[int, Holding] = {}
        self._next = 1
        self._empty = asyncio.Event()
        self._empty.set()

    def open(self, job_id: JobId, task_id: TaskId, attempt: int, beat: int) -> Holding:
        """Make a new claim; ``beat`` is the number of the last heartbeat sent."""
        item = ClaimItem(
            job_id=job_id, task_id=task_id, attempt=attempt, number=self._next, beat=beat
        )
        self._next += 1
        holding = self._holdings[item.number] = Holding(item)
        self._empty.clear()
        return holding

    def get(self, number: int) -> Holding | None:
        """The claim of that number, if it is held."""
        return self._holdings.get(number)

    def close(self, number: int) -> None:
        """Forget a claim; an attempt that runs under it is stopped."""
        holding = self._holdings.pop(number, None)
        if holding is not None:
            holding.close()
        if not self._holdings:
            self._empty.set()

    def all(self) -> list[Holding]:
        """All claims held, the oldest first."""
        return list(self._holdings.values())

    async def emptied(self) -> None:
        """Wait until no claim is held."""
        await self._empty.wait()
