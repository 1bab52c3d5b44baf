"""Which nodes are given up, and which tasks' messages are presumed lost."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tork_core.coordinator.decisions.expiring import expired, suspects
from tork_core.interfaces.datastore import Waiting
from tork_core.model.node import Node, NodeKind, NodeState

NOW = datetime(2027, 1, 1, tzinfo=UTC)
SECOND = timedelta(seconds=1)
LEASE = 30 * SECOND
GAP = 10 * SECOND
PATIENCE = 5 * SECOND


def worker(name: str, silent: float, state: NodeState = NodeState.UP) -> Node:
    """A worker whose last heartbeat is so many seconds old."""
    at = NOW - silent * SECOND
    return Node(
        id=name, name=name, kind=NodeKind.WORKER, state=state, last_heartbeat_at=at, steady_since=at
    )


def coordinator(silent: float = 1, steady: float = 60, name: str = "me") -> Node:
    """A coordinator whose heartbeats have come round without a gap for so many seconds."""
    return Node(
        id=name,
        name=name,
        kind=NodeKind.COORDINATOR,
        last_heartbeat_at=NOW - silent * SECOND,
        steady_since=NOW - steady * SECOND,
    )


def given_up(*nodes: Node, me: Node | None = None) -> tuple[set[str], int]:
    """The workers given up, and how many were held back."""
    found = expired([me or coordinator(), *nodes], "me", NOW, lease=LEASE, gap=GAP)
    return set(found.nodes), found.held_back


def test_a_worker_that_is_silent_for_longer_than_the_lease_is_given_up() -> None:
    assert given_up(worker("a", 31), worker("b", 29)) == ({"a"}, 0)
    assert given_up(worker("a", 30)) == (set(), 0)


def test_what_is_given_up_is_named_with_the_heartbeat_that_was_seen_last() -> None:
    node = worker("a", 31)
    found = expired([coordinator(), node], "me", NOW, lease=LEASE, gap=GAP)
    assert found.nodes == {"a": node.last_heartbeat_at}


@pytest.mark.parametrize(
    "me",
    [
        coordinator(silent=11),
        coordinator(steady=29),
        Node(id="me", name="me", kind=NodeKind.COORDINATOR),
        coordinator(name="another"),
    ],
    ids=["silent itself", "steady for too short a time", "never heard", "unknown"],
)
def test_nobody_is_given_up_by_a_coordinator_whose_own_heartbeats_do_not_come_round(
    me: Node,
) -> None:
    assert given_up(worker("a", 500), me=me) == (set(), 0)


@pytest.mark.parametrize("state", [NodeState.LOST, NodeState.OFFLINE])
def test_who_is_gone_already_is_not_given_up(state: NodeState) -> None:
    assert given_up(worker("a", 500, state)) == (set(), 0)


def test_a_worker_that_is_unhealthy_is_given_up_as_others_are() -> None:
    assert given_up(worker("a", 31, NodeState.DOWN)) == ({"a"}, 0)


def test_coordinators_are_not_given_up() -> None:
    assert given_up(coordinator(500, name="other")) == (set(), 0)


def test_more_than_half_of_three_that_fall_silent_together_are_given_three_leases() -> None:
    assert given_up(worker("a", 31), worker("b", 40), worker("c", 1)) == (set(), 2)
    assert given_up(worker("a", 91), worker("b", 40), worker("c", 1)) == ({"a"}, 1)
    assert given_up(worker("a", 91), worker("b", 95), worker("c", 1)) == ({"a", "b"}, 0)


def test_half_of_them_or_less_are_given_one_lease() -> None:
    four = [worker("a", 31), worker("b", 40), worker("c", 1), worker("d", 1)]
    assert given_up(*four) == ({"a", "b"}, 0)


def test_two_workers_are_no_crowd() -> None:
    assert given_up(worker("a", 31), worker("b", 40)) == ({"a", "b"}, 0)


def test_the_dead_do_not_count_as_a_crowd() -> None:
    dead = [worker(f"dead {n}", 500, NodeState.LOST) for n in range(5)]
    assert given_up(*dead, worker("a", 31), worker("b", 40)) == ({"a", "b"}, 0)


def test_a_worker_of_which_no_heartbeat_was_ever_seen_is_not_given_up() -> None:
    assert given_up(Node(id="a", name="a", kind=NodeKind.WORKER)) == (set(), 0)


# -- messages


def waiting(oldest: float, newest_claimed: float | None = None, queue: str = "q") -> Waiting:
    """Due tasks of a queue; times in seconds ago."""
    claimed = None if newest_claimed is None else NOW - newest_claimed * SECOND
    return Waiting(queue, 0, NOW - oldest * SECOND, claimed)


def presumed(item: Waiting, *empty: float, queue: str = "q") -> float | None:
    """How many seconds ago the youngest was published that is presumed lost."""
    times = {queue: [NOW - seconds * SECOND for seconds in empty]}
    found = suspects([item], times, NOW, PATIENCE)
    if not found:
        return None
    assert (found[0].queue, found[0].priority) == (item.queue, item.priority)
    return (NOW - found[0].published_before).total_seconds()


def test_a_task_of_an_empty_queue_that_nobody_claims_is_presumed_lost() -> None:
    assert presumed(waiting(10), 5, 0) == 10


def test_a_queue_has_to_be_seen_empty_five_seconds_after_the_publish() -> None:
    assert presumed(waiting(9), 5, 0) is None
    assert presumed(waiting(20), 5, 0) == 10


def test_a_claim_is_given_five_seconds_after_the_queue_was_seen_empty() -> None:
    assert presumed(waiting(60), 4, 2, 0) is None
    assert presumed(waiting(60), 6, 0) == 11


def test_a_queue_that_is_not_empty_now_keeps_its_tasks() -> None:
    assert presumed(waiting(60), 30, 10, 5) is None


def test_a_queue_that_was_never_seen_empty_keeps_its_tasks() -> None:
    assert presumed(waiting(600)) is None
    assert presumed(waiting(600), 5, 0, queue="another") is None


def test_a_task_that_was_overtaken_by_half_a_minute_is_presumed_lost() -> None:
    assert presumed(waiting(61, newest_claimed=30)) == 60
    assert presumed(waiting(60, newest_claimed=30)) == 60
    assert presumed(waiting(59, newest_claimed=30)) is None


def test_the_later_of_both_limits_counts() -> None:
    assert presumed(waiting(100, newest_claimed=50), 5, 0) == 10
    assert presumed(waiting(100, newest_claimed=-25), 9, 0) == 5
