"""Nodes: who lives, and who is lost for ever."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

import msgspec

from tork_core.model.node import Node, NodeState
from tork_sqlite.rows import encode, micros

GONE = frozenset({NodeState.LOST, NodeState.OFFLINE})

KEPT_NODES = 200
"""How many nodes that are LOST or OFFLINE are listed, of those that were heard of last."""

REMEMBERED_NODES = 10_000
"""How many more of them are remembered, so that none comes back."""

_WRITE = """
INSERT INTO nodes (id, gone, listed, row) VALUES (?, ?, 1, ?)
ON CONFLICT (id) DO UPDATE SET gone = excluded.gone, row = excluded.row
"""
_LISTED = "SELECT CAST('[' || group_concat(row) || ']' AS BLOB) FROM nodes WHERE listed = 1"
_TAIL = """
SELECT id FROM nodes WHERE listed = ? AND gone IS NOT NULL ORDER BY gone DESC LIMIT -1 OFFSET ?
"""

_decode = msgspec.json.Decoder(Node).decode
_decode_all = msgspec.json.Decoder(list[Node]).decode


def beat(
    connection: sqlite3.Connection, beats: Sequence[Node], gap: float, now: datetime
) -> list[Node]:
    """Write heartbeats and return the nodes as they are stored then."""
    return [_beat(connection, node, gap, now) for node in beats]


def expire(connection: sqlite3.Connection, nodes: Mapping[str, datetime]) -> list[str]:
    """Mark nodes LOST that have not been heard of since the given times."""
    marked: list[str] = []
    for node_id in sorted(nodes):
        node = _find(connection, node_id)
        if node is None or node.state in GONE or node.last_heartbeat_at != nodes[node_id]:
            continue
        node.state = NodeState.LOST
        _write(connection, node)
        marked.append(node_id)
    return marked


def listed(connection: sqlite3.Connection) -> list[Node]:
    """All nodes that are to be seen, by name and id."""
    (rows,) = connection.execute(_LISTED).fetchone()
    return sorted(_decode_all(rows) if rows else [], key=lambda node: (node.name, node.id))


def forget(connection: sqlite3.Connection) -> None:
    """List no more nodes that are gone than are kept, and drop the oldest for good."""
    connection.execute(f"DELETE FROM nodes WHERE id IN ({_TAIL})", (0, REMEMBERED_NODES))
    connection.execute(f"UPDATE nodes SET listed = 0 WHERE id IN ({_TAIL})", (1, KEPT_NODES))


def _beat(connection: sqlite3.Connection, node: Node, gap: float, now: datetime) -> Node:
    stored = _find(connection, node.id)
    if stored is None:
        return _write(connection, _heard(node, now, now))
    if stored.state in GONE or node.beat < stored.beat:
        return stored
    last = stored.last_heartbeat_at
    steady = last is not None and now - last <= timedelta(seconds=gap)
    return _write(connection, _heard(node, now, stored.steady_since if steady else now))


def _heard(node: Node, now: datetime, steady_since: datetime | None) -> Node:
    return msgspec.structs.replace(node, last_heartbeat_at=now, steady_since=steady_since)


def _find(connection: sqlite3.Connection, node_id: str) -> Node | None:
    found = connection.execute("SELECT row FROM nodes WHERE id = ?", (node_id,)).fetchone()
    return _decode(found[0]) if found else None


def _write(connection: sqlite3.Connection, node: Node) -> Node:
    gone = node.last_heartbeat_at if node.state in GONE else None
    connection.execute(_WRITE, (node.id, micros(gone) if gone else None, encode(node)))
    return node
