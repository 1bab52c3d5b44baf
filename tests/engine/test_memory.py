"""Memory: what an engine holds does not grow with the jobs that have ended."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[2]
MIB = 1024 * 1024


def test_memory_after_ten_thousand_jobs_is_what_it_was_after_two_thousand() -> None:
    """2,000 ended jobs are kept, so from there on nothing may be added.

    The first thousands still move around in the allocator's arenas, which is what the bound is
    for: 8,000 jobs of two tasks would take 100 MiB if all of them were kept.
    """
    done = subprocess.run(
        [sys.executable, "-m", "tests.engine.no_op", "2000", "6000", "10000"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=True,
    )
    found = {int(count): size for count, size in json.loads(done.stdout.splitlines()[-1]).items()}
    growth = found[10000] - found[2000]
    assert growth < 12 * MIB, {count: size // MIB for count, size in found.items()}
    assert found[10000] - found[6000] < 4 * MIB
