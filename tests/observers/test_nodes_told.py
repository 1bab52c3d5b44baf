"""States of nodes: told at least once, under ids that stay, and never mistaken for older ones."""

from __future__ import annotations

import asyncio

from tork_memory.datastore import MemoryDatastore

from tests.observers.watching import Ear, Stage, open_stage, stop, until, virtual
from tork_core.coordinator.observing import LEASE, NODE_INTERVAL
from tork_core.model.node import NodeState

UP, DOWN, OFFLINE, LOST = NodeState.UP, NodeState.DOWN, NodeState.OFFLINE, NodeState.LOST


async def next_look() -> None:
    await asyncio.sleep(NODE_INTERVAL + 0.1)


async def expire(stage: Stage, node_id: str) -> None:
    _, nodes = await stage.datastore.nodes()
    heard = {node.id: node.last_heartbeat_at for node in nodes if node.last_heartbeat_at}
    assert await stage.datastore.expire({node_id: heard[node_id]}) == [node_id]


def told(ear: Ear) -> list[tuple[str, NodeState | None]]:
    return [(event.id, event.was) for event in ear.nodes]


@virtual
async def test_a_node_is_told_when_it_comes_and_when_its_state_changes() -> None:
    async with open_stage() as stage:
        ear = Ear()
        stage.observers(ear)
        await stage.beat("a", 1)
        await stage.beat("b", 1)
        await next_look()
        for number in range(2, 10):
            await stage.beat("a", number)
            await next_look()
        assert told(ear) == [("a:UP", None), ("b:UP", None)]
        await expire(stage, "a")
        await stage.beat("b", 2, OFFLINE)
        await next_look()
        await next_look()
        assert told(ear)[2:] == [("a:LOST", UP), ("b:OFFLINE", UP)]
        assert [event.node.state for event in ear.nodes] == [UP, UP, LOST, OFFLINE]


@virtual
async def test_every_change_has_an_id_of_its_own() -> None:
    async with open_stage() as stage:
        ear = Ear()
        stage.observers(ear)
        for number, state in enumerate((UP, DOWN, UP, DOWN, OFFLINE), 1):
            await stage.beat("a", number, state)
            await next_look()
        assert told(ear) == [
            ("a:UP", None),
            ("a:DOWN:1", UP),
            ("a:UP:2", DOWN),
            ("a:DOWN:3", UP),
            ("a:OFFLINE", DOWN),
        ]


@virtual
async def test_whoever_takes_over_tells_all_nodes_again_under_the_same_ids() -> None:
    async with open_stage() as stage:
        first, second = Ear(), Ear()
        _, running = stage.observers(first, "first")
        for node_id in ("a", "b", "c"):
            await stage.beat(node_id, 1)
        await next_look()
        await stage.beat("b", 2, DOWN)
        await stage.beat("c", 2, OFFLINE)
        await next_look()
        await stop(running)
        stage.observers(second, "second")
        await asyncio.sleep(2 * LEASE)
        assert [event.id for event in second.nodes] == ["a:UP", "b:DOWN:1", "c:OFFLINE"]
        assert {event.id for event in second.nodes} < {event.id for event in first.nodes}


@virtual
async def test_what_changed_while_nobody_looked_is_told() -> None:
    """A node that was told to be DOWN and is UP again must not seem to be DOWN for ever."""
    async with open_stage() as stage:
        first, second = Ear(), Ear()
        _, running = stage.observers(first, "first")
        await stage.beat("a", 1)
        await next_look()
        await stage.beat("a", 2, DOWN)
        await next_look()
        await stop(running)
        await stage.beat("a", 3)
        stage.observers(second, "second")
        await asyncio.sleep(2 * LEASE)
        assert [event.id for event in first.nodes] == ["a:UP", "a:DOWN:1"]
        assert [event.id for event in second.nodes] == ["a:UP:2"]


class NoAnswer(MemoryDatastore):
    """Moves of marks are written, and never come back."""

    async def move_mark(self, name: str, position: int) -> None:
        await super().move_mark(name, position)
        await asyncio.Event().wait()


@virtual
async def test_a_crash_before_the_call_has_the_change_told_by_the_next() -> None:
    async with open_stage() as stage:
        first, second = Ear(), Ear()
        await stage.beat("a", 1, DOWN)
        _, running = stage.observers(first, "first", NoAnswer(stage.store))
        await next_look()
        await stop(running)
        stage.observers(second, "second")
        await until(lambda: second.nodes)
        assert first.nodes == []
        assert told(second) == [("a:DOWN:1", None)]


@virtual
async def test_nodes_that_are_only_up_leave_no_marks() -> None:
    async with open_stage() as stage:
        ear = Ear()
        stage.observers(ear)
        for number in range(50):
            await stage.beat(f"node-{number}", 1)
            await stage.beat(f"node-{number}", 2, OFFLINE)
        await next_look()
        assert len(ear.nodes) == 50
        assert stage.store.sizes()["marks"] == 0
