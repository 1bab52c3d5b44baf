"""The command line of the simulator that the docs show."""

from __future__ import annotations

import re
import subprocess
import sys

from tests.docs.blocks import ROOT


def test_the_simulator_runs_the_seeds_it_is_asked_for() -> None:
    page = (ROOT / "docs" / "how-to" / "replay-a-seed.md").read_text()
    shown = re.search(r"^\$ python (-m tests\.simulation .*)\n(.*?); ", page, re.MULTILINE)
    assert shown is not None
    done = subprocess.run(
        [sys.executable, *shown[1].split()],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith(f"{shown[2]}; ")
