"""Which nodes are to be given up, and which tasks' messages are presumed lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from tork_core.interfaces.datastore import Waiting
from tork_core.model.node import Node, NodeKind, NodeState

CROWD = 3
"""From so many nodes on, more than half of them silent together points at something between."""

OVERTAKEN = timedelta(seconds=30)
"""A task is presumed lost when one that was published this much later has been claimed."""


class Expiry(msgspec.Struct, frozen=True):
    """Nodes to be marked LOST, with the last heartbeat seen of each; and why some are not."""

    nodes: dict[str, datetime]
    held_back: int = 0


def expired(
    nodes: Sequence[Node], own: str, now: datetime, *, lease: timedelta, gap: timedelta
) -> Expiry:
    """Decide which workers have been silent for too long.

    ``own`` is the coordinator that asks. It trusts the silence of others only if its own
    heartbeats went round through the same queue without a gap for the whole last lease.
    """
    me = next((node for node in nodes if node.id == own), None)
    if me is None or not _steady(me, now, lease, gap):
        return Expiry({})
    living = (NodeState.UP, NodeState.DOWN)
    workers = [node for node in nodes if node.kind is NodeKind.WORKER and node.state in living]
    crowd = len(workers) >= CROWD and 2 * len(_silent(workers, now, lease)) > len(workers)
    longest = 3 * lease if crowd else lease
    found = _silent(workers, now, longest)
    held_back = len(_silent(workers, now, lease)) - len(found)
    return Expiry(found, held_back)


def _steady(node: Node, now: datetime, lease: timedelta, gap: timedelta) -> bool:
    if node.last_heartbeat_at is None or node.steady_since is None:
        return False
    return now - node.last_heartbeat_at <= gap and now - node.steady_since >= lease


def _silent(nodes: Sequence[Node], now: datetime, lease: timedelta) -> dict[str, datetime]:
    return {
        node.id: node.last_heartbeat_at
        for node in nodes
        if node.last_heartbeat_at is not None and now - node.last_heartbeat_at > lease
    }


class Suspects(msgspec.Struct, frozen=True):
    """SCHEDULED tasks of a queue and priority, published up to a time, are presumed lost."""

    queue: str
    priority: int
    published_before: datetime


def suspects(
    waiting: Sequence[Waiting],
    empty_at: Mapping[str, Sequence[datetime]],
    now: datetime,
    patience: timedelta,
) -> list[Suspects]:
    """Decide which waiting tasks are not merely waiting.

    ``empty_at`` tells when each queue was seen empty, in order, ``now`` included. A task is
    presumed lost if its queue was seen empty at least ``patience`` after the task was published,
    no claim came for ``patience`` more and the queue is empty still (a message may have come back
    to it from a lost connection); or if a task published much later has been claimed already.
    """
    found: list[Suspects] = []
    for item in waiting:
        times = empty_at.get(item.queue, ())
        seen = [at for at in times if now - at >= patience and times[-1] == now]
        limits = [seen[-1] - patience] if seen else []
        if item.newest_claimed is not None:
            limits.append(item.newest_claimed - OVERTAKEN)
        if limits and item.oldest <= max(limits):
            found.append(Suspects(item.queue, item.priority, max(limits)))
    return found
