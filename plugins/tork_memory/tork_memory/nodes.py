"""Nodes by their heartbeats, and leases."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from datetime import datetime, timedelta

import msgspec

from tork_core.model.node import Node, NodeState

_encode = msgspec.msgpack.Encoder().encode
_decode = msgspec.msgpack.Decoder(Node).decode

KEPT_NODES = 200
"""How many nodes that are LOST or OFFLINE are kept, of those that went last."""

REMEMBERED_NODES = 10_000
"""How many more of them are remembered by id and state alone, so that none comes back."""

GONE = frozenset({NodeState.LOST, NodeState.OFFLINE})


class NodeTable:
    """All nodes; those that are gone are dropped in the order in which they went."""

    def __init__(self) -> None:
        self._rows: dict[str, bytes] = {}
        self._gone: OrderedDict[str, NodeState] = OrderedDict()
        self._remembered: OrderedDict[str, NodeState] = OrderedDict()

    def __len__(self) -> int:
        return len(self._rows)

    def beat(self, node: Node, gap: float, now: datetime) -> Node:
        """Write a heartbeat and return the node as it is stored then."""
        row = self._rows.get(node.id)
        if row is None:
            if node.id in self._remembered:
                return msgspec.structs.replace(node, state=self._remembered[node.id])
            return self._write(node, now, now)
        stored = _decode(row)
        if stored.state in GONE or node.beat < stored.beat:
            return stored
        last = stored.last_heartbeat_at
        steady = last is not None and now - last <= timedelta(seconds=gap)
        return self._write(node, now, stored.steady_since if steady else now)

    def expire(self, nodes: Mapping[str, datetime]) -> list[str]:
        """Mark nodes LOST that have not been heard of since the given times."""
        marked: list[str] = []
        for node_id in sorted(nodes):
            row = self._rows.get(node_id)
            if row is None:
                continue
            node = _decode(row)
            if node.state not in GONE and node.last_heartbeat_at == nodes[node_id]:
                node.state = NodeState.LOST
                self._store(node)
                marked.append(node_id)
        return marked

    def all(self) -> list[Node]:
        """All nodes, by name and id."""
        nodes = [_decode(row) for row in self._rows.values()]
        return sorted(nodes, key=lambda node: (node.name, node.id))

    def _write(self, node: Node, now: datetime, steady_since: datetime | None) -> Node:
        written = msgspec.structs.replace(node, last_heartbeat_at=now, steady_since=steady_since)
        return _decode(self._store(written))

    def _store(self, node: Node) -> bytes:
        row = self._rows[node.id] = _encode(node)
        if node.state in GONE:
            self._gone[node.id] = node.state
            self._drop()
        return row

    def _drop(self) -> None:
        while len(self._gone) > KEPT_NODES:
            node_id, state = self._gone.popitem(last=False)
            del self._rows[node_id]
            self._remembered[node_id] = state
        while len(self._remembered) > REMEMBERED_NODES:
            self._remembered.popitem(last=False)
