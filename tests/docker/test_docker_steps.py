"""Pre and post tasks with volumes, and time-outs, in whole jobs in containers."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from tork_docker.removal import Removals
from tork_docker.runtime import DockerRuntime
from tork_docker.settings import DockerSettings
from tork_docker.volumes import Volumes

from tests.docker.engine import DECLARED, IMAGE, TestEngine
from tork_core import Engine
from tork_core.model.answers import JobAnswer
from tork_core.model.job import LogPart
from tork_core.model.spec import TaskSpec
from tork_core.model.states import JobState
from tork_core.settings.core import RuntimeChoice, WorkerSettings
from tork_core.testing.runtime import CollectedLog, make_execution
from tork_core.testing.waiting import eventually


@asynccontextmanager
async def open_engine(
    settings: DockerSettings, temp_dir: Path, **worker: object
) -> AsyncGenerator[Engine]:
    temp_dir.mkdir(exist_ok=True)
    given: dict[str, object] = {"temp_dir": str(temp_dir), "stop_grace": 1.0}
    own = WorkerSettings(**(given | worker))  # type: ignore[arg-type]
    async with Engine(RuntimeChoice(type="docker"), settings, own) as engine:
        yield engine


async def run(engine: Engine, job: str) -> JobAnswer:
    return await engine.wait(await engine.submit(job))


async def log_of(engine: Engine, job: JobAnswer) -> str:
    items = [item async for item in engine.follow(job.id)]
    return "".join(item.contents for item in items if isinstance(item, LogPart))


SHARING = f"""
output: "{{{{ tasks.found }}}}"
tasks:
  - name: reads
    image: {IMAGE}
    var: found
    volumes: [/tmp, /var/shared data]
    pre:
      - name: writes
        image: {DECLARED}
        env: {{WORD: "{{{{ job.name }}}}"}}
        run: |
          echo "from pre: $WORD" > /tmp/file
          id -u > "/var/shared data/user"
    run: |
      ls -A /tmp "/var/shared data" | grep -c . > $TORK_OUTPUT
      cat /tmp/file "/var/shared data/user"
      echo more >> /tmp/file
    post:
      - name: sees both
        image: {IMAGE}
        run: cat /tmp/file
"""


async def test_pre_task_and_post_share_the_volumes_each_in_its_own_image(
    settings: DockerSettings, tmp_path: Path
) -> None:
    temp = tmp_path / "temp"
    async with open_engine(settings, temp) as engine:
        job = await run(engine, SHARING)
        assert (job.state, job.error) == (JobState.COMPLETED, None)
        # The two files, two headings and an empty line between: the volumes were new.
        assert job.result == "4\n"
        assert await log_of(engine, job) == (
            '[tork: pre task "writes"]\n[tork: task "reads"]\nfrom pre: job\n1234\n'
            '[tork: post task "sees both"]\nfrom pre: job\nmore\n'
        )
        left = [path for path in temp.rglob("*") if path.name not in ("lock",)]
        assert [path for path in left if path.is_file() or path.name == "volumes"] == []
    assert list(temp.iterdir()) == []


@pytest.mark.parametrize(
    ("job", "error"),
    [
        (
            "tasks: [{image: IMAGE, run: 'true', volumes: [/v], "
            "pre: [{name: a, image: IMAGE, run: 'touch /v/x; echo why; exit 3'}]}]",
            'pre task "a": exit code 3\nwhy',
        ),
        (
            "tasks: [{image: IMAGE, run: 'true', volumes: [/v], "
            "post: [{name: b, image: 'tork-test/nowhere:1', run: 'true'}]}]",
            'post task "b": image "tork-test/nowhere:1" is not on the host and cannot be pulled',
        ),
        (
            "tasks: [{image: IMAGE, run: 'sleep 60', volumes: [/v], timeout: 300ms}]",
            "timed out after 300ms",
        ),
        (
            "tasks: [{image: IMAGE, run: 'true', "
            "post: [{image: IMAGE, run: 'echo begun; sleep 60', timeout: 1s500ms}]}]",
            "post task 1: timed out after 1s500ms\nbegun",
        ),
        (
            "tasks: [{image: IMAGE, run: 'true', pre: [{name: p, run: 'true'}]}]",
            'pre task "p": image is missing',
        ),
    ],
    ids=["pre fails", "post without an image", "timeout", "timeout of post", "no image"],
)
async def test_a_failure_says_which_it_was_and_leaves_nothing(
    settings: DockerSettings, tmp_path: Path, job: str, error: str
) -> None:
    temp = tmp_path / "temp"
    async with open_engine(settings, temp) as engine:
        done = await run(engine, job.replace("IMAGE", IMAGE))
        assert done.state is JobState.FAILED
        assert (done.error or "").startswith(error)
        assert done.execution[0].error == done.error
    assert list(temp.iterdir()) == []


async def test_a_cancel_reaches_a_pre_task_and_its_volumes_go(
    settings: DockerSettings, tmp_path: Path, engine: TestEngine
) -> None:
    temp = tmp_path / "temp"
    async with open_engine(settings, temp) as running:
        job_id = await running.submit(
            f"tasks: [{{image: {IMAGE}, run: 'true', volumes: [/v], "
            f"pre: [{{image: {IMAGE}, run: 'touch /v/here; sleep 60'}}]}}]"
        )

        async def volumes() -> list[Path]:
            return list(temp.glob("*/*/volumes/1/here"))

        await eventually(volumes, bool, within=20)
        await running.cancel(job_id)
        job = await running.wait(job_id)
        assert job.state is JobState.CANCELLED

        async def containers() -> str:
            return engine.docker("ps", "-q", "--filter", "label=tork.node")

        await eventually(containers, lambda found: not found.strip(), within=20)
    assert list(temp.iterdir()) == []


async def test_limits_are_inherited_and_a_task_killed_for_memory_says_so(
    settings: DockerSettings, tmp_path: Path
) -> None:
    # The name of a limit is right for pre tasks too, which inherit it.
    eat = "head -c 100m /dev/zero | tail"
    async with open_engine(settings, tmp_path / "temp", default_memory_limit="20m") as engine:
        job = await run(
            engine,
            f"tasks: [{{image: {IMAGE}, run: 'true', pre: [{{image: {IMAGE}, run: '{eat}'}}]}}]",
        )
    assert (job.error or "").startswith(
        "pre task 1: killed for memory: it used more than its limit of 20m"
    )


async def test_an_engine_elsewhere_keeps_the_volumes_itself(
    docker: DockerRuntime, engine: TestEngine, tmp_path: Path
) -> None:
    removals = Removals(docker._engine)  # pyright: ignore[reportPrivateUsage]
    volumes = Volumes("tcp://elsewhere:2375", removals)
    task = TaskSpec(image=DECLARED, run="id -u > /v/file", volumes=["/v"])
    execution = make_execution(task, tmp_path)
    async with volumes.open(execution) as sources:
        execution.volumes = sources
        async with docker.prepare(execution) as start:
            await start()
        again = make_execution(TaskSpec(image=IMAGE, run="cat /v/file"), tmp_path)
        again.volumes = sources
        async with docker.prepare(again) as start:
            await start()
        assert isinstance(again.log, CollectedLog)
        assert again.log.data == b"1234\n"
        [name] = sources.values()
        labels = engine.docker("volume", "inspect", "--format", "{{json .Labels}}", name)
        assert "tork.node" in labels
    assert name not in engine.docker("volume", "ls", "-q")


@pytest.mark.parametrize("url", ["unix:///this-host", "tcp://elsewhere:2375"])
async def test_a_volume_is_empty_and_open_to_all_whatever_the_image_has_there(
    docker: DockerRuntime, tmp_path: Path, url: str
) -> None:
    removals = Removals(docker._engine)  # pyright: ignore[reportPrivateUsage]
    paths = ["/etc", "/work", "/new", "/new/inner"]
    script = "ls -A /work /new/inner; test ! -e /etc/passwd; for f; do echo x > $f/file; done"
    task = TaskSpec(image=DECLARED, run=f"set -e; {script}", cmd=paths, volumes=paths)
    execution = make_execution(task, tmp_path)
    async with Volumes(url, removals).open(execution) as execution.volumes:
        async with docker.prepare(execution) as start:
            await start()
        assert isinstance(execution.log, CollectedLog)
        assert execution.log.data == b"/new/inner:\n\n/work:\n"


async def test_a_volume_where_the_image_has_a_file_says_so(
    settings: DockerSettings, tmp_path: Path
) -> None:
    async with open_engine(settings, tmp_path / "temp") as engine:
        job = await run(engine, f"tasks: [{{image: {IMAGE}, run: 'true', volumes: [/etc/passwd]}}]")
    assert (job.error or "").startswith(f'volumes: the image "{IMAGE}" has no room for one: ')


async def test_stopping_gives_a_trap_its_grace_and_its_lines_are_logged(
    settings: DockerSettings, tmp_path: Path
) -> None:
    async with open_engine(settings, tmp_path / "temp") as engine:
        script = "trap 'echo tidied up; exit 0' TERM; echo begun; while :; do sleep 0.1; done"
        job = await run(engine, f'tasks: [{{image: {IMAGE}, run: "{script}", timeout: 2s}}]')
        # The shell itself may say between the two that its sleep was terminated.
        assert (job.error or "").startswith("timed out after 2s\nbegun\n")
        assert (job.error or "").endswith("\ntidied up")
        assert (await log_of(engine, job)).endswith("tidied up\n")
