"""Datastores that keep nodes and leases wrongly."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

import msgspec
from flawed_datastore import FlawedDatastore, caught_by
from tork_memory.nodes import NodeTable

from tork_core.interfaces.datastore import Beat
from tork_core.interfaces.leases import Leases
from tork_core.model.node import Node, NodeState


class SpoilsBeats(NodeTable):
    def spoil(self, stored: Node | None, node: Node) -> Node:
        """What is taken for the heartbeat of a node that is stored so."""
        return node

    def find(self, node_id: str) -> Node | None:
        row = self._rows.get(node_id)
        return msgspec.msgpack.decode(row, type=Node) if row else None

    def beat(self, node: Node, gap: float, now: datetime) -> Node:
        return super().beat(self.spoil(self.find(node.id), node), gap, now)


@caught_by("test_a_node_is_stored_as_it_describes_itself")
class ForgetsQueues(SpoilsBeats):
    def spoil(self, stored: Node | None, node: Node) -> Node:
        return msgspec.structs.replace(node, queues={})


@caught_by("test_a_heartbeat_replaces_the_one_before")
class KeepsTheFirstDescription(SpoilsBeats):
    def spoil(self, stored: Node | None, node: Node) -> Node:
        return stored or node


@caught_by("test_a_heartbeat_replaces_the_one_before")
class NeverComesUpAgain(SpoilsBeats):
    def spoil(self, stored: Node | None, node: Node) -> Node:
        down = stored is not None and stored.state is NodeState.DOWN
        return msgspec.structs.replace(node, state=NodeState.DOWN) if down else node


@caught_by("test_heartbeats_without_a_gap_are_steady")
class IsNeverSteady(NodeTable):
    def beat(self, node: Node, gap: float, now: datetime) -> Node:
        return super().beat(node, -1, now)


@caught_by("test_a_gap_ends_the_steady_time")
class IsAlwaysSteady(NodeTable):
    def beat(self, node: Node, gap: float, now: datetime) -> Node:
        return super().beat(node, 1_000_000, now)


@caught_by(
    "test_an_older_heartbeat_changes_nothing",
    "test_two_heartbeats_of_one_node_in_a_batch_both_count",
)
class TakesAnyNumber(SpoilsBeats):
    def beat(self, node: Node, gap: float, now: datetime) -> Node:
        stored = self.find(node.id)
        if stored is not None:
            stored.beat = 0
            self._store(stored)
        return super().beat(node, gap, now)


class Revives(SpoilsBeats):
    state: NodeState

    def beat(self, node: Node, gap: float, now: datetime) -> Node:
        stored = self.find(node.id)
        if stored is not None and stored.state is self.state:
            stored.state = NodeState.UP
            self._store(stored)
        return super().beat(node, gap, now)


@caught_by("test_a_lost_node_is_lost_for_ever")
class RevivesLostNodes(Revives):
    state = NodeState.LOST


@caught_by("test_an_offline_node_stays_offline")
class RevivesOfflineNodes(Revives):
    state = NodeState.OFFLINE


@caught_by("test_an_offline_node_stays_offline")
class ExpiresOfflineNodes(Revives):
    state = NodeState.LOST

    def expire(self, nodes: Mapping[str, datetime]) -> list[str]:
        for node_id in nodes:
            stored = self.find(node_id)
            if stored is not None and stored.state is NodeState.OFFLINE:
                stored.state = NodeState.UP
                self._store(stored)
        return super().expire(nodes)


@caught_by("test_nodes_come_back_in_the_order_of_their_heartbeats")
class AnswersById(FlawedDatastore):
    async def beat(self, beats: Sequence[Beat], *, gap: float) -> list[Node]:
        return sorted(await super().beat(beats, gap=gap), key=lambda node: node.id)


@caught_by("test_two_heartbeats_of_one_node_in_a_batch_both_count")
class TakesTheFirstOfABatch(FlawedDatastore):
    async def beat(self, beats: Sequence[Beat], *, gap: float) -> list[Node]:
        first = {beat.node.id: beat for beat in reversed(beats)}
        return await super().beat([first[beat.node.id] for beat in beats], gap=gap)


@caught_by("test_nodes_are_listed_by_name_and_id")
class ListsNodesById(NodeTable):
    def all(self) -> list[Node]:
        return sorted(super().all(), key=lambda node: node.id)


@caught_by("test_a_node_that_was_heard_of_again_does_not_expire")
class ExpiresUnconditionally(SpoilsBeats):
    def expire(self, nodes: Mapping[str, datetime]) -> list[str]:
        heard: dict[str, datetime] = {}
        for node_id in nodes:
            node = self.find(node_id)
            if node is not None and node.last_heartbeat_at is not None:
                heard[node_id] = node.last_heartbeat_at
        return super().expire(heard)


@caught_by("test_each_node_expires_once")
class ExpiresAgainAndAgain(NodeTable):
    def expire(self, nodes: Mapping[str, datetime]) -> list[str]:
        super().expire(nodes)
        return sorted(nodes)


@caught_by("test_a_lease_ends_with_its_time")
class LeasesNeverEnd(Leases):
    def take(self, name: str, holder: str, seconds: float, now: datetime) -> bool:
        return super().take(name, holder, 1_000_000, now)


@caught_by("test_a_lease_ends_with_its_time")
class LeasesEndAtOnce(Leases):
    def take(self, name: str, holder: str, seconds: float, now: datetime) -> bool:
        return super().take(name, holder, seconds / 100, now)


@caught_by("test_a_lease_has_one_holder")
class GivesLeasesToAll(Leases):
    def take(self, name: str, holder: str, seconds: float, now: datetime) -> bool:
        super().take(name, holder, seconds, now)
        return True


@caught_by("test_a_lease_has_one_holder")
class RenewsNoLease(Leases):
    def take(self, name: str, holder: str, seconds: float, now: datetime) -> bool:
        return name not in self._held and super().take(name, holder, seconds, now)


@caught_by("test_a_renewed_lease_lasts_from_then_on")
class RenewalsAddNothing(Leases):
    def take(self, name: str, holder: str, seconds: float, now: datetime) -> bool:
        held = self._held.get(name)
        if held is not None and held[0] == holder and held[1] > now:
            return True
        return super().take(name, holder, seconds, now)


@caught_by("test_a_released_lease_is_free")
class ReleasesNothing(Leases):
    def release(self, name: str, holder: str) -> None:
        pass


@caught_by("test_only_its_holder_releases_a_lease")
class ReleasesForAnybody(Leases):
    def release(self, name: str, holder: str) -> None:
        self._held.pop(name, None)
