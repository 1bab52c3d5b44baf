"""Promises about nodes and leases: who lives, who is lost for ever, who holds what."""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Any

from tork_core.interfaces.datastore import Beat, Datastore
from tork_core.model.node import Node, NodeKind, NodeState
from tork_core.testing._datastore_base import HOUR, DatastoreSuite, unique
from tork_core.testing.waiting import eventually

GAP = 0.1


class NodePromises(DatastoreSuite):
    """See ``beat``, ``nodes`` and ``expire``."""

    async def beat(self, datastore: Datastore, node: Node, *, gap: float = 60) -> Node:
        """Write one heartbeat of a node."""
        (stored,) = await datastore.beat([Beat(node)], gap=gap)
        return stored

    async def stored(self, datastore: Datastore, node_id: str) -> Node:
        """The node as it is stored."""
        _, nodes = await datastore.nodes()
        (node,) = [node for node in nodes if node.id == node_id]
        return node

    def heard(self, node: Node) -> datetime:
        """When the node was heard of last."""
        assert node.last_heartbeat_at is not None
        return node.last_heartbeat_at

    async def test_a_node_is_stored_as_it_describes_itself(
        self, datastore: Datastore, second: Datastore
    ) -> None:
        before = await self.now(datastore)
        node = make_node(
            hostname="höst",
            version="1.2",
            queues={"b": 2, "a": 1},
            task_count=3,
            beat=4,
            started_at=before - HOUR,
        )
        returned = await self.beat(datastore, node)
        assert before <= self.heard(returned) <= await self.now(datastore)
        assert returned.steady_since == returned.last_heartbeat_at
        assert await self.stored(second, node.id) == returned
        node.last_heartbeat_at = node.steady_since = returned.last_heartbeat_at
        assert returned == node

    async def test_a_heartbeat_replaces_the_one_before(self, datastore: Datastore) -> None:
        first = await self.beat(datastore, make_node(id="n", beat=1, task_count=5))
        await self.passed(datastore, self.heard(first))
        again = await self.beat(
            datastore, make_node(id="n", beat=2, task_count=6, state=NodeState.DOWN)
        )
        assert (again.beat, again.task_count, again.state) == (2, 6, NodeState.DOWN)
        assert self.heard(again) > self.heard(first)
        assert (await self.beat(datastore, make_node(id="n", beat=3))).state is NodeState.UP
        assert (await self.stored(datastore, "n")).beat == 3

    async def test_heartbeats_without_a_gap_are_steady(self, datastore: Datastore) -> None:
        first = await self.beat(datastore, make_node(id="n", beat=1))
        await self.passed(datastore, self.heard(first))
        again = await self.beat(datastore, make_node(id="n", beat=2))
        assert self.heard(again) > self.heard(first)
        assert again.steady_since == first.steady_since

    async def test_a_gap_ends_the_steady_time(self, datastore: Datastore) -> None:
        first = await self.beat(datastore, make_node(id="n", beat=1), gap=GAP)
        await self.passed(datastore, self.heard(first) + timedelta(seconds=GAP))
        again = await self.beat(datastore, make_node(id="n", beat=2), gap=GAP)
        assert again.steady_since == again.last_heartbeat_at
        assert self.heard(again) > self.heard(first)

    async def test_an_older_heartbeat_changes_nothing(self, datastore: Datastore) -> None:
        stored = await self.beat(datastore, make_node(id="n", beat=5, task_count=1))
        await self.passed(datastore, self.heard(stored))
        late = make_node(id="n", beat=4, task_count=2, state=NodeState.OFFLINE)
        assert await self.beat(datastore, late) == stored
        assert await self.stored(datastore, "n") == stored

    async def test_a_lost_node_is_lost_for_ever(self, datastore: Datastore) -> None:
        stored = await self.beat(datastore, make_node(id="n", beat=1))
        assert await datastore.expire({"n": self.heard(stored)}) == ["n"]
        lost = await self.stored(datastore, "n")
        assert lost.state is NodeState.LOST
        await self.passed(datastore, self.heard(stored))
        assert await self.beat(datastore, make_node(id="n", beat=9)) == lost
        assert await self.stored(datastore, "n") == lost

    async def test_an_offline_node_stays_offline(self, datastore: Datastore) -> None:
        off = await self.beat(datastore, make_node(id="n", beat=1, state=NodeState.OFFLINE))
        await self.passed(datastore, self.heard(off))
        assert await self.beat(datastore, make_node(id="n", beat=2)) == off
        assert await datastore.expire({"n": self.heard(off)}) == []
        assert (await self.stored(datastore, "n")) == off

    async def test_nodes_come_back_in_the_order_of_their_heartbeats(
        self, datastore: Datastore
    ) -> None:
        await self.beat(datastore, make_node(id="b", beat=7))
        ids = ["c", "b", "a", "d"]
        nodes = await datastore.beat([Beat(make_node(id=i, beat=3)) for i in ids], gap=60)
        assert [(node.id, node.beat) for node in nodes] == [
            ("c", 3),
            ("b", 7),
            ("a", 3),
            ("d", 3),
        ]
        assert await datastore.beat([], gap=60) == []

    async def test_two_heartbeats_of_one_node_in_a_batch_both_count(
        self, datastore: Datastore
    ) -> None:
        beats = [Beat(make_node(id="n", beat=number)) for number in (1, 3, 2)]
        nodes = await datastore.beat(beats, gap=60)
        assert nodes[-1].beat == 3
        assert (await self.stored(datastore, "n")).beat == 3

    async def test_nodes_are_listed_by_name_and_id(self, datastore: Datastore) -> None:
        names = {"n-3": "a", "n-1": "b", "n-4": "b", "n-2": "a"}
        for node_id, name in names.items():
            await self.beat(datastore, make_node(id=node_id, name=name))
        before = await self.now(datastore)
        now, nodes = await datastore.nodes()
        assert now >= before
        assert [node.id for node in nodes] == ["n-2", "n-3", "n-1", "n-4"]

    async def test_a_node_that_was_heard_of_again_does_not_expire(
        self, datastore: Datastore
    ) -> None:
        first = await self.beat(datastore, make_node(id="n", beat=1))
        await self.passed(datastore, self.heard(first))
        again = await self.beat(datastore, make_node(id="n", beat=2))
        assert await datastore.expire({"n": self.heard(first)}) == []
        assert await self.stored(datastore, "n") == again

    async def test_each_node_expires_once(self, datastore: Datastore, second: Datastore) -> None:
        heard = {
            node_id: self.heard(await self.beat(datastore, make_node(id=node_id)))
            for node_id in ("c", "a", "b", "d")
        }
        named = {node_id: heard[node_id] for node_id in ("c", "a", "b")}
        results = await asyncio.gather(
            datastore.expire(named | {"no-such-node": heard["a"]}), second.expire(named)
        )
        assert sorted(results[0] + results[1]) == ["a", "b", "c"]
        assert all(result == sorted(result) for result in results)
        _, nodes = await datastore.nodes()
        assert {node.id for node in nodes if node.state is NodeState.LOST} == {"a", "b", "c"}
        assert await datastore.expire(named) == []


class LeasePromises(DatastoreSuite):
    """See ``lease`` and ``release``."""

    async def test_a_lease_has_one_holder(self, datastore: Datastore, second: Datastore) -> None:
        name = unique("lease")
        taken = await asyncio.gather(
            *(
                connection.lease(name, f"holder-{number}", 60)
                for number, connection in enumerate((datastore, second) * 3)
            )
        )
        assert taken.count(True) == 1
        holder = f"holder-{taken.index(True)}"
        assert await second.lease(name, holder, 60)
        assert not await datastore.lease(name, "another", 60)
        assert await datastore.lease(unique("lease"), "another", 60)

    async def test_a_lease_ends_with_its_time(self, datastore: Datastore) -> None:
        name = unique("lease")
        before = await self.now(datastore)
        assert await datastore.lease(name, "first", 0.2)
        await eventually(lambda: datastore.lease(name, "second", 60), bool, within=self.patience)
        assert await self.now(datastore) - before >= timedelta(seconds=0.2)
        assert not await datastore.lease(name, "first", 60)

    async def test_a_renewed_lease_lasts_from_then_on(self, datastore: Datastore) -> None:
        name = unique("lease")
        before = await self.now(datastore)
        assert await datastore.lease(name, "first", 0.1)
        assert await datastore.lease(name, "first", 60)
        await self.passed(datastore, before + timedelta(seconds=0.2))
        assert not await datastore.lease(name, "second", 60)

    async def test_a_released_lease_is_free(self, datastore: Datastore, second: Datastore) -> None:
        name = unique("lease")
        assert await datastore.lease(name, "first", 60)
        await second.release(name, "first")
        assert await second.lease(name, "second", 60)

    async def test_only_its_holder_releases_a_lease(self, datastore: Datastore) -> None:
        name = unique("lease")
        assert await datastore.lease(name, "first", 60)
        await datastore.release(name, "second")
        await datastore.release(unique("lease"), "second")
        assert not await datastore.lease(name, "second", 60)


def make_node(**fields: Any) -> Node:
    """A worker as it describes itself."""
    given: dict[str, Any] = {"id": unique("node"), "name": "worker", "kind": NodeKind.WORKER}
    return Node(**(given | fields))
