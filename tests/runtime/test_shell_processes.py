"""Processes of the shell runtime: what is killed, what is let alone, what a dead worker leaves."""

from __future__ import annotations

import asyncio
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import tork_shell.runtime
from tork_shell import procfs, records
from tork_shell.family import COLOURS, Family
from tork_shell.libc import adopts_orphans
from tork_shell.runtime import ShellRuntime, open_shell
from tork_shell.settings import ShellSettings

from tests.runtime.conftest import Run
from tork_core.errors import TaskFailed, UsageError
from tork_core.model.spec import LimitsSpec, TaskSpec
from tork_core.testing.runtime import CollectedLog, make_execution, processes_with
from tork_core.testing.waiting import eventually, soon

_PATIENCE = 20.0


async def gone(token: str) -> None:
    async def look() -> list[str]:
        return processes_with(token)

    await eventually(look, lambda found: not found, within=_PATIENCE)


def stranger(*command: str, session: bool = True) -> subprocess.Popen[bytes]:
    """Start a process that is none of a task's."""
    return subprocess.Popen(command, start_new_session=session)


async def test_the_tail_of_the_log_is_short_and_whole(shell: ShellRuntime, run: Run) -> None:
    with pytest.raises(TaskFailed) as raised:
        await run(shell, "for i in {1..30}; do echo é$i; done; printf 'no \\xff end\\0'; exit 1")
    assert raised.value.log_tail == "\n".join([*(f"é{i}" for i in range(22, 31)), "no \ufffd end"])
    with pytest.raises(TaskFailed) as raised:
        await run(shell, "printf 'é%.0s' {1..5000}; exit 1")
    assert set(raised.value.log_tail) == {"é"}
    assert len(raised.value.log_tail.encode()) <= 4096


async def test_a_signal_without_a_name_is_numbered(shell: ShellRuntime, run: Run) -> None:
    with pytest.raises(TaskFailed) as raised:
        await run(shell, "kill -40 $$")
    assert raised.value.message == f"killed by SIGRTMIN+{40 - signal.SIGRTMIN} (signal 40)"
    assert raised.value.exit_code == -40


async def test_a_log_that_fails_ends_the_task(shell: ShellRuntime, tmp_path: Path) -> None:
    class Broken(CollectedLog):
        async def write(self, data: bytes) -> None:
            raise ConnectionError("the broker is away")

    execution = make_execution(
        TaskSpec(run="echo x; sleep 86400.5"), tmp_path, log=Broken(), task_id="86400.5"
    )
    with pytest.raises(ConnectionError, match="the broker is away"):
        async with shell.prepare(execution) as start:
            await start()
    assert not processes_with("86400.5")


async def test_a_paused_task_is_asked_too(
    shell: ShellRuntime, tmp_path: Path, log: CollectedLog
) -> None:
    execution = make_execution(
        TaskSpec(run="trap 'echo asked; exit' TERM; echo ready; kill -STOP $$; sleep 1"),
        tmp_path,
        log=log,
    )

    async def look() -> bytes:
        return log.data

    async with shell.prepare(execution) as start:
        task = asyncio.ensure_future(start())
        await eventually(look, bool, within=_PATIENCE)
        task.cancel()
        await soon(asyncio.wait([task]), within=_PATIENCE)
    assert log.has("asked")


async def test_no_descriptor_left_fails_the_task_and_nothing_else(
    shell: ShellRuntime, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def none_left(*_: object) -> int:
        raise OSError(24, "Too many open files")

    for name in ("pipe", "pidfd_open"):
        with monkeypatch.context() as patch:
            patch.setattr(os, name, none_left)
            with pytest.raises(TaskFailed, match="Too many open files"):
                await run(shell, "sleep 86400.25")
        await gone("86400.25")
    assert await run(shell, 'echo fine > "$TORK_OUTPUT"') == "fine\n"


async def test_other_children_of_the_worker_are_let_alone(shell: ShellRuntime, run: Run) -> None:
    with (
        stranger("sleep", "86400.75", session=False) as plain,
        stranger("sleep", "86400.75") as leader,
        stranger("true") as dead,
    ):
        try:
            await run(shell, "sleep 86400.125 &")
            shell._families.tidy()  # pyright: ignore[reportPrivateUsage]
            assert plain.poll() is None
            assert leader.poll() is None
            assert dead.wait() == 0, "its exit code was taken"
        finally:
            plain.kill()
            leader.kill()


async def test_children_of_other_threads_are_never_taken_for_a_tasks(
    shell: ShellRuntime, run: Run
) -> None:
    started: list[subprocess.Popen[bytes]] = []
    stop = threading.Event()

    def start_many() -> None:
        while not stop.is_set():
            started.append(stranger("sleep", "86400.875"))
            time.sleep(0.0005)

    threads = [threading.Thread(target=start_many) for _ in range(2)]
    for thread in threads:
        thread.start()
    try:
        await asyncio.gather(*(run(shell, "true") for _ in range(100)))
    finally:
        stop.set()
        for thread in threads:
            thread.join()
        limits = {procfs.file_locks(child.pid) for child in started}
        alive = [child.poll() is None for child in started]
        for child in started:
            child.kill()
            child.wait()
    assert started
    assert all(alive)
    assert limits == {None}


async def test_a_script_runs_no_line_before_it_is_coloured(
    state: Path, run: Run, log: CollectedLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    prlimit = resource.prlimit

    def late(*args: Any) -> Any:
        time.sleep(0.05)  # as on a host that is busy: bash needs a fiftieth of it to be there
        return prlimit(*args)

    monkeypatch.setattr(resource, "prlimit", late)
    async with open_shell(ShellSettings(state=str(state))) as shell:
        for script in ("", "#!/bin/sh\n"):
            await run(shell, script + "grep 'file locks' /proc/self/limits")
    assert [line.split()[3].isdigit() for line in log.data.splitlines()] == [True, True]


async def test_dead_orphans_do_not_pile_up_while_a_task_runs(
    state: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tork_shell.runtime, "_TIDY", 0.02)
    async with open_shell(ShellSettings(state=str(state))) as shell:
        wait = 'while ps -o stat= --ppid "$PPID" | grep Z; do sleep 0.02; done'
        await soon(run(shell, f"for i in 1 2 3; do (setsid true &); done; {wait}"), within=10)


async def test_orphans_are_adopted_only_while_a_runtime_is_open(tmp_path: Path) -> None:
    def settings() -> ShellSettings:
        return ShellSettings(state=str(tmp_path / "state"))

    assert not adopts_orphans()
    async with open_shell(settings()):
        async with open_shell(settings()):
            assert adopts_orphans()
        assert adopts_orphans()
    first, second = open_shell(settings()), open_shell(settings())
    await first.__aenter__()
    await second.__aenter__()
    await first.__aexit__(None, None, None)
    assert adopts_orphans()
    await second.__aexit__(None, None, None)
    assert not adopts_orphans()


async def test_two_runtimes_in_one_process_keep_out_of_each_others_tasks(
    state: Path, run: Run
) -> None:
    async with (
        open_shell(ShellSettings(state=str(state))) as one,
        open_shell(ShellSettings(state=str(state))) as two,
    ):
        script = '(setsid sh -c "sleep 0.1; echo late" &); sleep 0.2; echo y > "$TORK_OUTPUT"'
        tasks = [run(runtime, script) for runtime in (one, two) * 5]
        others = [run(runtime, "true") for runtime in (one, two) * 20]
        assert set(await asyncio.gather(*tasks, *others)) == {"y\n", ""}


async def test_it_works_in_a_loop_of_another_thread(state: Path, tmp_path: Path) -> None:
    async def main() -> str:
        async with open_shell(ShellSettings(state=str(state))) as shell:
            script = 'setsid sleep 86400.015625 & echo y > "$TORK_OUTPUT"'
            execution = make_execution(TaskSpec(run=script), tmp_path)
            async with shell.prepare(execution) as start:
                return await start()

    assert await asyncio.to_thread(lambda: asyncio.run(main())) == "y\n"
    assert not processes_with("86400.015625")


_WORKER = """
import asyncio, sys
from pathlib import Path
from tork_core.model.spec import LimitsSpec, TaskSpec
from tork_core.testing.runtime import CollectedLog, make_execution
from tork_shell.runtime import open_shell
from tork_shell.settings import ShellSettings

class Log(CollectedLog):
    async def write(self, data):
        print(data.decode(), end="", flush=True)

async def main(state, script, token, cpus, memory):
    limits = LimitsSpec(cpus=cpus or None, memory=memory or None)
    async with open_shell(ShellSettings(state=state)) as shell:
        execution = make_execution(
            TaskSpec(run=script, limits=limits), Path(state).parent, log=Log(), task_id=token
        )
        async with shell.prepare(execution) as start:
            await start()

asyncio.run(main(*sys.argv[1:]))
"""

_NO_LIMITS = LimitsSpec()


@contextmanager
def worker(
    state: Path, script: str, token: str, limits: LimitsSpec = _NO_LIMITS
) -> Generator[subprocess.Popen[bytes]]:
    """Give a worker of its own process that runs one script and has printed; it is killed."""
    with subprocess.Popen(
        [
            *(sys.executable, "-c", _WORKER, str(state), script.replace("{token}", token), token),
            *(limits.cpus or "", limits.memory or ""),
        ],
        stdout=subprocess.PIPE,
        env=_environment(),
    ) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            yield process
        finally:
            process.kill()


def _environment() -> dict[str, str]:
    paths = [os.getcwd(), *filter(None, sys.path)]
    return {**os.environ, "PYTHONPATH": os.pathsep.join(paths)}


async def test_what_a_killed_worker_left_is_removed_by_the_next(state: Path) -> None:
    token = "86400.0625"
    script = (
        'setsid sleep {token} & (env -i "$(command -v setsid)" "$(command -v sleep)" {token} &); '
        "trap '' TERM HUP PIPE; echo ready; sleep {token}"
    )
    with worker(state, script, token):
        pass
    assert len(processes_with(token)) >= 3, "the test shows nothing"
    async with open_shell(ShellSettings(state=str(state))):
        await gone(token)
    assert not list(state.iterdir())


_DIES_AT_ITS_START = """
import os, signal
from tork_shell.family import Families

def die(*_):
    os.kill(os.getpid(), signal.SIGKILL)

Families.found = die
"""


async def test_a_task_that_a_worker_started_and_died_is_killed_by_the_next(state: Path) -> None:
    """Between the two lines the task has no colour, and no line in the records."""
    token = "86400.046875"
    script = f"setsid sleep {token} & sleep {token}"
    command = [sys.executable, "-c", _DIES_AT_ITS_START + _WORKER, str(state), script, token]
    dead = await asyncio.create_subprocess_exec(*command, "", "", env=_environment())
    assert await soon(dead.wait(), within=_PATIENCE) == -signal.SIGKILL

    async def left() -> list[str]:
        return processes_with(token)

    await eventually(left, lambda found: len(found) >= 3, within=_PATIENCE)
    async with open_shell(ShellSettings(state=str(state))):
        await gone(token)


async def test_the_tasks_of_a_living_worker_are_let_alone(state: Path) -> None:
    token = "86400.03125"
    with worker(state, "echo ready; sleep {token}", token) as process:
        async with open_shell(ShellSettings(state=str(state))):
            assert processes_with(token)
        assert process.poll() is None
    async with open_shell(ShellSettings(state=str(state))):
        await gone(token)


async def test_a_process_that_has_the_pid_of_a_dead_task_is_let_alone(state: Path) -> None:
    records.prepare_state(state)
    with stranger("sleep", "86400.5") as other:
        found = procfs.stat(other.pid)
        assert found is not None
        for start, kept in ((found.start + 100, True), (found.start, False)):
            path = state / "1-dead.tasks"
            path.write_text(
                f"{procfs.boot()} {7 * COLOURS}\n{other.pid} {start} {start}\n".replace(
                    "\n", " " * 9 + "\n"
                )
            )
            async with open_shell(ShellSettings(state=str(state))):
                assert not path.exists()
                await asyncio.sleep(0)
                if kept:
                    assert other.poll() is None
                else:
                    assert other.wait(_PATIENCE) == -signal.SIGKILL


@pytest.mark.parametrize("content", ["", "\n", "other-boot 5\n1 0 99999999999\n", "\xff\n"])
async def test_records_of_another_time_or_place_are_removed_unread(
    state: Path, content: str
) -> None:
    records.prepare_state(state)
    path = state / "1-dead.tasks"
    path.write_text(content, encoding="latin-1")
    async with open_shell(ShellSettings(state=str(state))):
        assert not path.exists()


async def test_a_state_folder_that_others_can_write_is_refused(state: Path) -> None:
    state.mkdir()
    state.chmod(0o777)
    with pytest.raises(UsageError, match="no one else may write"):
        async with open_shell(ShellSettings(state=str(state))):
            pass
    link = state.parent / "link"
    link.symlink_to(state)
    with pytest.raises(UsageError):
        async with open_shell(ShellSettings(state=str(link))):
            pass


def test_lines_of_records_are_used_again(state: Path) -> None:
    records.prepare_state(state)
    with records.open_records(state, 5) as kept:
        lines = [kept.add(Family(pid, 5, b""), 1) for pid in range(3)]
        kept.remove(lines[1])
        assert kept.add(Family(9, 5, b""), 1) == lines[1]
        [path] = state.glob("*.tasks")
        assert path.stat().st_size == 4 * 80
        assert path.read_text().splitlines()[2].startswith("9 1 ")
