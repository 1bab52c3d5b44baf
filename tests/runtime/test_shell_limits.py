"""Limits under the shell runtime, by the cgroups of this host, of whichever version they are."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from pathlib import Path

import pytest
import tork_shell.hierarchy
from tork_shell import cgroupfs
from tork_shell.cgroups import quota_of, why_not
from tork_shell.hierarchy import Controller, find
from tork_shell.runtime import ShellRuntime, open_shell
from tork_shell.settings import ShellSettings

from tests.runtime.conftest import Run, groups
from tests.runtime.test_shell_processes import worker
from tork_core.errors import TaskFailed
from tork_core.model.spec import LimitsSpec, TaskSpec
from tork_core.testing.runtime import CollectedLog, make_execution, processes_with
from tork_core.testing.waiting import eventually, soon

_PATIENCE = 20.0
_HUNGRY = "x=0123456789; while [ ${#x} -lt 200000000 ]; do x=$x$x; done"


def task(script: str, *, cpus: str | None = None, memory: str | None = None) -> TaskSpec:
    return TaskSpec(run=script, limits=LimitsSpec(cpus=cpus, memory=memory))


def held(pid: int, controller: Controller) -> dict[str, str]:
    """What is set in the cgroup that a process is in."""
    place = find(controller, Path(f"/proc/{pid}"))
    assert place.folder.name.startswith("tork-shell-"), place
    files = {
        (1, "memory"): ("memory.limit_in_bytes", "memory.memsw.limit_in_bytes"),
        (2, "memory"): ("memory.max", "memory.swap.max"),
        (1, "cpu"): ("cpu.cfs_quota_us", "cpu.cfs_period_us"),
        (2, "cpu"): ("cpu.max",),
    }[place.version, controller]
    paths = [place.folder / name for name in files]
    return {path.name: path.read_text().strip() for path in paths if path.exists()}


def pids_with(argument: str) -> list[str]:
    """The pids of processes that have an argument in their command line."""
    found: list[str] = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):  # it is gone
            if argument.encode() in path.read_bytes().split(b"\0"):
                found.append(path.parent.name)
    return found


async def pid_of(run: asyncio.Task[str], log: CollectedLog) -> int:
    """Return the number that a running script prints first."""

    async def look() -> bytes:
        assert not run.done(), run
        return log.data

    return int((await eventually(look, lambda data: b"\n" in data, within=_PATIENCE)).split()[0])


@pytest.mark.usefixtures("cgroups")
class TestHeld:
    async def test_the_limits_are_set_as_asked(
        self, shell: ShellRuntime, run: Run, log: CollectedLog
    ) -> None:
        limited = task("echo $$; sleep 86400", cpus=".25", memory="32m")
        running = asyncio.ensure_future(run(shell, limited))
        pid = await pid_of(running, log)
        memory, cpu = held(pid, "memory"), held(pid, "cpu")
        running.cancel()
        await asyncio.wait([running])
        size = str(32 * 1024**2)
        assert memory in (
            {"memory.limit_in_bytes": size, "memory.memsw.limit_in_bytes": size},
            {"memory.limit_in_bytes": size},
            {"memory.max": size, "memory.swap.max": "0"},
            {"memory.max": size},
        )
        assert cpu in (
            {"cpu.cfs_quota_us": "25000", "cpu.cfs_period_us": "100000"},
            {"cpu.max": "25000 100000"},
        )

    async def test_a_thousandth_of_a_cpu_can_be_asked_for(
        self, shell: ShellRuntime, run: Run
    ) -> None:
        await run(shell, task("true", cpus=".001"))

    async def test_more_than_the_host_has_is_no_fault(
        self, shell: ShellRuntime, run: Run, log: CollectedLog
    ) -> None:
        await run(shell, task("echo fine", cpus="1000000", memory="1000000g"))
        assert log.data == b"fine\n"

    async def test_a_cgroup_further_up_may_hold_it_to_less(
        self, shell: ShellRuntime, run: Run, log: CollectedLog, tmp_path: Path
    ) -> None:
        """The task is a worker of its own, which is held to one CPU and holds its task to two."""
        paths = [path for path in sys.path if path]
        env = {"PYTHONPATH": os.pathsep.join([os.getcwd(), *paths]), "INNER": str(tmp_path / "i")}
        await run(shell, task(f"exec {sys.executable} - <<'.'\n{_INNER}\n.\n", cpus="1"), env)
        assert log.data.strip() == b"inner"

    @pytest.mark.parametrize("memory", ["1b", "4k", "100k"])
    async def test_too_little_memory_to_begin_with_is_said_too(
        self, shell: ShellRuntime, run: Run, memory: str
    ) -> None:
        with pytest.raises(TaskFailed, match=f"killed for memory: .* limit of {memory} "):
            await run(shell, task("true", memory=memory))

    async def test_a_busy_task_is_throttled(self, shell: ShellRuntime, tmp_path: Path) -> None:
        """The script runs on until the kernel has counted that it was held back."""
        script = """
            read -r folder < folder
            until [ "$(awk '/^nr_throttled/ {print $2}' "$folder/cpu.stat")" -gt 0 ]; do
                for i in {1..20000}; do :; done
            done
            """
        where = "echo $$; until [ -e folder ]; do sleep 0.02; done\n"
        log = CollectedLog()
        execution = make_execution(task(where + script, cpus=".05"), tmp_path, log=log)
        async with shell.prepare(execution) as start:
            running = asyncio.ensure_future(start())
            pid = await pid_of(running, log)
            place = find("cpu", Path(f"/proc/{pid}"))
            (execution.scratch() / "new").write_text(f"{place.folder}\n")
            (execution.scratch() / "new").rename(execution.scratch() / "folder")
            assert await soon(running, within=60) == ""

    async def test_whatever_it_starts_is_held_with_it(
        self, shell: ShellRuntime, run: Run, log: CollectedLog
    ) -> None:
        token = "86400.4375"
        script = (
            f"setsid sleep {token} & (setsid sh -c 'sleep {token} & sleep {token}' &) & "
            f'(env -i "$(command -v setsid)" "$(command -v sleep)" {token} >/dev/null 2>&1 &); '
            "echo $$; sleep 86400"
        )
        running = asyncio.ensure_future(run(shell, task(script, memory="64m")))
        place = find("memory", Path(f"/proc/{await pid_of(running, log)}"))

        async def look() -> set[str]:
            return set(pids_with(token))

        started = await eventually(look, lambda found: len(found) >= 4, within=_PATIENCE)
        assert started <= set(cgroupfs.words(place.folder / "cgroup.procs"))
        running.cancel()
        await asyncio.wait([running])
        assert not processes_with(token)

    async def test_background_children_count(
        self, shell: ShellRuntime, run: Run, log: CollectedLog
    ) -> None:
        """Three that would fit one by one do not fit together."""
        grow = "x=$(head -c 12m /dev/zero | tr '\\0' x); sleep 86400"
        script = f"for i in 1 2 3; do ({grow}) & done; wait -n; exit 3"
        with pytest.raises(TaskFailed, match=r"its limit of 32m \(exit code 3\)"):
            await run(shell, task(script, memory="32m"))


@pytest.mark.usefixtures("cgroups")
class TestNothingLeft:
    """The fixture looks for cgroups after each."""

    async def test_after_every_end(self, shell: ShellRuntime, run: Run, tmp_path: Path) -> None:
        await run(shell, task("sleep 86400 >/dev/null 2>&1 &", memory="64m", cpus="1"))
        assert not groups()
        for script in ("exit 3", _HUNGRY):
            with pytest.raises(TaskFailed):
                await run(shell, task(script, memory="20m", cpus="1"))
            assert not groups()
        limited = TaskSpec(cmd=["no-such"], limits=LimitsSpec(cpus="1"))
        with pytest.raises(TaskFailed, match="command not found"):
            await run(shell, limited)
        assert not groups()
        async with shell.prepare(make_execution(task("true", cpus="1"), tmp_path)):
            assert groups()

    async def test_when_the_task_made_cgroups_of_its_own(
        self, shell: ShellRuntime, run: Run, log: CollectedLog
    ) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can make cgroups within a task's")
        script = "echo $$; until [ -e inner ]; do sleep 0.02; done"
        running = asyncio.ensure_future(run(shell, task(script, memory="64m")))
        place = find("memory", Path(f"/proc/{await pid_of(running, log)}"))
        (place.folder / "inner" / "most").mkdir(parents=True)
        running.cancel()
        await asyncio.wait([running])
        assert not groups()

    async def test_what_a_killed_worker_left_goes_with_the_next_start(self, state: Path) -> None:
        token = "86400.21875"
        limits = LimitsSpec(cpus="1", memory="64m")
        # The colour, the group and the session of a task are not what it is known by here.
        script = "setsid sleep {token} & echo ready; sleep {token}"
        with worker(state, script, token, limits):
            assert groups()
        assert groups(), "the test shows nothing"
        async with open_shell(ShellSettings(state=str(state))):
            assert not groups()
            assert not processes_with(token)
        assert not list(state.iterdir())

    async def test_those_of_a_living_worker_are_let_alone(
        self, state: Path, tmp_path: Path, run: Run
    ) -> None:
        token = "86400.109375"
        limits = LimitsSpec(memory="64m")
        with worker(state, "echo ready; sleep {token}", token, limits):
            [living] = groups()
            async with open_shell(ShellSettings(state=str(state))) as shell:
                await run(shell, task("true", memory="64m"))
            assert groups() == [living]
            assert processes_with(token)
        async with open_shell(ShellSettings(state=str(state))):
            assert not groups()


_INNER = """
import asyncio, os, pathlib
from tork_core.model.spec import LimitsSpec, TaskSpec
from tork_core.testing.runtime import CollectedLog, make_execution
from tork_shell.runtime import open_shell
from tork_shell.settings import ShellSettings

async def main():
    folder = pathlib.Path(os.environ["INNER"])
    folder.mkdir()
    async with open_shell(ShellSettings(state=str(folder / "state"))) as shell:
        log = CollectedLog()
        spec = TaskSpec(run="echo inner", limits=LimitsSpec(cpus="2"))
        async with shell.prepare(make_execution(spec, folder, log=log)) as start:
            await start()
        print(log.data.decode(), end="")

asyncio.run(main())
"""


@pytest.mark.parametrize(
    ("cpus", "quota"),
    [
        (2, (200_000, 100_000)),
        (0.5, (50_000, 100_000)),
        (0.01, (1000, 100_000)),
        (0.004, (1000, 250_000)),
        (0.001, (1000, 1_000_000)),
    ],
)
def test_quotas_are_never_below_what_the_kernel_gives(cpus: float, quota: tuple[int, int]) -> None:
    assert quota_of(cpus) == quota


class TestRefused:
    """Where no cgroup can be had, limits are refused, and nothing else is."""

    @pytest.fixture(autouse=True)
    def host(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
        """A host that has cgroups for CPUs, but none for memory."""
        proc = tmp_path / "proc"
        proc.mkdir()
        (tmp_path / "fs").mkdir()
        (proc / "cgroup").write_text("1:cpu,cpuacct:/\n0::/\n")
        line = f"32 31 0:29 / {tmp_path}/fs rw - cgroup cgroup rw,cpu,cpuacct\n"
        (proc / "mountinfo").write_text(line)
        monkeypatch.setattr(tork_shell.hierarchy, "PROC", proc)
        return proc

    async def test_a_task_fails_before_it_starts(
        self, shell: ShellRuntime, run: Run, log: CollectedLog
    ) -> None:
        with pytest.raises(TaskFailed) as failed:
            await run(shell, task("echo started", memory="64m"))
        assert failed.value.message == (
            "limits: this host cannot hold a task to limits.memory: no cgroup controller `memory` "
            "can be used: no cgroup file system that has it is mounted here"
        )
        assert log.data == b""
        await run(shell, TaskSpec(run="echo started", limits=LimitsSpec()))
        assert log.data == b"started\n"

    def test_only_what_cannot_hold(self) -> None:
        """A folder that is no cgroup is not entered, whatever it looks like."""
        memory, cpus = why_not(LimitsSpec(memory="1g")), why_not(LimitsSpec(cpus="1"))
        assert memory is not None
        assert "`memory`" in memory
        assert cpus is not None
        assert "`cpu`" in cpus


@pytest.mark.usefixtures("cgroups")
def test_a_host_that_can_hold_says_so() -> None:
    assert why_not(LimitsSpec(cpus="1", memory="1g")) is None


async def test_values_that_are_no_limits_fail_the_task(shell: ShellRuntime, run: Run) -> None:
    """A template may give what no one checked at submission."""
    with pytest.raises(TaskFailed, match=r'limits: ("much" is not a size|this host)'):
        await run(shell, task("true", memory="much"))
