"""What a task finds in its container, and how it ends there."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest
from tork_docker.runtime import DockerRuntime

from tests.docker.conftest import Run
from tests.docker.engine import DECLARED, IMAGE, MANTIC, SHELLESS, SHELLS, TOOLLESS, TestEngine
from tork_core.errors import TaskFailed
from tork_core.model.spec import LimitsSpec, TaskSpec
from tork_core.testing.runtime import CollectedLog, make_execution
from tork_core.testing.waiting import eventually, soon


async def test_the_examples_image_runs(docker: DockerRuntime, run: Run, log: CollectedLog) -> None:
    await run(docker, TaskSpec(image=MANTIC, run="echo -n hello world"))
    assert log.data == b"hello world"


@pytest.mark.parametrize(
    ("task", "printed"),
    [
        (TaskSpec(), "declared default\n"),
        (TaskSpec(cmd=["one", "two"]), "declared one two\n"),
        (TaskSpec(entrypoint=["/bin/sh", "-c", "echo $FROM_IMAGE"]), "yes\n"),
        (TaskSpec(entrypoint=["/bin/echo"], cmd=["both"]), "both\n"),
        (TaskSpec(run="echo $FROM_IMAGE $PWD $HOME $(id -u)"), "yes /work /work 1234\n"),
        (TaskSpec(run='echo "$@"', cmd=["a b", "c"]), "a b c\n"),
        (TaskSpec(run="whatever", entrypoint=["/bin/cat"]), "whatever"),
    ],
    ids=["neither", "cmd", "entrypoint", "entrypoint+cmd", "run", "run+cmd", "run+entrypoint"],
)
async def test_what_the_image_declares_holds_where_the_task_says_nothing(
    docker: DockerRuntime, run: Run, log: CollectedLog, task: TaskSpec, printed: str
) -> None:
    spec = TaskSpec(image=DECLARED, run=task.run, cmd=task.cmd, entrypoint=task.entrypoint)
    await run(docker, spec)
    assert log.data.decode() == printed


async def test_an_image_is_named_by_its_id_too(
    docker: DockerRuntime, run: Run, log: CollectedLog, engine: TestEngine
) -> None:
    identity = engine.docker("inspect", "--format", "{{.Id}}", IMAGE).strip()
    await run(docker, TaskSpec(image=identity, run="echo by id"))
    assert log.data == b"by id\n"


async def test_any_user_of_the_image_can_write_the_output(docker: DockerRuntime, run: Run) -> None:
    script = 'echo one > "$TORK_OUTPUT.new"; mv "$TORK_OUTPUT.new" "$TORK_OUTPUT"'
    assert await run(docker, TaskSpec(image=DECLARED, run=script)) == "one\n"
    words = ["/bin/sh", "-c", script]
    assert await run(docker, TaskSpec(image=DECLARED, entrypoint=words)) == "one\n"


@pytest.mark.parametrize(
    "trick",
    ["rm $O; ln -s /etc/passwd $O", "rm $O; mkfifo $O", "rm $O; mkdir $O", "echo 1234567890 > $O"],
)
async def test_a_commands_output_is_a_plain_file_within_the_limit(
    docker: DockerRuntime, tmp_path: Path, trick: str
) -> None:
    task = TaskSpec(image=IMAGE, cmd=["sh", "-c", f"O=$TORK_OUTPUT; {trick}"])
    execution = make_execution(task, tmp_path, output_limit=5)
    async with docker.prepare(execution) as start:
        with pytest.raises(TaskFailed, match=r"regular file|limit of 5"):
            await start()


@pytest.mark.parametrize("shell", SHELLS)
async def test_scripts_are_run_alike_by_other_shells(
    docker: DockerRuntime, run: Run, log: CollectedLog, shell: str
) -> None:
    script = (
        "grep -E 'Sig(Ign|Blk)' /proc/self/status | grep -c -v 0000000000000000\n"
        "(sleep 0.2; echo behind) & sleep 1000 & for i in 1 2 3; do echo $i; echo $i >&2; done\n"
        'printf "$(readlink /proc/$$/exe)" > "$TORK_OUTPUT"'
    )
    assert await run(docker, TaskSpec(image=SHELLS[shell], run=script)) == f"/bin/{shell}"
    assert log.data == b"0\n1\n1\n2\n2\n3\n3\nbehind\n"
    with pytest.raises(TaskFailed, match=r"exit code 137 \(SIGKILL\)$") as failed:
        await run(docker, TaskSpec(image=SHELLS[shell], run="kill -KILL $$"))
    assert failed.value.log_tail == ""


@pytest.mark.parametrize("image", [IMAGE, SHELLS["dash"]])
async def test_a_script_that_is_stopped_before_it_starts_has_printed_nothing(
    docker: DockerRuntime, log: CollectedLog, tmp_path: Path, image: str
) -> None:
    for milliseconds in range(1, 200, 50):
        execution = make_execution(TaskSpec(image=image, run="sleep 100"), tmp_path, log=log)
        async with docker.prepare(execution) as start:
            with pytest.raises(TimeoutError):
                async with asyncio.timeout(milliseconds / 1000):
                    await start()
    assert log.data == b""


async def test_variables_with_the_names_of_our_own_change_nothing(
    docker: DockerRuntime, run: Run
) -> None:
    env = {"_tork_stopped": "1", "_tork_late": "1", "_tork_status": "1", "_tork_cat": "1"}
    assert await run(docker, 'printf "$_tork_status" > "$TORK_OUTPUT"', env) == "1"


async def test_a_script_that_names_a_program_needs_no_shell(
    docker: DockerRuntime, run: Run, log: CollectedLog
) -> None:
    for _ in range(2):  # found out, and remembered
        await run(docker, TaskSpec(image=SHELLESS, run="#!/bin/cat\nin it\n"))
    assert log.data == b"#!/bin/cat\nin it\n" * 2
    with pytest.raises(TaskFailed, match=f'image "{SHELLESS}": it has no sh') as failed:
        await run(docker, TaskSpec(image=SHELLESS, run="echo x"))
    assert failed.value.log_tail == ""


async def test_a_script_needs_no_other_program_than_sh(
    docker: DockerRuntime, run: Run, log: CollectedLog
) -> None:
    script = 'echo "$1"; printf x > "$TORK_OUTPUT"; read line || exec 2>&1; echo end >&2'
    for _ in range(2):  # found out, and remembered
        assert await run(docker, TaskSpec(image=TOOLLESS, run=script, cmd=["a b"])) == "x"
    assert log.data == b"a b\nend\n" * 2
    with pytest.raises(TaskFailed, match=r"^exit code 4$"):
        await run(docker, TaskSpec(image=TOOLLESS, run="exit 4"))


@pytest.mark.parametrize(
    ("task", "words"),
    [
        (TaskSpec(run="true"), "image is missing"),
        (TaskSpec(image="no such, image", run="true"), "invalid reference format"),
        (TaskSpec(image=IMAGE), "nothing to run"),
        (TaskSpec(image=IMAGE, run="true", limits=LimitsSpec(memory="1m")), "limits: Minimum"),
        (TaskSpec(image=IMAGE, run="true", limits=LimitsSpec(cpus="9999")), "limits: Range of CPU"),
        (TaskSpec(image=IMAGE, run="true", limits=LimitsSpec(cpus="x")), 'limits: "x" is not'),
        (TaskSpec(image=IMAGE, run="kill -SEGV $$"), r"exit code 139 \(SIGSEGV\)"),
        (TaskSpec(image=IMAGE, run="#!/no/such\n"), 'there is no program "/no/such", which'),
    ],
    ids=lambda value: None if isinstance(value, TaskSpec) else value[:12],
)
async def test_what_cannot_be_done_is_said(
    docker: DockerRuntime, run: Run, task: TaskSpec, words: str
) -> None:
    with pytest.raises(TaskFailed, match=words):
        await run(docker, task)


async def test_a_task_killed_for_memory_says_so(docker: DockerRuntime, run: Run) -> None:
    script = "x=$(head -c 100000000 /dev/zero | tr '\\0' x); echo survived"
    task = TaskSpec(image=IMAGE, run=script, limits=LimitsSpec(memory="20m"))
    with pytest.raises(TaskFailed, match=r"killed for memory: .* limit of 20m") as failed:
        await run(docker, task)
    assert failed.value.exit_code == 137


async def test_the_engine_is_told_the_limits_and_keeps_the_task_in(
    docker: DockerRuntime, tmp_path: Path, engine: TestEngine
) -> None:
    limits = LimitsSpec(cpus=".5", memory="64m")
    task = TaskSpec(image=IMAGE, run="true", limits=limits)
    async with docker.prepare(make_execution(task, tmp_path, task_id="limited")):
        [name] = engine.docker("ps", "-aq", "--filter", "label=tork.task=limited").split()
        [found] = json.loads(engine.docker("inspect", name))
    host, labels = found["HostConfig"], found["Config"]["Labels"]
    assert host["NanoCpus"] == 500_000_000
    assert host["Memory"] == host["MemorySwap"] == 64 * 2**20
    assert host["SecurityOpt"] == ["no-new-privileges"]
    assert host["PidsLimit"] == 4096
    assert host["Privileged"] is False
    assert host["NetworkMode"] == "none"
    assert not host["Binds"]
    assert not any("docker.sock" in str(mount) for mount in found["Mounts"])
    assert labels["tork.task"] == "limited"
    assert labels["tork.attempt"] == "1"


async def test_a_thousandth_of_a_cpu_is_a_limit_too(
    docker: DockerRuntime, tmp_path: Path, engine: TestEngine
) -> None:
    for cpus, share in ((".001", 1_000), (".0099", 9_900)):
        task = TaskSpec(image=IMAGE, cmd=["true"], limits=LimitsSpec(cpus=cpus))
        async with docker.prepare(make_execution(task, tmp_path, task_id="slow")) as start:
            [name] = engine.docker("ps", "-aq", "--filter", "label=tork.task=slow").split()
            [found] = json.loads(engine.docker("inspect", name))
            if share > 1_000:
                await start()
        assert found["HostConfig"]["CpuQuota"] == share
        assert found["HostConfig"]["CpuPeriod"] == 1_000_000


async def test_variables_and_arguments_that_are_too_long_are_named(
    docker: DockerRuntime, run: Run, log: CollectedLog
) -> None:
    words = "the variables or arguments are too long"
    with pytest.raises(TaskFailed, match=words):
        await run(docker, "true", env={f"V{i}": "x" * 100_000 for i in range(40)})
    with pytest.raises(TaskFailed, match=words):
        await run(docker, TaskSpec(image=IMAGE, cmd=["echo", "x" * 140_000]))


async def test_a_script_that_signals_its_own_group_is_not_taken_for_a_stopped_one(
    docker: DockerRuntime, tmp_path: Path
) -> None:
    script = 'trap "" TERM; sleep 60 & kill 0; printf x > $TORK_OUTPUT; {}'
    for end, grace in (("exit 0", 1.0), ("(sleep .2; kill 0; sleep 60) & exit 0", 2.0)):
        task = TaskSpec(image=IMAGE, run=script.format(end))
        async with docker.prepare(make_execution(task, tmp_path, grace=grace)) as start:
            assert await soon(start(), within=20) == "x"


async def test_an_output_that_may_not_be_read_is_said(docker: DockerRuntime, run: Run) -> None:
    script = "echo x > $TORK_OUTPUT; chmod 0 $TORK_OUTPUT"
    with pytest.raises(TaskFailed, match=r"the output cannot be read: .* permission"):
        await run(docker, TaskSpec(image=DECLARED, run=script))
    assert await run(docker, TaskSpec(image=IMAGE, run=script)) == "x\n"  # as root it may


async def test_a_task_cannot_gain_rights_nor_fork_without_end(
    docker: DockerRuntime, run: Run, log: CollectedLog
) -> None:
    await run(docker, "grep NoNewPrivs /proc/self/status; cat /proc/self/cgroup >/dev/null")
    assert log.data == b"NoNewPrivs:\t1\n"


async def test_volumes_that_the_image_declares_go_with_the_container(
    docker: DockerRuntime, run: Run, engine: TestEngine
) -> None:
    before = engine.everything()["volumes"]
    await run(docker, TaskSpec(image=DECLARED, run="echo kept > /data/file"))
    assert engine.everything()["volumes"] == before


async def test_cancelling_at_any_time_leaves_nothing(
    docker: DockerRuntime, tmp_path: Path, engine: TestEngine
) -> None:
    before = engine.everything()

    async def attempt(delay: float) -> None:
        task = TaskSpec(image=DECLARED, run="trap 'exit 0' TERM; sleep 0.2; sleep 0.2")

        async def whole() -> str:
            async with docker.prepare(make_execution(task, tmp_path, grace=0.2)) as start:
                return await start()

        running = asyncio.create_task(whole())
        await asyncio.wait([running], timeout=delay)
        running.cancel()
        await asyncio.wait([running])
        assert running.cancelled() or running.exception() is None

    await asyncio.gather(*(attempt(number * 0.12) for number in range(20)))
    assert engine.everything() == before


async def test_a_log_that_is_not_taken_for_long_loses_nothing(
    docker: DockerRuntime, tmp_path: Path
) -> None:
    log = _SleepyLog(4.0)
    task = TaskSpec(image=IMAGE, run="head -c 2500000 /dev/zero")
    async with docker.prepare(make_execution(task, tmp_path, log=log)) as start:
        await start()
    assert log.length == 2_500_000


async def test_what_a_program_writes_to_the_first_process_is_logged(
    docker: DockerRuntime, run: Run, log: CollectedLog
) -> None:
    assert await run(docker, "echo aside > /proc/1/fd/2; printf x > $TORK_OUTPUT; sleep 0.1") == "x"
    assert log.data == b"aside\n"


async def test_stopping_reaches_an_images_own_command(
    docker: DockerRuntime, tmp_path: Path, engine: TestEngine
) -> None:
    task = TaskSpec(image=IMAGE, cmd=["sleep", "1000"])

    async def whole() -> str:
        execution = make_execution(task, tmp_path, task_id="sleeping", grace=60)
        async with docker.prepare(execution) as start:
            return await start()

    running = asyncio.create_task(whole())

    async def is_running() -> str:
        return engine.docker("ps", "-q", "--filter", "label=tork.task=sleeping")

    await eventually(is_running, bool, within=30)
    await asyncio.sleep(0.1)
    running.cancel()
    await soon(asyncio.wait([running]), within=20)
    assert running.cancelled()


class _SleepyLog:
    """A log that is away for a while, from its first byte on."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self.length = 0

    async def write(self, data: bytes) -> None:
        if not self.length:
            await asyncio.sleep(self._seconds)
        self.length += len(data)

    async def warn(self, text: str) -> None: ...
