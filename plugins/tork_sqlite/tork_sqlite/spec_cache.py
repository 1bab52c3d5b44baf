"""Specifications of jobs, decoded once: every load needs them, and they never change."""

from __future__ import annotations

import threading
from datetime import datetime

from tork_core.model.job import JobId
from tork_core.model.spec import JobSpec

ROOM = 32 * 2**20
"""About how many bytes of memory the specifications may take that are kept: of those that were
written or read last. A job of many tasks is loaded as often as it has tasks, so it needs its place
more than others."""

JOB, TASK = 600, 300
"""Bytes that a job, and each of its tasks, take beside their texts."""

Key = tuple[JobId, datetime]


class SpecCache:
    """May be used from several threads. A job's id may be given again once the job is deleted,
    so its creation is part of the name."""

    def __init__(self, room: int = ROOM) -> None:
        self._lock = threading.Lock()
        self._room = room
        self._taken = 0
        self._specs: dict[Key, tuple[JobSpec, int]] = {}

    def get(self, job_id: JobId, created_at: datetime) -> JobSpec | None:
        """Return a specification, if it is kept."""
        found = self._specs.get((job_id, created_at))
        return None if found is None else found[0]

    def put(self, job_id: JobId, created_at: datetime, spec: JobSpec, size: int) -> None:
        """Keep a specification that has so many bytes when it is encoded."""
        key = (job_id, created_at)
        size += JOB + TASK * len(spec.tasks)
        with self._lock:
            self._drop(key)
            self._specs[key] = spec, size
            self._taken += size
            while self._taken > self._room:
                self._drop(next(iter(self._specs)))

    def _drop(self, key: Key) -> None:
        found = self._specs.pop(key, None)
        if found is not None:
            self._taken -= found[1]
