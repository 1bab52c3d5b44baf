"""Claims and grants: nothing starts before the grant, nothing is lost for want of an answer."""

from __future__ import annotations

import asyncio
import itertools

import pytest

from tests.coordinator.virtual_time import virtual
from tests.worker.worker_stage import open_scene


@virtual
async def test_nothing_starts_before_the_grant() -> None:
    async with open_scene() as scene:
        desk, runtime = scene.desk, scene.runtime
        desk.grants = False
        message = await desk.send("1")
        await scene.until(lambda: desk.claims)
        _, node, claim = desk.claims[0]
        assert node == desk.node
        assert (claim.job_id, claim.task_id) == (message.job_id, message.task_id)
        assert claim.attempt == 1
        await scene.until(lambda: runtime.happened("prepared"))
        await asyncio.sleep(300)
        assert runtime.happened("started") == []
        await desk.order(granted=[claim.number])
        [report] = await scene.reported()
        assert runtime.happened("started") == [message.task_id]
        assert report.number == claim.number
        assert report.error is None


@virtual
async def test_a_task_is_prepared_while_its_claim_is_on_its_way() -> None:
    async with open_scene() as scene:
        scene.desk.grants = False
        scene.runtime.preparing = 5
        await scene.desk.send("1")
        await scene.until(lambda: scene.desk.claims)
        await scene.desk.order(granted=[1])
        began = scene.now
        await scene.reported()
        assert 5.9 <= scene.now - began <= 6.1


@virtual
async def test_a_grant_that_comes_during_the_preparation_starts_the_task_after_it() -> None:
    async with open_scene() as scene:
        scene.runtime.preparing = 5
        await scene.desk.send("1")
        await asyncio.sleep(4)
        assert scene.runtime.seen == []
        await scene.reported()


@virtual
async def test_a_stop_before_the_grant_beats_it() -> None:
    async with open_scene() as scene:
        desk, runtime = scene.desk, scene.runtime
        desk.grants = False
        await desk.send("1")
        await scene.until(lambda: desk.claims)
        await desk.order(stopped=[1])
        await desk.order(granted=[1])
        await scene.until(lambda: scene.depth() == (0, 0))
        await asyncio.sleep(60)
        assert runtime.happened("started") == []
        assert desk.reports == []


@virtual
async def test_a_stop_and_a_grant_in_one_message_stop() -> None:
    async with open_scene() as scene:
        scene.desk.grants = False
        await scene.desk.send("1")
        await scene.until(lambda: scene.desk.claims)
        await scene.desk.order(granted=[1], stopped=[1])
        await scene.until(lambda: scene.depth() == (0, 0))
        assert scene.runtime.happened("started") == []


@virtual
async def test_a_stop_during_the_preparation_beats_the_grant() -> None:
    async with open_scene() as scene:
        desk = scene.desk
        desk.grants = False
        scene.runtime.preparing = 5
        await desk.send("1")
        await scene.until(lambda: desk.claims)
        await desk.order(stopped=[1])
        await desk.order(granted=[1])
        await scene.until(lambda: scene.depth() == (0, 0), within=3)
        assert scene.runtime.happened("started") == []


@virtual
async def test_a_refused_claim_frees_its_slot_and_its_message() -> None:
    async with open_scene(queues={"default": 1}) as scene:
        desk = scene.desk
        desk.grants = False
        await desk.send("1")
        await scene.until(lambda: desk.claims)
        second = await desk.send("1")
        await desk.order(stopped=[1])
        await scene.until(lambda: len(desk.claims) == 2)
        assert desk.claims[1][2].task_id == second.task_id
        assert desk.claims[1][2].number == 2
        assert scene.depth() == (0, 1)


@virtual
async def test_a_stop_of_a_running_task_stops_it_and_reports_nothing() -> None:
    async with open_scene() as scene:
        desk, runtime = scene.desk, scene.runtime
        message = await desk.send("1000")
        await scene.until(lambda: runtime.happened("started"))
        await desk.order(stopped=[1])
        await scene.until(lambda: runtime.happened("left"))
        assert runtime.happened("cancelled") == [message.task_id]
        await scene.until(lambda: scene.depth() == (0, 0))
        await asyncio.sleep(60)
        assert desk.reports == []
        assert desk.beats[-1].claims == []


@virtual
async def test_an_unanswered_claim_is_asked_again_about_every_two_seconds() -> None:
    async with open_scene() as scene:
        desk = scene.desk
        desk.grants = False
        await desk.send("0")
        await asyncio.sleep(21)
        times = [at for at, _, _ in desk.claims]
        gaps = [late - early for early, late in itertools.pairwise(times)]
        assert len(times) >= 7
        assert all(2 <= gap <= 3.1 for gap in gaps), gaps
        assert {(node, item.number) for _, node, item in desk.claims} == {(desk.node, 1)}
        await desk.order(granted=[1])
        await scene.reported()
        count = len(desk.claims)
        await asyncio.sleep(10)
        assert len(desk.claims) == count


@virtual
async def test_a_repeated_claim_carries_the_heartbeat_of_its_first_asking() -> None:
    async with open_scene() as scene:
        desk = scene.desk
        desk.grants = False
        await asyncio.sleep(12)
        before = desk.beats[-1].node.beat
        assert before >= 3
        await desk.send("0")
        await asyncio.sleep(20)
        assert {item.beat for _, _, item in desk.claims} == {before}


@virtual
async def test_a_grant_of_an_unknown_claim_is_passed_over() -> None:
    async with open_scene() as scene:
        await scene.desk.order(granted=[7], settled=[8], stopped=[9])
        await scene.desk.send("0")
        await scene.reported()


@virtual
async def test_orders_that_cannot_be_decoded_are_passed_over() -> None:
    async with open_scene() as scene:
        await scene.desk.publish(f"x-{scene.desk.node}", b"no orders")
        await scene.desk.send("0")
        await scene.reported()
        assert scene.depth(f"x-{scene.desk.node}") == (0, 0)


@virtual
async def test_claims_that_come_up_together_travel_together() -> None:
    async with open_scene(queues={"default": 50}) as scene:
        for _ in range(50):
            await scene.desk.send("1")
        await scene.reported(50)
        messages = [heard for heard in scene.desk.heard if heard.queue == "started"]
        assert len(messages) < 25


@virtual
async def test_a_report_that_is_not_settled_is_sent_again_about_every_ten_seconds() -> None:
    async with open_scene() as scene:
        desk = scene.desk
        desk.settles = False
        await desk.send("output it")
        await asyncio.sleep(35)
        times = [at for at, _, _ in desk.reports]
        gaps = [late - early for early, late in itertools.pairwise(times)]
        assert len(times) >= 3
        assert all(10 <= gap <= 11.1 for gap in gaps), gaps
        assert {item.output for _, _, item in desk.reports} == {"it"}
        await desk.order(settled=[1])
        await asyncio.sleep(1)
        count = len(desk.reports)
        await asyncio.sleep(30)
        assert len(desk.reports) == count


@virtual
async def test_everything_unanswered_is_said_again_at_once_when_the_broker_is_back() -> None:
    async with open_scene() as scene:
        desk = scene.desk
        desk.settles = False
        await desk.send("0")
        await scene.reported()
        desk.grants = False
        await desk.send("0")
        await scene.until(lambda: len(desk.claims) == 2)
        await asyncio.sleep(0.5)
        reports, claims = len(desk.reports), len(desk.claims)
        scene.link.cut()
        scene.link.restore()
        await scene.until(lambda: len(desk.reports) > reports, within=0.5)
        await scene.until(lambda: len(desk.claims) > claims, within=0.5)


@virtual
async def test_a_message_is_acked_only_when_the_end_report_was_confirmed() -> None:
    async with open_scene() as scene:
        scene.link.refuse = lambda message: message.queue == "completed"
        await scene.desk.send("0")
        await scene.until(lambda: scene.runtime.happened("ended"))
        await asyncio.sleep(15)
        assert scene.depth() == (0, 1)
        scene.link.refuse = lambda _: False
        await scene.reported()
        await scene.until(lambda: scene.depth() == (0, 0), within=1)


@virtual
async def test_a_slot_is_free_again_before_its_report_is_settled() -> None:
    async with open_scene(queues={"default": 1}) as scene:
        scene.desk.settles = False
        for _ in range(3):
            await scene.desk.send("0")
        await scene.reported(3, within=2)


@virtual
async def test_a_slot_holds_one_message_and_no_more() -> None:
    async with open_scene(queues={"default": 3}) as scene:
        for _ in range(10):
            await scene.desk.send("5")
        await scene.until(lambda: scene.runtime.running == 3)
        assert scene.depth() == (7, 3)
        await scene.reported(10)
        assert scene.runtime.most_running == 3


@virtual
async def test_every_queue_has_slots_of_its_own() -> None:
    async with open_scene(queues={"default": 1, "slow": 2}) as scene:
        await scene.until(lambda: scene.consumers("slow") == 2)
        for _ in range(4):
            await scene.desk.send("100", queue="slow")
        await scene.until(lambda: scene.runtime.running == 2)
        await scene.desk.send("0")
        await scene.reported(1, within=1)
        assert scene.depth("slow") == (2, 2)
        await scene.reported(5, within=300)
        assert scene.runtime.most_running == 3


@virtual
async def test_a_task_of_more_than_a_minute_gives_its_message_up_and_its_consumer_first() -> None:
    async with open_scene(queues={"default": 1}) as scene:
        await scene.desk.send("200")
        await scene.until(lambda: scene.runtime.running)
        began = scene.now
        await asyncio.sleep(59)
        assert (scene.depth(), scene.consumers()) == ((0, 1), 1)
        await scene.until(lambda: scene.depth() == (0, 0), within=5)
        assert scene.consumers() == 0
        second = await scene.desk.send("1")
        await asyncio.sleep(30)
        assert scene.depth() == (1, 0), "a slot took a task that it cannot start"
        await scene.reported(1, within=200)
        assert scene.now - began <= 202
        await scene.reported(2, within=5)
        assert scene.runtime.happened("ended")[-1] == second.task_id
        assert scene.consumers() == 1


@virtual
async def test_a_message_that_comes_again_while_its_task_runs_is_claimed_and_refused() -> None:
    async with open_scene() as scene:
        desk = scene.desk
        message = await desk.send("50")
        await scene.until(lambda: scene.runtime.running)
        desk.grants = False
        await desk.publish("default", message)
        await scene.until(lambda: len(desk.claims) == 2)
        first, second = (item for _, _, item in desk.claims)
        assert (first.task_id, first.number) == (second.task_id, 1)
        assert second.number == 2
        await desk.order(stopped=[2])
        await scene.until(lambda: scene.depth() == (0, 1))
        await scene.reported()
        assert scene.runtime.happened("started") == [message.task_id]


@pytest.mark.parametrize("body", [b"no task", b"{}", b'{"v":2}'])
def test_an_undecodable_task_goes_to_the_dead_letters_and_the_slot_goes_on(body: bytes) -> None:
    @virtual
    async def test() -> None:
        async with open_scene(queues={"default": 1}) as scene:
            await scene.desk.publish("default", body)
            await scene.until(lambda: scene.desk.dead)
            [letter] = scene.desk.dead
            assert (letter.queue, letter.body) == ("default", body)
            assert "TaskMessage" in letter.reason
            await scene.desk.send("0")
            await scene.reported()
            await scene.until(lambda: scene.depth() == (0, 0))

    test()


# -- doubtful


@virtual
async def test_a_doubtful_worker_starts_at_once_what_surely_comes_for_the_first_time() -> None:
    async with open_scene(claim="doubtful") as scene:
        scene.desk.grants = False
        message = await scene.desk.send("output x")
        [report] = await scene.reported(within=0.01)
        assert scene.runtime.happened("started") == [message.task_id]
        assert (report.number, report.output) == (1, "x")
        assert scene.desk.claims == []


@virtual
async def test_the_report_of_a_quick_task_is_sent_once_by_a_doubtful_worker() -> None:
    async with open_scene(claim="doubtful") as scene:
        scene.desk.settles = False
        await scene.desk.send("0.005")
        await asyncio.sleep(5)
        assert len(scene.desk.reports) == 1


@virtual
async def test_a_doubtful_worker_claims_a_task_that_runs_on() -> None:
    async with open_scene(claim="doubtful") as scene:
        desk = scene.desk
        desk.grants = False
        message = await desk.send("1000")
        await scene.until(lambda: desk.claims, within=1)
        assert scene.runtime.happened("started") == [message.task_id]
        # Its claim may get lost like any other, and a task without one would be sent again.
        await scene.until(lambda: len(desk.claims) >= 3, within=8)
        await desk.order(granted=[1])
        await asyncio.sleep(1)
        count = len(desk.claims)
        await asyncio.sleep(20)
        assert len(desk.claims) == count
        assert scene.runtime.running == 1


@virtual
async def test_a_doubtful_worker_stops_what_is_refused() -> None:
    async with open_scene(claim="doubtful") as scene:
        scene.desk.grants = False
        await scene.desk.send("1000")
        await scene.until(lambda: scene.runtime.running)
        await scene.desk.order(stopped=[1])
        await scene.until(lambda: scene.runtime.happened("left"))
        await asyncio.sleep(30)
        assert scene.desk.reports == []


@pytest.mark.parametrize("kind", ["marked", "old", "from the future", "redelivered"])
def test_a_doubtful_worker_asks_for_what_may_have_come_before(kind: str) -> None:
    @virtual
    async def test() -> None:
        async with open_scene(claim="doubtful") as scene:
            desk = scene.desk
            desk.grants = False
            if kind == "marked":
                await desk.send("1", ask=True)
            elif kind == "redelivered":
                async with desk._broker.consume(["other"], prefetch=1):  # type: ignore[attr-defined]
                    pass
                await asyncio.sleep(0)
                scene.link.cut()
                await desk.send("1")
                other = desk._broker.consume(["default"], prefetch=1)  # type: ignore[attr-defined]
                async with other as consumer:
                    await consumer.nack(await consumer.batch(1))
                scene.link.restore()
            else:
                sent_at = desk.environment.now()
                await asyncio.sleep(3)
                if kind == "from the future":
                    sent_at = desk.environment.now() + (desk.environment.now() - sent_at)
                await desk.send("1", sent_at=sent_at)
            await scene.until(lambda: desk.claims)
            await asyncio.sleep(1)
            assert scene.runtime.happened("started") == []
            await desk.order(granted=[desk.claims[0][2].number])
            await scene.reported()

    test()
