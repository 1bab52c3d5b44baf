"""Nodes: one process start of a worker or a coordinator."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

import msgspec


class NodeState(StrEnum):
    """The states of a node; LOST is for ever."""

    UP = "UP"
    DOWN = "DOWN"
    OFFLINE = "OFFLINE"
    LOST = "LOST"


class NodeKind(StrEnum):
    """What a node does."""

    COORDINATOR = "coordinator"
    WORKER = "worker"


class Node(msgspec.Struct, omit_defaults=True, rename="camel", kw_only=True):
    """A node as it is stored. ``id`` names the incarnation, ``name`` stays over restarts."""

    id: str
    name: str
    kind: NodeKind
    state: NodeState = NodeState.UP
    hostname: str = ""
    version: str = ""
    queues: dict[str, int] = {}
    """Served queues and how many tasks of each run at once."""
    task_count: int = 0
    beat: int = 0
    """The highest number of its heartbeats that was written."""
    started_at: datetime | None = None
    last_heartbeat_at: datetime | None = None
    steady_since: datetime | None = None
    """Since when its heartbeats were written without a gap over 10 seconds."""
