"""``kill -9`` of a standalone server on SQLite, at random moments."""

from __future__ import annotations

import secrets
import threading
import time
from pathlib import Path

from tests.faults.program import AWAY, Refused, Standalone, standalone, until
from tests.faults.storm import storm
from tork_core.testing._runtime_base import kill_processes_with, processes_with


def test_what_was_accepted_completes_once_however_often_the_server_is_killed(
    tmp_path: Path,
) -> None:
    found = storm(tmp_path, seed=1, jobs=25, kills=5, spell=1.0)
    assert found.kills == 5


def test_a_kill_among_fifty_clients_that_repeat_themselves_makes_no_job_twice(
    tmp_path: Path,
) -> None:
    with standalone(tmp_path, "--queue", "default:4") as program:
        program.start()
        clients = [Client(program, number) for number in range(50)]
        for client in clients:
            client.start()
        for count in (20, 60):
            until(lambda count=count: _answers(clients) >= count)
            program.kill()
            program.start()
        for client in clients:
            client.join(60)
        ids = {job_id for client in clients for job_id in client.ids.values()}
        assert len(ids) == 150
        assert program.call("GET", "/jobs?size=1")["totalItems"] == 150
        for job_id in ids:
            until(lambda job_id=job_id: _state(program, job_id) == "COMPLETED")
        for client in clients:
            assert client.answers == client.ids
        assert program.stop() == 0


class Client(threading.Thread):
    """Submits three jobs under keys of its own, and each again until it has an answer, twice."""

    def __init__(self, program: Standalone, number: int) -> None:
        super().__init__(daemon=True)
        self.ids: dict[str, str] = {}
        self.answers: dict[str, str] = {}
        self._program = program
        self._number = number

    def run(self) -> None:
        for number in range(3):
            key = f"client-{self._number}-{number}"
            self.ids[key] = self._submit(key)
            self.answers[key] = self._submit(key)

    def _submit(self, key: str) -> str:
        while True:
            try:
                job = f"name: {key}\ntasks: [{{run: 'true'}}]"
                return self._program.call("POST", "/jobs", job, key=key)["id"]
            except AWAY:
                time.sleep(0.05)
            except Refused as error:
                assert error.status == 503, error
                time.sleep(0.05)


def _answers(clients: list[Client]) -> int:
    return sum(len(client.ids) for client in clients)


def test_a_child_of_a_task_writes_nothing_after_the_restart(tmp_path: Path) -> None:
    mark = f"tork-test-{secrets.token_hex(8)}"
    job = f"""
    name: leaves a child
    tasks:
      - env: {{MARK: {mark}}}
        run: |
          (while sleep 0.01; do echo "$TORK_ATTEMPT"; done >> ticks-of-$TORK_ATTEMPT 2>&1) &
          ln -sf "$PWD/ticks-of-$TORK_ATTEMPT" {tmp_path}/ticks-of-$TORK_ATTEMPT
          echo "$TORK_ATTEMPT" >> {tmp_path}/starts
          test "$TORK_ATTEMPT" = 1 && sleep 60
          test ! -e {tmp_path}/ticks-of-1 || echo the first one lives
    """
    try:
        with standalone(tmp_path) as program:
            program.start()
            job_id = program.call("POST", "/jobs", job)["id"]
            until(lambda: (tmp_path / "ticks-of-1").exists())
            left = processes_with(mark)
            assert len(left) >= 2
            program.kill()
            assert processes_with(mark), "the kill should have left what the next one removes"
            program.start()
            assert (tmp_path / "ticks-of-1").is_symlink()
            assert not (tmp_path / "ticks-of-1").exists(), "the folder of the first is there yet"
            until(lambda: _state(program, job_id) == "COMPLETED")
            assert (tmp_path / "starts").read_text().split() == ["1", "2"]
            log = program.call("GET", f"/jobs/{job_id}/log")
            assert "lives" not in str(log)
            why = program.call("GET", f"/jobs/{job_id}/events")
            assert "the process was restarted" in {event.get("detail") for event in why}
            assert program.stop() == 0
            assert processes_with(mark) == []
    finally:
        kill_processes_with(mark)


def test_a_task_is_tried_again_at_once_and_not_after_a_lease(tmp_path: Path) -> None:
    with standalone(tmp_path, "--queue", "default:1") as program:
        program.start()
        first = program.call("POST", "/jobs", _once(tmp_path, "first"))["id"]
        waits = [program.call("POST", "/jobs", "tasks: [{run: 'true'}]")["id"] for _ in range(20)]
        until(lambda: _state(program, first) == "RUNNING")
        program.kill()
        program.begin()
        began = time.monotonic()
        program.ready()
        for job_id in (first, *waits):
            until(lambda job_id=job_id: _state(program, job_id) == "COMPLETED")
        # A lease is 30 s; how fast it is beyond that says nothing on a machine that is busy.
        assert time.monotonic() - began < 25
        [task] = program.call("GET", f"/jobs/{first}")["execution"]
        assert task["attempt"] == 2


def test_a_server_that_is_told_to_end_goes_on_after_its_next_start(tmp_path: Path) -> None:
    with standalone(tmp_path, "--queue", "default:1", "--worker-grace", "0") as program:
        program.start()
        runs = program.call("POST", "/jobs", _once(tmp_path, "runs"))["id"]
        waits = program.call("POST", "/jobs", "tasks: [{run: 'true'}]")["id"]
        until(lambda: _state(program, runs) == "RUNNING")
        assert program.stop() == 0
        assert program.left_behind() == []
        program.start()
        for job_id in (runs, waits):
            until(lambda job_id=job_id: _state(program, job_id) == "COMPLETED")
        assert program.stop() == 0


def test_a_task_that_kills_its_server_every_time_is_failed_in_the_end(tmp_path: Path) -> None:
    with standalone(tmp_path, "--coordinator-restart-limit", "2") as program:
        program.start()
        job = "tasks: [{name: deadly, run: 'kill -9 $(cat server)'}]"
        job = job.replace("server", str(tmp_path / "server"))
        assert program.process is not None
        (tmp_path / "server").write_text(str(program.process.pid))
        job_id = program.call("POST", "/jobs", job)["id"]
        program.process.wait(60)
        program.begin()
        assert program.process is not None
        (tmp_path / "server").write_text(str(program.process.pid))
        program.process.wait(60)
        program.start()
        job = program.call("GET", f"/jobs/{job_id}")
        assert job["state"] == "FAILED"
        assert "the process was restarted 2 times while this task ran" in job["error"]


def test_a_second_server_on_the_same_file_is_refused(tmp_path: Path) -> None:
    with standalone(tmp_path) as program:
        program.start()
        assert program.process is not None
        other = Standalone(tmp_path)
        other.begin()
        assert other.process is not None
        assert other.process.wait(60) == 2
        assert f"tork.db is in use by another process (pid {program.process.pid})" in program.log
        assert program.call("GET", "/health")["status"] == "UP"


def _once(folder: Path, name: str) -> str:
    """A job that takes long at its first attempt, and no time at a further one."""
    script = f"mkdir {folder}/{name} 2>/dev/null && sleep 20 || true"
    return f"name: {name}\ntasks: [{{run: '{script}'}}]"


def _state(program: Standalone, job_id: str) -> str:
    return program.call("GET", f"/jobs/{job_id}")["state"]
