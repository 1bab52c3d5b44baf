"""The simulator's seeds, its repeatability, and that it finds what is broken on purpose.

``TORK_SIM_SEEDS=0:100000`` runs other seeds than the first 500.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator

import pytest
import structlog

from tests.simulation.mutations import LIMIT, MUTATIONS, find
from tests.simulation.simulate import COMMAND, Result, run_seed, silence
from tests.simulation.wires import POINTS

STEP = 50


def _seeds() -> range:
    first, _, end = os.environ.get("TORK_SIM_SEEDS", "0:500").partition(":")
    return range(int(first), int(end or int(first) + 1))


@pytest.fixture(autouse=True, scope="module")
def quiet() -> Iterator[None]:
    silence()
    yield
    structlog.reset_defaults()


@pytest.mark.parametrize("first", _seeds()[::STEP])
def test_the_engine_keeps_its_rules_under_every_seed(first: int) -> None:
    seeds = range(first, min(first + STEP, _seeds().stop))
    failed = [result for result in map(run_seed, seeds) if result.error is not None]
    assert not failed, "\n".join(map(_replay, failed))


def _replay(result: Result) -> str:
    return f"seed {result.seed}: {result.error}\n  replay: {COMMAND} {result.seed} --logs"


def test_most_points_at_which_a_node_may_die_were_points_at_which_one_died(
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Runs after the seeds, and prints the share."""
    if not POINTS.seen:
        for seed in range(STEP):
            run_seed(seed)
    with capsys.disabled():
        crashed, seen = len(POINTS.crashed), len(POINTS.seen)
        print(f"\ncrashes were injected at {crashed} of {seen} await points ({POINTS.share:.0%})")
    assert POINTS.share > 0.3


def test_one_seed_gives_one_trace_whatever_the_hashes() -> None:
    traces = {_trace(hashes) for hashes in ("1", "77")}
    assert len(traces) == 1


def _trace(hashes: str) -> str:
    environment = {**os.environ, "PYTHONHASHSEED": hashes}
    command = [sys.executable, "-m", "tests.simulation", "--seeds", "0:12", "--digest"]
    done = subprocess.run(
        command, env=environment, capture_output=True, text=True, check=True, timeout=120
    )
    return done.stdout


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_rule_is_found(name: str) -> None:
    found = find(name)
    assert found is not None, f"{name} was not found in {LIMIT} seeds"
