"""Heartbeats, leases, and the ways in which a worker leaves: drained, lapsed, held for lost."""

from __future__ import annotations

import asyncio

import pytest

from tests.coordinator.virtual_time import virtual
from tests.worker.worker_stage import open_scene, states
from tork_core.model.node import NodeKind, NodeState

# -- heartbeats


@virtual
async def test_heartbeats_are_numbered_and_come_every_five_seconds() -> None:
    async with open_scene(queues={"default": 2, "slow": 1}) as scene:
        await asyncio.sleep(31)
        beats = scene.desk.beats
        assert [beat.node.beat for beat in beats] == list(range(1, 8))
        node = beats[-1].node
        assert (node.kind, node.name, node.state) == (NodeKind.WORKER, "sam", NodeState.UP)
        assert node.queues == {"default": 2, "slow": 1}
        assert node.started_at is not None


@virtual
async def test_a_heartbeat_lists_claims_from_the_first_asking_until_the_end_is_settled() -> None:
    async with open_scene() as scene:
        desk = scene.desk
        desk.grants = desk.settles = False

        async def listed() -> list[int]:
            count = len(desk.beats)
            await scene.until(lambda: len(desk.beats) > count)
            return [item.number for item in desk.beats[-1].claims]

        message = await desk.send("7")
        assert await listed() == [1]
        item = desk.beats[-1].claims[0]
        assert (item.job_id, item.task_id, item.attempt) == (message.job_id, message.task_id, 1)
        await desk.order(granted=[1])
        assert await listed() == [1]
        assert desk.beats[-1].node.task_count == 1
        await scene.reported()
        assert await listed() == [1]
        assert desk.beats[-1].node.task_count == 0
        await desk.order(settled=[1])
        assert await listed() == []


@virtual
async def test_a_claim_carries_the_number_of_the_last_heartbeat_before_it() -> None:
    async with open_scene() as scene:
        for _ in range(4):
            await asyncio.sleep(7)
            newest = scene.desk.beats[-1].node.beat
            await scene.desk.send("0")
            count = len(scene.desk.claims)
            await scene.until(lambda count=count: len(scene.desk.claims) > count, within=1)
            assert scene.desk.claims[-1][2].beat == newest
        reports = [item for _, _, item in scene.desk.reports]
        assert [item.beat for item in reports] == [item.beat for _, _, item in scene.desk.claims]


@virtual
async def test_a_worker_takes_nothing_before_a_heartbeat_of_its_was_taken() -> None:
    async with open_scene() as scene:
        desk = scene.desk
        first = desk.heard[0]
        assert first.queue == "heartbeat"
        scene.link.refuse = lambda message: message.queue == "heartbeat"
        await desk.order(lost=True)
        await asyncio.sleep(3)
        await desk.send("0")
        await asyncio.sleep(10)
        assert scene.depth() == (1, 0)
        scene.link.refuse = lambda _: False
        await scene.reported(within=10)


# -- the lease


@virtual
async def test_tasks_are_stopped_when_no_heartbeat_was_confirmed_for_the_lease_less_5_s() -> None:
    async with open_scene() as scene:
        await scene.desk.send("1000")
        await scene.until(lambda: scene.runtime.running)
        await asyncio.sleep(1)
        last = max(heard.at for heard in scene.desk.heard if heard.queue == "heartbeat")
        scene.link.cut()
        await scene.until(lambda: scene.runtime.happened("left"))
        assert 24.5 <= scene.now - last <= 25.5


@virtual
async def test_a_broker_that_confirms_nothing_is_as_good_as_none() -> None:
    async with open_scene() as scene:
        await scene.desk.send("1000")
        await scene.until(lambda: scene.runtime.running)
        last = scene.desk.heard[-1].at
        scene.link.silent = True
        await scene.until(lambda: scene.runtime.happened("left"))
        assert scene.now - last <= 31


@virtual
async def test_heartbeats_that_no_queue_takes_do_not_renew_the_lease() -> None:
    async with open_scene() as scene:
        await scene.desk.send("1000")
        await scene.until(lambda: scene.runtime.running)
        await asyncio.sleep(1)
        scene.desk.queues.delete("heartbeat")
        await scene.until(lambda: scene.runtime.happened("left"))


@virtual
async def test_a_short_absence_of_the_broker_stops_nothing() -> None:
    async with open_scene() as scene:
        await scene.desk.send("100")
        await scene.until(lambda: scene.runtime.running)
        for _ in range(4):
            scene.link.cut()
            await asyncio.sleep(15)
            scene.link.restore()
            await asyncio.sleep(7)
        [report] = await scene.reported()
        assert report.error is None
        assert len(scene.desk.nodes) == 1
        assert scene.runtime.happened("cancelled") == []


@virtual
async def test_coordinators_that_are_away_stop_nothing() -> None:
    async with open_scene() as scene:
        scene.desk.settles = False
        await scene.desk.send("500")
        await scene.until(lambda: scene.runtime.running)
        # Their queues are there, and nobody answers.
        await asyncio.sleep(400)
        assert scene.runtime.running == 1
        await scene.reported(within=120)


@virtual
async def test_a_worker_whose_lease_lapsed_comes_back_as_a_new_node_and_hands_back() -> None:
    async with open_scene() as scene:
        desk = scene.desk
        message = await desk.send("1000")
        await scene.until(lambda: scene.runtime.running)
        old = desk.node
        scene.link.cut()
        await asyncio.sleep(60)
        assert scene.runtime.running == 0
        scene.link.restore()
        [report] = await scene.reported()
        _, node, _ = desk.reports[0]
        assert node == old, "a hand-back names the node whose claim it is"
        assert report.handed_back
        assert (report.task_id, report.number, report.attempt) == (message.task_id, 1, 1)
        assert report.error
        assert report.log_parts is None
        await scene.until(lambda: len(desk.nodes) == 2)
        assert desk.node != old
        assert desk.beats[-1].node.name == "sam"
        await desk.send("0")
        await scene.reported(2)
        assert desk.reports[-1][1] == desk.node


@virtual
async def test_an_end_that_could_not_be_reported_is_reported_by_the_next_incarnation() -> None:
    async with open_scene() as scene:
        desk = scene.desk
        await desk.send("output done")
        scene.link.refuse = lambda message: message.queue in ("completed", "heartbeat")
        await scene.until(lambda: scene.runtime.happened("ended"))
        desk.grants = False
        old = desk.node
        await asyncio.sleep(40)
        scene.link.refuse = lambda _: False
        [report] = await scene.reported()
        assert desk.reports[0][1] == old
        assert (report.output, report.handed_back) == ("done", False)


@virtual
async def test_two_lapses_lose_no_report() -> None:
    async with open_scene() as scene:
        desk = scene.desk
        await desk.send("1000")
        await scene.until(lambda: scene.runtime.running)
        old = desk.node
        scene.link.cut()
        await asyncio.sleep(100)
        scene.link.restore()
        await scene.reported()
        assert desk.reports[0][1] == old


@virtual
async def test_a_node_that_is_held_for_lost_stops_everything_and_comes_back_as_another() -> None:
    async with open_scene() as scene:
        desk = scene.desk
        await desk.send("1000")
        await desk.send("stubborn 3")
        await scene.until(lambda: scene.runtime.running == 2)
        desk.grants = False
        old = desk.node
        await desk.order(lost=True)
        await scene.until(lambda: len(desk.nodes) == 2)
        assert scene.runtime.running == 0, "it came back before its tasks were dead"
        assert desk.node != old
        await scene.until(lambda: len(desk.reports) == 2)
        assert all(item.handed_back for _, node, item in desk.reports if node == old)
        assert desk.beats[-1].claims == []
        late = [beat for beat in desk.beats if beat.node.id == old]
        assert all(beat.node.state is NodeState.UP for beat in late)


@virtual
async def test_a_claim_that_waits_for_its_answer_is_handed_back_too() -> None:
    async with open_scene() as scene:
        desk = scene.desk
        desk.grants = False
        await desk.send("1")
        await scene.until(lambda: desk.claims)
        await desk.order(lost=True)
        [report] = await scene.reported()
        assert report.handed_back
        assert scene.runtime.happened("started") == []


@virtual
async def test_a_lapse_while_the_worker_drains_stops_its_tasks_too() -> None:
    """However long it may take over its last tasks, others will start them after the lease."""
    async with open_scene(grace=3600.0) as scene:
        await scene.desk.send("1800")
        await scene.until(lambda: scene.runtime.running)
        await asyncio.sleep(1)
        last = max(heard.at for heard in scene.desk.heard if heard.queue == "heartbeat")
        scene.worker.drain()
        await asyncio.sleep(1)
        scene.link.cut()
        await scene.until(lambda: scene.runtime.happened("left"), within=60)
        assert scene.now - last <= 26


# -- draining


@virtual
async def test_an_idle_worker_drains_at_once_and_says_good_bye() -> None:
    async with open_scene() as scene:
        began = scene.now
        scene.worker.drain()
        await scene.ended(within=1)
        assert scene.now - began < 0.1
        await scene.until(lambda: states(scene.desk.beats)[-1] is NodeState.OFFLINE, within=1)
        assert scene.consumers() == 0


@virtual
async def test_a_draining_worker_finishes_what_runs_and_takes_no_more() -> None:
    async with open_scene(queues={"default": 1}, grace=60.0) as scene:
        desk = scene.desk
        message = await desk.send("30")
        await scene.until(lambda: scene.runtime.running)
        await desk.send("0")
        scene.worker.drain()
        await scene.ended()
        await scene.until(lambda: states(desk.beats)[-1] is NodeState.OFFLINE)
        [report] = [item for _, _, item in desk.reports]
        assert (report.task_id, report.error) == (message.task_id, None)
        assert scene.depth() == (1, 0)
        assert desk.beats[-1].claims == []
        assert states(desk.beats).count(NodeState.OFFLINE) == 1
        numbers = [beat.node.beat for beat in desk.beats]
        assert numbers == list(range(1, len(numbers) + 1))


@virtual
async def test_what_does_not_end_within_the_grace_period_is_handed_back() -> None:
    async with open_scene(grace=10.0) as scene:
        desk = scene.desk
        long = await desk.send("1000")
        short = await desk.send("3")
        await scene.until(lambda: scene.runtime.running == 2)
        began = scene.now
        scene.worker.drain()
        await scene.ended()
        assert 10 <= scene.now - began <= 11
        await scene.until(lambda: states(desk.beats)[-1] is NodeState.OFFLINE)
        reports = {item.task_id: item for _, _, item in desk.reports}
        assert reports[short.task_id].error is None
        assert reports[long.task_id].handed_back
        assert scene.runtime.happened("cancelled") == [long.task_id]
        assert scene.depth() == (0, 0)
        kinds = [heard.queue for heard in desk.heard if heard.queue != "logs"]
        assert kinds[-1] == "heartbeat"


@virtual
async def test_a_claim_without_an_answer_does_not_hold_a_draining_worker_up() -> None:
    async with open_scene(grace=600.0) as scene:
        desk = scene.desk
        desk.grants = False
        await desk.send("1")
        await scene.until(lambda: desk.claims)
        scene.worker.drain()
        await scene.ended(within=3)
        assert [item.handed_back for _, _, item in desk.reports] == [True]


@virtual
async def test_a_worker_whose_reports_nobody_settles_leaves_all_the_same() -> None:
    async with open_scene(grace=2.0) as scene:
        scene.desk.settles = False
        await scene.desk.send("1000")
        await scene.until(lambda: scene.runtime.running)
        scene.worker.drain()
        await scene.ended(within=20)
        assert scene.desk.reports[-1][2].handed_back


@virtual
async def test_a_worker_drains_while_the_broker_is_away() -> None:
    async with open_scene(grace=2.0) as scene:
        await scene.desk.send("1000")
        await scene.until(lambda: scene.runtime.running)
        scene.link.cut()
        scene.worker.drain()
        await scene.ended(within=30)
        assert scene.runtime.running == 0
        assert scene.depth() == (1, 0), "its message comes again to others"


@virtual
async def test_draining_twice_is_as_good_as_once() -> None:
    async with open_scene() as scene:
        scene.worker.drain()
        scene.worker.drain()
        await scene.ended(within=1)


@virtual
async def test_a_worker_that_was_told_to_drain_while_it_came_back_does_not_come_back() -> None:
    async with open_scene() as scene:
        await scene.desk.send("stubborn 4")
        await scene.until(lambda: scene.runtime.running)
        await scene.desk.order(lost=True)
        await asyncio.sleep(1)
        scene.worker.drain()
        await scene.ended(within=20)
        assert scene.runtime.running == 0


@virtual
async def test_a_worker_that_is_cancelled_stops_its_tasks_and_loses_no_message() -> None:
    async with open_scene() as scene:
        await scene.desk.send("1000")
        await scene.desk.send("1000")
        await scene.desk.send("1000")
        await scene.until(lambda: scene.runtime.running == 2)
        scene.running.cancel()
        await asyncio.wait([scene.running])
        assert scene.runtime.running == 0
        assert scene.depth() == (3, 0)
        assert scene.desk.reports == []


@pytest.mark.parametrize("turns", range(12))
def test_a_slot_that_is_cancelled_loses_no_message(turns: int) -> None:
    """Whatever the moment between the message's coming and its claim's going."""

    @virtual
    async def test() -> None:
        async with open_scene(queues={"default": 1}) as scene:
            await scene.desk.send("0")
            for _ in range(turns):
                await asyncio.sleep(0)
            scene.worker.drain()
            await scene.ended(within=30)
            ready, unacked = scene.depth()
            assert unacked == 0
            told = {item.task_id for _, _, item in scene.desk.reports}
            assert ready + len(told) == 1, "the message is gone and nobody was told"

    test()
