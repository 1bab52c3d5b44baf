"""The order in which jobs are listed."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from datetime import datetime

from tork_core.model.job import JobId

Place = tuple[datetime, JobId]
"""Where a job stands: by its creation, and then its id."""


class JobList:
    """All jobs by their place. Jobs come at the end, or nearly so."""

    def __init__(self) -> None:
        self._places: list[Place] = []

    def __len__(self) -> int:
        return len(self._places)

    def add(self, place: Place) -> None:
        """Put a new job in."""
        insort(self._places, place)

    def remove(self, place: Place) -> None:
        """Take a job out."""
        del self._places[bisect_left(self._places, place)]

    def page(self, until: Place | None, offset: int, limit: int) -> tuple[int, list[JobId]]:
        """Return how many jobs stand at or before a place, and some of them, the newest first."""
        total = len(self._places) if until is None else bisect_right(self._places, until)
        stop = max(0, total - offset)
        places = self._places[max(0, stop - limit) : stop]
        return total, [job_id for _, job_id in reversed(places)]
