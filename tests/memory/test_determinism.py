"""One seed gives one history, whatever the hashes of strings are."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

PROGRAM = Path(__file__).with_name("history.py")


def history(hash_seed: str) -> str:
    environment = os.environ | {
        "PYTHONHASHSEED": hash_seed,
        "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
    }
    result = subprocess.run(
        [sys.executable, str(PROGRAM)], env=environment, capture_output=True, text=True, check=True
    )
    return result.stdout


def test_one_seed_gives_one_history_under_any_hash_seed() -> None:
    first = history("1")
    assert len(first.splitlines()) > 500
    assert history("2") == first
    assert history("77") == first
