"""Specifications of jobs, decoded once: every load needs them, and they never change."""

from __future__ import annotations

import threading
from datetime import datetime

from tork_core.model.job import JobId
from tork_core.model.spec import JobSpec

KEPT = 5_000
"""Specifications that are kept, of those that were written or read last."""

LARGEST = 64 * 1024
"""Bytes of a specification, encoded, beyond which it is read each time."""


class SpecCache:
    """May be used from several threads. A job's id may be given again once the job is deleted,
    so its creation is part of the name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._specs: dict[tuple[JobId, datetime], JobSpec] = {}

    def get(self, job_id: JobId, created_at: datetime) -> JobSpec | None:
        """Return a specification, if it is kept."""
        return self._specs.get((job_id, created_at))

    def put(self, job_id: JobId, created_at: datetime, spec: JobSpec, size: int) -> None:
        """Keep a specification of so many bytes, unless it is large."""
        if size > LARGEST:
            return
        with self._lock:
            self._specs[job_id, created_at] = spec
            if len(self._specs) > KEPT:
                del self._specs[next(iter(self._specs))]
