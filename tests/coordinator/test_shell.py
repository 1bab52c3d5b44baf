"""The shell around the decisions: batches, conflicts, faults of services, poison."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import msgspec
import pytest
from tork_memory.datastore import MemoryDatastore

from tests.coordinator.coordinator_stage import (
    Hand,
    Stage,
    claim_of,
    open_hand,
    open_stage,
    report_of,
)
from tests.coordinator.job_story import job, rules
from tests.coordinator.virtual_time import virtual
from tork_core.coordinator import deciding
from tork_core.errors import Busy, Conflict, NotFound, TorkError, Unavailable
from tork_core.interfaces.broker import Outgoing
from tork_core.interfaces.datastore import JobChange
from tork_core.model.ids import job_id_from_key
from tork_core.model.job import JobId
from tork_core.model.messages import (
    COMPLETED,
    ERROR,
    HEARTBEAT,
    JOBS,
    LOGS,
    PENDING,
    STARTED,
    Claims,
    Reports,
    TaskMessage,
    decoder,
    node_queue,
)
from tork_core.model.spec import TaskSpec
from tork_core.model.states import JobState
from tork_core.settings.core import CoordinatorSettings

POISON = TaskSpec(name="poison", run="true")


def fall_over_poison(spec: TaskSpec) -> TaskSpec:
    """Task middleware with a fault: it raises what no middleware may raise."""
    if spec.name == "poison":
        raise RuntimeError("the middleware fell over")
    return spec


@virtual
async def test_others_get_a_turn_while_a_batch_is_decided_that_takes_long(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async def turns_in(seconds: float) -> int:
        monkeypatch.setattr(deciding, "TURN", seconds)
        async with open_stage() as stage:
            coordinator, _, _ = stage.coordinator()
            submitting = [asyncio.create_task(coordinator.submit(job("true"))) for _ in range(50)]
            stage.start(coordinator)
            turns = 0
            while not all(found.done() for found in submitting):
                turns += 1
                await asyncio.sleep(0)
            return turns

    assert await turns_in(1.0) < 25
    assert await turns_in(-1.0) >= 50


# -- conflicts


@virtual
async def test_a_conflict_on_one_job_is_decided_again_alone_while_the_others_commit() -> None:
    async with open_stage() as stage, open_hand(stage) as hand:
        coordinator, _, datastore = stage.coordinator()
        stage.start(coordinator)
        jobs = [(await coordinator.submit(job("true"))).job_id for _ in range(3)]
        messages = await hand.take(3)
        datastore.commits.clear()
        datastore.overtake = overtaking(stage, jobs[1], times=1)
        await hand.claim(*(claim_of(message, n) for n, message in enumerate(messages)))
        await hand.until(lambda hand: len(hand.granted) == 3)
        assert [sorted(ids) for ids in datastore.commits] == [sorted(jobs), [jobs[1]]]
        assert datastore.locks == []


@virtual
async def test_a_job_that_conflicts_again_and_again_is_decided_under_its_lock() -> None:
    async with open_stage() as stage, open_hand(stage) as hand:
        coordinator, _, datastore = stage.coordinator()
        stage.start(coordinator)
        jobs = [(await coordinator.submit(job("true"))).job_id for _ in range(2)]
        messages = await hand.take(2)
        datastore.commits.clear()
        datastore.overtake = overtaking(stage, jobs[0], times=4)
        await hand.claim(*(claim_of(message, n) for n, message in enumerate(messages)))
        await hand.until(lambda hand: len(hand.granted) == 2)
        assert datastore.commits[1:] == [[jobs[0]]] * 4
        assert datastore.locks == [f"take job:{jobs[0]}", f"release job:{jobs[0]}"]


@virtual
async def test_a_lock_that_somebody_else_holds_is_waited_for_and_no_longer_than_it_lasts() -> None:
    async with open_stage() as stage, open_hand(stage) as hand:
        coordinator, _, datastore = stage.coordinator()
        stage.start(coordinator)
        job_id = (await coordinator.submit(job("true"))).job_id
        [message] = await hand.take()
        await MemoryDatastore(stage.store).lease(f"job:{job_id}", "a dead coordinator", 5)
        datastore.overtake = overtaking(stage, job_id, times=3)
        await hand.claim(claim_of(message, 1))
        await hand.until(lambda hand: hand.granted == [1], within=6)


def overtaking(
    stage: Stage, job_id: JobId, *, times: int
) -> Callable[[Sequence[JobChange]], Awaitable[None]]:
    """Another coordinator, which is always a little faster with one job."""
    left = times
    other = MemoryDatastore(stage.store)

    async def overtake(changes: Sequence[JobChange]) -> None:
        nonlocal left
        if left == 0 or all(change.job.id != job_id for change in changes):
            return
        left -= 1
        loaded = await other.load({job_id: ()})
        row = loaded.views[job_id].job
        row.version += 1
        change = JobChange(job=row, base=row.version - 1, at=loaded.now)
        assert (await other.commit([change])).conflicts == set()

    return overtake


# -- poison


@virtual
async def test_a_decision_that_raises_is_tried_alone_and_then_set_aside_with_its_reason() -> None:
    async with open_stage() as stage, open_hand(stage) as hand:
        coordinator, broker, _ = stage.coordinator(rules(admit_task=fall_over_poison))
        stage.start(coordinator)
        good = (await coordinator.submit(job("true", "true"))).job_id
        bad = (await coordinator.submit(job("true", POISON))).job_id
        messages = {message.job_id: message for message in await hand.take(2)}
        await hand.claim(claim_of(messages[good], 1), claim_of(messages[bad], 2))
        await hand.until(lambda hand: len(hand.granted) == 2)
        broker.published.clear()
        await hand.report(report_of(messages[good], 1), report_of(messages[bad], 2))

        [second] = await hand.take()
        assert second.job_id == good
        await hand.until(lambda hand: hand.settled == [1])
        [letter] = await stage.dead_letters(1)
        assert letter.queue == COMPLETED
        assert letter.reason == "RuntimeError: the middleware fell over"
        alone = decoder(Reports)(letter.body)
        assert [item.job_id for item in alone.reports] == [bad]
        assert (alone.failures, alone.reason) == (3, letter.reason)
        again = [message for message in broker.published if message.queue == COMPLETED]
        assert len(again) == 2
        assert stage.job(bad).state is JobState.RUNNING
        assert stage.depth(COMPLETED) == (0, 0)


@virtual
async def test_a_submission_whose_decision_raises_is_answered_and_its_batch_is_accepted() -> None:
    async with open_stage() as stage:
        coordinator, _, _ = stage.coordinator(rules(admit_task=fall_over_poison))
        asked = [coordinator.submit(spec) for spec in (job("true"), job(POISON), job("true"))]
        requests = [asyncio.create_task(request) for request in asked]
        await asyncio.sleep(0)
        stage.start(coordinator)
        first, second, third = await asyncio.gather(*requests, return_exceptions=True)
        assert not isinstance(first, BaseException)
        assert not isinstance(third, BaseException)
        assert isinstance(second, TorkError)
        assert "the middleware fell over" in str(second)


@pytest.mark.parametrize("queue", [JOBS, PENDING, STARTED, COMPLETED, ERROR, HEARTBEAT, LOGS])
@pytest.mark.parametrize(
    "body",
    [b"no json", b"[1]", b'{"v":99,"jobId":"1","node":"w","claims":[],"reports":[],"parts":[]}'],
    ids=["no json", "another shape", "another version"],
)
def test_an_undecodable_message_goes_to_the_dead_letters_and_its_consumer_goes_on(
    queue: str, body: bytes
) -> None:
    @virtual
    async def test() -> None:
        async with open_stage() as stage, open_hand(stage) as hand:
            coordinator, _, _ = stage.coordinator()
            stage.start(coordinator)
            await stage.publish(queue, body)
            [letter] = await stage.dead_letters(1)
            assert (letter.queue, letter.body) == (queue, body)
            assert letter.reason
            accepted = await coordinator.submit(job("true"))
            [message] = await hand.take()
            await hand.beat(claim_of(message, 1))
            await hand.run(message, 1)
            await stage.until(lambda: stage.job(accepted.job_id).state is JobState.COMPLETED)
            assert stage.depth(queue) == (0, 0)

    test()


# -- services that are away


@virtual
async def test_while_the_datastore_is_away_messages_are_kept_and_handled_later() -> None:
    async with open_stage() as stage, open_hand(stage) as hand:
        coordinator, _, datastore = stage.coordinator(settings=CoordinatorSettings(batch_size=2))
        stage.start(coordinator)
        jobs = [(await coordinator.submit(job("true"))).job_id for _ in range(20)]
        messages = await hand.take(20)
        datastore.away = True
        for number, message in enumerate(messages):
            await hand.claim(claim_of(message, number))
        await hand.print()
        await asyncio.sleep(20)
        assert hand.granted == []
        ready, unacked = stage.depth(STARTED)
        assert ready + unacked == 20
        assert unacked <= 4, "it takes more than it can handle"
        datastore.away = False
        await hand.until(lambda hand: len(hand.granted) == 20, within=10)
        assert sorted(hand.granted) == list(range(20))
        assert stage.depth(STARTED) == (0, 0)
        assert stage.depth("dead") == (0, 0)
        assert all(stage.job(job_id).state is JobState.RUNNING for job_id in jobs)


@virtual
async def test_a_submission_while_the_datastore_is_away_is_answered_so() -> None:
    async with open_stage() as stage:
        coordinator, _, datastore = stage.coordinator()
        stage.start(coordinator)
        datastore.away = True
        with pytest.raises(Unavailable):
            await coordinator.submit(job("true"))
        datastore.away = False
        await coordinator.submit(job("true"))


@virtual
async def test_a_commit_whose_outcome_is_unknown_is_decided_again_and_done_once() -> None:
    async with open_stage() as stage, open_hand(stage) as hand:
        coordinator, _, datastore = stage.coordinator()
        stage.start(coordinator)
        accepted = await coordinator.submit(job("true"))
        [message] = await hand.take()
        datastore.unsure = 1
        await hand.claim(claim_of(message, 1))
        await hand.until(lambda hand: hand.granted == [1])
        datastore.unsure = 1
        await hand.report(report_of(message, 1))
        await hand.until(lambda hand: hand.settled == [1])
        assert stage.job(accepted.job_id).state is JobState.COMPLETED
        assert [event.state for event in stage.store.events(accepted.job_id, 0, 99)] == (
            "PENDING SCHEDULED SCHEDULED RUNNING RUNNING COMPLETED COMPLETED".split()
        )


@virtual
async def test_what_a_commit_of_unknown_outcome_left_unsent_the_sweeper_sends() -> None:
    async with open_stage() as stage, open_hand(stage) as hand:
        coordinator, _, datastore = stage.coordinator()
        stage.start(coordinator)
        datastore.unsure = 1
        with pytest.raises(Unavailable):
            await coordinator.submit(job("true"), key="k")
        accepted = await coordinator.submit(job("true"), key="k")
        assert accepted.repeated
        async with asyncio.timeout(20):
            [message] = await hand.take()
        assert message.ask
        assert coordinator.sweeper.published == 1


@virtual
async def test_a_publish_that_fails_after_the_commit_is_tried_again_before_the_ack() -> None:
    async with open_stage() as stage, open_hand(stage) as hand:
        coordinator, broker, _ = stage.coordinator()
        stage.start(coordinator)
        await coordinator.submit(job("true", "true"))
        [first] = await hand.take()
        await hand.claim(claim_of(first, 1))
        await hand.until(lambda hand: hand.granted == [1])
        broker.failures = 5
        await hand.report(report_of(first, 1))
        await stage.until(lambda: broker.failures < 5)
        assert stage.depth(COMPLETED) == (0, 1)
        [second] = await hand.take()
        assert (second.ask, second.attempt) == (False, 1)
        await hand.until(lambda hand: hand.settled == [1])
        await stage.until(lambda: stage.depth(COMPLETED) == (0, 0))
        assert coordinator.sweeper.published == 0


@virtual
async def test_a_publish_that_was_not_confirmed_is_doubled_and_does_no_harm() -> None:
    async with open_stage() as stage, open_hand(stage) as hand:
        coordinator, broker, _ = stage.coordinator()
        stage.start(coordinator)
        await stage.until(lambda: broker.publishes == 1)
        broker.unsure = 1
        accepted = await coordinator.submit(job("true"))
        first, second = await hand.take(2)
        assert first == second
        await hand.claim(claim_of(first, 1), claim_of(second, 2))
        await hand.until(lambda hand: hand.granted == [1] and hand.stopped == [2])
        await hand.report(report_of(first, 1))
        await stage.until(lambda: stage.job(accepted.job_id).state is JobState.COMPLETED)


@virtual
async def test_a_task_message_that_gets_lost_is_sent_again_and_marked() -> None:
    async with open_stage() as stage, open_hand(stage) as hand:
        coordinator, broker, _ = stage.coordinator()
        stage.start(coordinator)
        lost: list[Outgoing] = []

        def drop(message: Outgoing) -> bool:
            if lost or message.queue != "default":
                return False
            lost.append(message)
            return True

        broker.drop = drop
        await coordinator.submit(job("true"))
        began = asyncio.get_running_loop().time()
        [message] = await hand.take()
        assert message.ask
        assert 10 <= asyncio.get_running_loop().time() - began <= 16
        await hand.run(message, 1)


@virtual
async def test_a_task_that_merely_waits_for_a_worker_is_never_sent_again() -> None:
    async with open_stage() as stage:
        coordinator, _, _ = stage.coordinator()
        stage.start(coordinator)
        await coordinator.submit(job("true"))
        await asyncio.sleep(3600)
        assert stage.depth("default") == (1, 0)
        assert coordinator.sweeper.published == 0


# -- requests


@virtual
async def test_fifty_submissions_with_one_key_are_one_job() -> None:
    async with open_stage() as stage, open_hand(stage) as hand:
        coordinators = [stage.coordinator()[0] for _ in range(2)]
        for coordinator in coordinators:
            stage.start(coordinator)
        spec = job("true", name="once")
        answers = await asyncio.gather(
            *(coordinators[n % 2].submit(spec, key="the key") for n in range(50))
        )
        assert len({answer.job_id for answer in answers}) == 1
        assert [answer.repeated for answer in answers].count(False) == 1
        await hand.take(1)
        assert stage.depth("default") == (0, 0)
        later = await coordinators[0].submit(spec, key="the key")
        assert (later.job_id, later.repeated) == (answers[0].job_id, True)


@virtual
async def test_a_key_that_is_used_for_another_job_is_a_conflict() -> None:
    async with open_stage() as stage:
        coordinator, _, _ = stage.coordinator()
        stage.start(coordinator)
        await coordinator.submit(job("true"), key="k")
        with pytest.raises(Conflict, match="key"):
            await coordinator.submit(job("false"), key="k")
        both = [coordinator.submit(job(run), key="new") for run in ("true", "false")]
        answers = await asyncio.gather(*both, return_exceptions=True)
        assert sum(isinstance(answer, Conflict) for answer in answers) == 1


@virtual
async def test_more_submissions_than_may_wait_are_refused() -> None:
    async with open_stage() as stage:
        settings = CoordinatorSettings(max_waiting_submissions=3)
        coordinator, _, _ = stage.coordinator(settings=settings)
        waiting = [asyncio.create_task(coordinator.submit(job("true"))) for _ in range(3)]
        await asyncio.sleep(0)
        with pytest.raises(Busy):
            await coordinator.submit(job("true"))
        stage.start(coordinator)
        assert len(await asyncio.gather(*waiting)) == 3
        await coordinator.submit(job("true"))


@virtual
async def test_requests_that_wait_when_the_coordinator_stops_are_answered() -> None:
    async with open_stage() as stage:
        coordinator, _, datastore = stage.coordinator()
        running = stage.start(coordinator)
        await coordinator.submit(job("true"))

        async def hang(changes: Sequence[JobChange]) -> None:
            await asyncio.Event().wait()

        datastore.overtake = hang
        requests = [asyncio.create_task(coordinator.submit(job("true"))) for _ in range(3)]
        await stage.until(lambda: len(datastore.commits) == 2)
        requests.append(asyncio.create_task(coordinator.submit(job("true"))))
        await asyncio.sleep(0)
        await stage.stop(running)
        async with asyncio.timeout(5):
            answers = await asyncio.gather(*requests, return_exceptions=True)
        assert [type(answer) for answer in answers] == [Unavailable] * 4


@virtual
async def test_a_request_to_a_coordinator_that_has_stopped_is_refused_and_does_not_hang() -> None:
    async with open_stage() as stage:
        coordinator, _, _ = stage.coordinator()
        running = stage.start(coordinator)
        accepted = await coordinator.submit(job("true"))
        await stage.stop(running)
        async with asyncio.timeout(5):
            with pytest.raises(Unavailable):
                await coordinator.submit(job("true"))
            with pytest.raises(Unavailable):
                await coordinator.cancel(accepted.job_id)


@virtual
async def test_a_cancel_is_answered_exactly() -> None:
    async with open_stage() as stage, open_hand(stage) as hand:
        coordinator, _, _ = stage.coordinator()
        stage.start(coordinator)
        with pytest.raises(NotFound):
            await coordinator.cancel("0" * 32)
        accepted = await coordinator.submit(job("true"))
        [message] = await hand.take()
        await hand.claim(claim_of(message, 1))
        await hand.until(lambda hand: hand.granted == [1])
        await coordinator.cancel(accepted.job_id)
        assert stage.job(accepted.job_id).state is JobState.CANCELLED
        await hand.until(lambda hand: hand.stopped == [1])
        with pytest.raises(Conflict, match="not running"):
            await coordinator.cancel(accepted.job_id)


@virtual
async def test_a_cancel_of_a_job_that_completed_in_the_same_batch_is_refused() -> None:
    async with open_stage() as stage:
        coordinator, _, _ = stage.coordinator()
        stage.start(coordinator)
        never = job(TaskSpec(run="true", condition="false"))
        job_id = job_id_from_key("k")
        answers = await asyncio.gather(
            coordinator.submit(never, key="k"),
            coordinator.cancel(job_id),
            return_exceptions=True,
        )
        assert stage.job(job_id).state is JobState.COMPLETED
        assert isinstance(answers[1], Conflict)


# -- nodes


@virtual
async def test_a_claim_that_got_lost_is_not_forgotten_by_heartbeats() -> None:
    """A task whose RUNNING its node does not list any more gets a new attempt."""
    async with open_stage() as stage, open_hand(stage) as hand:
        coordinator, _, _ = stage.coordinator()
        stage.start(coordinator)
        await coordinator.submit(job("true"))
        [message] = await hand.take()
        await hand.beat()
        await hand.claim(claim_of(message, 1, beat=1))
        await hand.until(lambda hand: hand.granted == [1])
        await hand.beat()
        await asyncio.sleep(1)
        assert stage.depth("default") == (0, 0)
        await hand.beat()
        [again] = await hand.take()
        assert (again.task_id, again.attempt) == (message.task_id, 2)
        await hand.beat(claim_of(message, 1, beat=1))
        await hand.until(lambda hand: hand.stopped == [1])


@virtual
async def test_the_tasks_of_a_silent_node_are_given_to_others_after_its_lease() -> None:
    async with open_stage() as stage, open_hand(stage, "a") as gone, open_hand(stage, "b") as other:
        coordinator, _, _ = stage.coordinator()
        stage.start(coordinator)
        await asyncio.sleep(40)
        accepted = await coordinator.submit(job("true"))
        [message] = await gone.take()
        await gone.beat()
        await gone.claim(claim_of(message, 1))
        await gone.until(lambda hand: hand.granted == [1])
        began = asyncio.get_running_loop().time()
        [again] = await asyncio.wait_for(either(gone, other), 60)
        passed = asyncio.get_running_loop().time() - began
        assert again.attempt == 2
        assert 30 <= passed <= 34
        await gone.beat(claim_of(message, 1))
        await gone.until(lambda hand: hand.lost)
        await other.claim(claim_of(again, 1))
        await other.until(lambda hand: hand.granted == [1])
        await gone.report(report_of(message, 1))
        await gone.until(lambda hand: hand.settled == [1])
        assert stage.job(accepted.job_id).state is JobState.RUNNING


@virtual
async def test_a_node_that_claims_and_is_never_heard_of_loses_its_tasks_after_a_lease() -> None:
    async with open_stage() as stage, open_hand(stage) as hand:
        coordinator, _, _ = stage.coordinator()
        stage.start(coordinator)
        await asyncio.sleep(40)
        await coordinator.submit(job("true"))
        [message] = await hand.take()
        await hand.claim(claim_of(message, 1))
        await hand.until(lambda hand: hand.granted == [1])
        async with asyncio.timeout(40):
            [again] = await hand.take()
        assert again.attempt == 2


async def either(*hands: Hand) -> list[TaskMessage]:
    """What the first of the workers takes."""
    takers = [asyncio.create_task(hand.take()) for hand in hands]
    done, rest = await asyncio.wait(takers, return_when=asyncio.FIRST_COMPLETED)
    for taker in rest:
        taker.cancel()
    return next(iter(done)).result()


@virtual
async def test_a_coordinators_own_heartbeats_come_round() -> None:
    async with open_stage() as stage:
        coordinator, _, datastore = stage.coordinator()
        stage.start(coordinator)
        await asyncio.sleep(60)
        now, [node] = await datastore.nodes()
        assert node.id == coordinator.node.id
        assert node.steady_since is not None
        assert (now - node.steady_since).total_seconds() >= 55


@virtual
async def test_orders_to_a_node_that_is_gone_reach_nobody_and_pile_up_nowhere() -> None:
    async with open_stage() as stage, open_hand(stage) as hand:
        coordinator, _, _ = stage.coordinator()
        stage.start(coordinator)
        await coordinator.submit(job("true"))
        [message] = await hand.take()
        await stage.publish(STARTED, Claims(node="gone", claims=[claim_of(message, 1)]))
        await stage.until(lambda: stage.task(message.job_id, message.task_id).claim is not None)
        assert stage.queues.find(node_queue("gone")) is None


def test_msgspec_refuses_what_is_not_text() -> None:
    """Lone surrogates cannot come in by messages: no commit has to be able to write them."""
    with pytest.raises(msgspec.DecodeError):
        msgspec.json.decode(b'"\\ud800"')
