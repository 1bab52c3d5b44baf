"""A server that is killed again and again, while jobs come in and run; and what must hold then."""

from __future__ import annotations

import random
import secrets
import sys
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.faults.program import AWAY, Refused, Standalone, standalone, until
from tork_core.testing._runtime_base import kill_processes_with, processes_with

JOB = """
name: storm {number}
output: "{{{{ tasks.one }}}}-{{{{ tasks.three }}}}"
defaults: {{retry: {{limit: 5}}}}
tasks:
  - name: one
    var: one
    env: {{STORM: {mark}}}
    run: |
      echo "$TORK_TASK_ID $TORK_ATTEMPT" >> {folder}/starts
      sleep {pause}
      printf %s "$TORK_ATTEMPT" > "$TORK_OUTPUT"
  - name: two, which fails at its first try
    env: {{STORM: {mark}}}
    run: |
      echo "$TORK_TASK_ID $TORK_ATTEMPT" >> {folder}/starts
      mkdir {folder}/tried-$TORK_JOB_ID || exit 0
      exit 1
  - name: three, which leaves a child that writes on
    var: three
    env: {{STORM: {mark}}}
    run: |
      echo "$TORK_TASK_ID $TORK_ATTEMPT" >> {folder}/starts
      exec 3>> {folder}/ticks
      (while sleep 0.02; do echo "$TORK_TASK_ID $TORK_ATTEMPT"; done) >&3 2>/dev/null &
      sleep {pause}
      printf %s "$TORK_ATTEMPT" > "$TORK_OUTPUT"
"""

ENDED = {"COMPLETED", "FAILED", "CANCELLED"}


@dataclass
class Storm:
    """What came of it."""

    jobs: list[Any] = field(default_factory=list)
    kills: int = 0
    attempts: Counter[int] = field(default_factory=Counter)
    """How many tasks ended with each number of their attempt."""
    seconds: float = 0.0


def storm(folder: Path, *, seed: int, jobs: int, kills: int, spell: float = 1.5) -> Storm:
    """Submit jobs while the server is killed and started again, and wait for their ends.

    ``spell`` is the longest time in seconds that a server gets from its start to its kill, beside
    what starting takes. Raises AssertionError if anything is not as it must be.
    """
    found = Storm()
    mark = f"tork-test-{secrets.token_hex(8)}"
    source = random.Random(seed)
    began = time.monotonic()
    with standalone(folder, "--queue", "default:8") as program:
        submitter = Submitter(program, random.Random(f"jobs {seed}"), mark, jobs)
        try:
            submitter.start()
            for _ in range(kills):
                program.begin()
                if source.random() < 0.8:
                    program.ready()
                    _check_the_living(program, folder)
                time.sleep(source.uniform(0.0, spell))
                program.kill()
                found.kills += 1
            program.start()
            submitter.join()
            found.jobs = [_ended(program, job_id) for job_id in submitter.accepted]
            assert len(found.jobs) == jobs
            found.attempts = _check(program, folder, found.jobs)
            assert program.stop() == 0
            assert processes_with(mark) == []
            assert program.left_behind() == []
        finally:
            submitter.give_up = True
            kill_processes_with(mark)
    found.seconds = time.monotonic() - began
    return found


class Submitter(threading.Thread):
    """Submits jobs, at random moments, until so many are accepted."""

    def __init__(self, program: Standalone, source: random.Random, mark: str, jobs: int) -> None:
        super().__init__(daemon=True)
        self.accepted: list[str] = []
        self.give_up = False
        self._program = program
        self._source = source
        self._mark = mark
        self._jobs = jobs

    def run(self) -> None:
        while len(self.accepted) < self._jobs and not self.give_up:
            job = JOB.format(
                number=len(self.accepted),
                mark=self._mark,
                folder=self._program.folder,
                pause=round(self._source.uniform(0.0, 0.3), 3),
            )
            try:
                self.accepted.append(self._program.call("POST", "/jobs", job)["id"])
            except (*AWAY, Refused):
                time.sleep(0.05)  # it may have been accepted all the same: then it runs too
            else:
                time.sleep(self._source.uniform(0.0, 0.05))


def _check_the_living(program: Standalone, folder: Path) -> None:
    """Once a server answers, nothing of those before is left: one scratch folder, one record."""
    names = [name for name in program.left_behind() if name.startswith("tork-worker-")]
    assert len(names) <= 1, names


def _ended(program: Standalone, job_id: str) -> Any:
    def look() -> Any:
        job = program.call("GET", f"/jobs/{job_id}")
        return job if job["state"] in ENDED else None

    return until(look, 120)


def _check(program: Standalone, folder: Path, jobs: list[Any]) -> Counter[int]:
    starts = (folder / "starts").read_text().split("\n")[:-1]
    assert len(starts) == len(set(starts)), "an attempt was started twice"
    attempts: Counter[int] = Counter()
    for job in jobs:
        assert job["state"] == "COMPLETED", job
        events = program.call("GET", f"/jobs/{job['id']}/events")
        assert [event["number"] for event in events] == list(range(1, len(events) + 1))
        ends = [item for item in events if "taskId" not in item and item["state"] in ENDED]
        assert [item["state"] for item in ends] == ["COMPLETED"], ends
        ended = [task for task in job["execution"] if task["state"] == "COMPLETED"]
        assert len(ended) == 3, job["execution"]
        for task in job["execution"]:
            assert task["state"] in ENDED
            assert f"{task['id']} {task['attempt']}" in starts
            attempts[task["attempt"]] += 1
        outputs = [task["result"] for task in ended if "result" in task]
        assert outputs == [str(task["attempt"]) for task in ended if "result" in task]
        assert job["result"] == "-".join(outputs)
    _check_ticks(folder, jobs)
    return attempts


def _check_ticks(folder: Path, jobs: list[Any]) -> None:
    """A child of an attempt writes nothing once the next attempt has begun."""
    newest: dict[str, int] = {}
    path = folder / "ticks"
    for line in path.read_text().split("\n")[:-1] if path.exists() else []:
        task, attempt = line.split()
        assert int(attempt) >= newest.get(task, 0), f"{line}: a child outlived its attempt"
        newest[task] = int(attempt)


def main(seeds: range, jobs: int, kills: int) -> None:
    """Run storms one after the other, and say what came of each."""
    import tempfile

    for seed in seeds:
        with tempfile.TemporaryDirectory(prefix="tork-storm-") as folder:
            found = storm(Path(folder), seed=seed, jobs=jobs, kills=kills)
        sys.stdout.write(
            f"seed {seed}: {len(found.jobs)} jobs COMPLETED over {found.kills} kills in "
            f"{found.seconds:.0f} s; tasks by attempt: {dict(sorted(found.attempts.items()))}\n"
        )
        sys.stdout.flush()
