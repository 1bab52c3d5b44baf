"""The command lines of the simulator that the docs show."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.docs.blocks import ROOT


@pytest.mark.parametrize("page", ["docs/how-to/replay-a-seed.md", "CONTRIBUTING.md"])
def test_the_simulator_runs_the_seeds_it_is_asked_for(page: str) -> None:
    text = (ROOT / page).read_text()
    shown = re.search(r"^\$ (?:\.venv/bin/)?python (-m tests\.simulation .*)\n", text, re.MULTILINE)
    assert shown is not None
    few = re.sub(r"--seeds 0:\d+", "--seeds 0:20", shown[1])
    done = subprocess.run(
        [sys.executable, *few.split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("20 seeds, 0 failed; {")
