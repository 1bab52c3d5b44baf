"""What can go wrong in a run, and how often: two profiles, and the one without a sweeper."""

from __future__ import annotations

import random
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Chances are per message or per call; times are virtual seconds."""

    lost: float = 0.0
    doubled: float = 0.0
    delayed: float = 0.0
    longest_delay: float = 4.0
    publish_unknown: float = 0.0
    ack_lost: float = 0.0
    commit_unknown: float = 0.0
    read_failed: float = 0.0
    coordinator_crash: float = 0.0
    worker_crash: float = 0.0
    pause: float = 0.0
    outages: int = 0
    """Of broker, datastore or all coordinators: some of them longer than a lease."""
    partitions: int = 0
    drains: int = 0
    clock_jumps: bool = False
    task_failure: float = 0.1
    sweeper: bool = True
    doubtful: bool = False
    """Workers start what is surely new unasked; then a fault may start an attempt twice."""
    honest: bool = False
    """No faults of workers, and a broker that loses nothing: doubled work must be nought."""


EVERYTHING = Faults(
    lost=0.03,
    doubled=0.05,
    delayed=0.1,
    publish_unknown=0.01,
    ack_lost=0.01,
    commit_unknown=0.01,
    read_failed=0.005,
    coordinator_crash=0.002,
    worker_crash=0.002,
    pause=0.001,
    outages=2,
    partitions=2,
    drains=1,
    clock_jumps=True,
)
HONEST = Faults(
    doubled=0.05,
    delayed=0.1,
    publish_unknown=0.01,
    ack_lost=0.01,
    commit_unknown=0.01,
    read_failed=0.005,
    coordinator_crash=0.002,
    outages=2,
    clock_jumps=True,
    honest=True,
)
UNSWEPT = Faults(
    doubled=0.1,
    delayed=0.2,
    read_failed=0.005,
    ack_lost=0.01,
    clock_jumps=True,
    sweeper=False,
    honest=True,
)


def faults_of(seed: int, source: random.Random) -> Faults:
    """A third of the seeds run without a sweeper; of the others a third with an honest broker."""
    if seed % 3 == 0:
        return UNSWEPT
    profile = HONEST if seed % 3 == 1 else EVERYTHING
    if profile is EVERYTHING and source.random() < 0.15:
        return replace(profile, doubtful=True)
    if source.random() < 0.2:
        return replace(
            profile,
            lost=profile.lost * 5,
            doubled=profile.doubled * 3,
            delayed=profile.delayed * 4,
            coordinator_crash=profile.coordinator_crash * 3,
            worker_crash=profile.worker_crash * 3,
        )
    return profile
