"""Long runs, which ``.ci/run`` starts last: ``python -m pytest -m soak``."""

from __future__ import annotations

import multiprocessing
import os
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count
from pathlib import Path
from threading import Lock, Thread

import pytest

from tests.faults.program import WITHIN, Standalone, standalone, until
from tests.faults.storm import storm
from tests.simulation.simulate import COMMAND, run_seed, silence

pytestmark = pytest.mark.soak

SEEDS = range(500, 4500)
"""Those before are in every run of the tests."""

CACHES = 2 * 32 * 1024 * 1024
"""Bytes that SQLite's two page caches may take, which fill as the file grows."""


def test_the_engine_keeps_its_rules_under_thousands_of_further_seeds() -> None:
    spawning = multiprocessing.get_context("spawn")
    with spawning.Pool(os.cpu_count(), initializer=silence) as pool:
        results = list(pool.imap_unordered(run_seed, SEEDS, chunksize=8))
    assert len(results) == len(SEEDS)
    failed = sorted((one for one in results if one.error), key=lambda one: one.seed)
    assert not failed, "\n".join(f"{COMMAND} {one.seed} --logs: {one.error}" for one in failed)


@pytest.mark.parametrize("seed", range(3))
def test_three_hundred_jobs_outlive_forty_kills_of_their_server(seed: int, tmp_path: Path) -> None:
    found = storm(tmp_path, seed=seed, jobs=300, kills=40)
    assert (len(found.jobs), found.kills) == (300, 40)
    assert max(found.attempts) > 1, "no kill met a task: the storm shows nothing"


def test_a_server_holds_no_more_after_thousands_of_jobs_than_after_the_first(
    tmp_path: Path,
) -> None:
    with standalone(tmp_path, "--queue", "default:8") as program:
        program.start()
        Clients(program).run(1000)
        early = Held.by(program)
        Clients(program).run(5000)
        # What the last clients held is closed at the server's side a moment after they have gone.
        until(lambda: Held.by(program).files <= early.files)
        late = Held.by(program)
        assert program.call("GET", "/jobs")["totalItems"] == 6000
        assert program.stop() == 0
        assert program.left_behind() == []
    assert late.threads == early.threads
    assert late.memory - early.memory < CACHES, (early, late)


@dataclass(frozen=True)
class Held:
    """What a process holds."""

    memory: int
    """Resident bytes."""
    files: int
    threads: int

    @classmethod
    def by(cls, program: Standalone) -> Held:
        """What the server holds now."""
        assert program.process is not None
        proc = Path(f"/proc/{program.process.pid}")
        status = dict(line.split(":", 1) for line in (proc / "status").read_text().splitlines())
        return cls(
            memory=int(status["VmRSS"].split()[0]) * 1024,
            files=len(list((proc / "fd").iterdir())),
            threads=int(status["Threads"]),
        )


JOB = """
name: soak
output: "{{ tasks.said }}"
tasks:
  - var: said
    env: {SOAK_SECRET: a secret of the soak}
    retry: {limit: 1}
    run: |
      echo "a line of the log, with $SOAK_SECRET"
      printf done > "$TORK_OUTPUT"
"""


class Clients:
    """Users who submit a job, follow its log to the end, and look at its result."""

    def __init__(self, program: Standalone) -> None:
        self._program = program
        self._numbers = count()
        self._lock = Lock()
        self._faults: list[Exception] = []

    def run(self, jobs: int) -> None:
        """Bring so many jobs to their ends; a client's fault is the test's."""
        threads = [Thread(target=self._live, args=(jobs,), daemon=True) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert not self._faults, self._faults[0]

    def _live(self, jobs: int) -> None:
        try:
            while self._next() < jobs and not self._faults:
                self._one()
        except Exception as error:  # noqa: BLE001 -- run() raises it in the test's own thread
            self._faults.append(error)

    def _next(self) -> int:
        with self._lock:
            return next(self._numbers)

    def _one(self) -> None:
        job_id = self._program.call("POST", "/jobs", JOB)["id"]
        assert "[REDACTED]" in self._followed(job_id)
        job = self._program.call("GET", f"/jobs/{job_id}")
        assert (job["state"], job["result"]) == ("COMPLETED", "done"), job

    def _followed(self, job_id: str) -> str:
        connection = HTTPConnection("localhost", self._program.port, timeout=WITHIN)
        try:
            headers = {"Accept": "text/event-stream"}
            connection.request("GET", f"/jobs/{job_id}/events", headers=headers)
            return connection.getresponse().read().decode()
        finally:
            connection.close()
