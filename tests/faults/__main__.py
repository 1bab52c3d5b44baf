"""Kill a server again and again: ``python -m tests.faults --seeds 0:3 --jobs 300 --kills 40``."""

from __future__ import annotations

import argparse

from tests.faults.storm import main

if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", default="0:3", help="from:to (default: 0:3)")
    parser.add_argument("--jobs", type=int, default=300, help="jobs of a run (default: 300)")
    parser.add_argument("--kills", type=int, default=40, help="kills of a run (default: 40)")
    given = parser.parse_args()
    first, _, last = given.seeds.partition(":")
    main(range(int(first), int(last or int(first) + 1)), given.jobs, given.kills)
