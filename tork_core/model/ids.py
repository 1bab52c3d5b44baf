"""Ids: 32 hexadecimal digits that sort by time.

The first 48 bits are a time in milliseconds, as in UUIDv7 (RFC 9562, section 5.7), so that ids sort
by creation; the rest is random (jobs) or derived (tasks). A derived id makes a second insert of the
same task no second task, and lets a task be named without loading its siblings.
"""

from __future__ import annotations

import random
from datetime import datetime
from hashlib import blake2b

from tork_core.model.job import JobId, TaskId


def _milliseconds(at: datetime) -> str:
    return f"{int(at.timestamp() * 1000) & 0xFFFFFFFFFFFF:012x}"


def new_job_id(at: datetime, source: random.Random) -> JobId:
    """Return a fresh job id for a job created at ``at``."""
    return f"{_milliseconds(at)}{source.getrandbits(80):020x}"


def job_id_from_key(key: str) -> JobId:
    """Return the job id that belongs to an idempotency key, whenever it is used."""
    return blake2b(key.encode(), digest_size=16, person=b"tork-job").hexdigest()


def task_id(job_id: JobId, created_at: datetime, run: int, path: str, retry: int) -> TaskId:
    """Return the id of a task: the job's creation time, then a hash of where the task stands.

    ``path`` is its place in the task tree, ``run`` the job's run, ``retry`` the number of failed
    instances before it. Attempts share the id.
    """
    place = f"{job_id}/{run}/{path}/{retry}".encode()
    return _milliseconds(created_at) + blake2b(place, digest_size=10).hexdigest()
