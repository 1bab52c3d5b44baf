"""Where a task's script and output lie: used again and again, and always as new."""

from __future__ import annotations

import asyncio
import os
import shutil
from pathlib import Path

import pytest
from tork_shell.records import open_records, prepare_state
from tork_shell.runtime import ShellRuntime, open_shell
from tork_shell.settings import ShellSettings

from tests.runtime.conftest import Run, skip_without_cgroups
from tork_core.errors import TaskFailed, UsageError
from tork_core.model.spec import LimitsSpec, TaskSpec
from tork_core.testing.runtime import CollectedLog
from tork_core.testing.waiting import eventually

_WHERE = 'dirname "$TORK_OUTPUT"'
_LOOK = 'cd "$(dirname "$TORK_OUTPUT")"; stat -c "%n %a %s %h" *; cat output'


async def test_one_desk_serves_tasks_that_run_one_after_another(
    shell: ShellRuntime, run: Run, log: CollectedLog
) -> None:
    for _ in range(5):
        await run(shell, f'{_WHERE}; echo x > "$TORK_OUTPUT"')
    assert len(set(log.data.splitlines())) == 1


async def test_tasks_that_run_at_once_have_desks_of_their_own(
    shell: ShellRuntime, run: Run, log: CollectedLog
) -> None:
    await asyncio.gather(*(run(shell, _WHERE) for _ in range(5)))
    assert len(set(log.data.splitlines())) == 5


async def test_a_script_does_not_stay_behind(shell: ShellRuntime, run: Run, tmp_path: Path) -> None:
    await run(shell, f"# secret {'x' * 10_000}\ntrue")
    [script] = tmp_path.glob("desk-*/script")
    assert script.read_bytes() == b"\n"


@pytest.mark.parametrize(
    "mess",
    [
        'touch "$(dirname "$TORK_OUTPUT")/more"',
        'mkdir -p "$(dirname "$TORK_OUTPUT")/a/b/c"',
        'chmod 644 "$TORK_OUTPUT"',
        'chmod 777 "$(dirname "$TORK_OUTPUT")"',
        'rm "$TORK_OUTPUT"',
        'rm "$0"; echo echo not ours > "$0"',
        'cp "$0" x; mv x "$0"',
        'ln "$0" x',
        'mv "$(dirname "$TORK_OUTPUT")" moved',
        'rm -r "$(dirname "$TORK_OUTPUT")"',
        'd="$(dirname "$TORK_OUTPUT")"; mv "$d" moved; cp -a moved "$d"',
        'd="$(dirname "$TORK_OUTPUT")"; mv "$d" moved; ln -s "$PWD/moved" "$d"',
    ],
)
async def test_a_desk_that_a_task_left_otherwise_is_not_used_again(
    shell: ShellRuntime, run: Run, log: CollectedLog, mess: str
) -> None:
    await run(shell, mess)
    log.data = b""
    await run(shell, _LOOK)
    assert log.data.decode() == f"output 600 0 1\nscript 700 {len(_LOOK)} 1\n"


@pytest.mark.parametrize(
    ("trick", "message"),
    [
        ("ln -s /etc/passwd", "it is a symbolic link"),
        ("ln -s output", "it is a symbolic link"),
        ("mkfifo", "it is not a regular file any more"),
        ("mkdir", "it is not a regular file any more"),
        ("echo other > other; ln other", "the file has several names"),
    ],
)
async def test_an_output_that_is_no_plain_file_is_said_clearly(
    shell: ShellRuntime, run: Run, trick: str, message: str
) -> None:
    with pytest.raises(TaskFailed) as raised:
        await run(shell, f'rm "$TORK_OUTPUT"; {trick} "$TORK_OUTPUT"')
    assert raised.value.message == f"the output cannot be read: {message}" + (
        " (hard links)" if "names" in message else ""
    )


async def test_an_output_that_was_removed_is_empty(shell: ShellRuntime, run: Run) -> None:
    assert await run(shell, 'rm "$TORK_OUTPUT"') == ""


async def test_what_is_swept_away_is_made_again(
    shell: ShellRuntime, run: Run, state: Path, tmp_path: Path
) -> None:
    script = 'echo x > "$TORK_OUTPUT"'
    assert await run(shell, script) == "x\n"
    next(tmp_path.glob("desk-*/output")).unlink()
    assert await run(shell, script) == "x\n"
    for folder in (next(tmp_path.glob("desk-*")), state):
        shutil.rmtree(folder)
        assert await run(shell, script) == "x\n"


async def test_a_state_folder_that_is_swept_away_is_made_again_for_a_cgroup(state: Path) -> None:
    prepare_state(state)
    with open_records(state, 5) as records:
        shutil.rmtree(state)
        records.note_cgroups(Path("/"))
        assert [path.suffix for path in state.iterdir()] == [".cgroups"]


async def test_a_state_folder_that_is_somebody_elses_now_is_not_used(state: Path) -> None:
    prepare_state(state)
    with open_records(state, 5) as records:
        shutil.rmtree(state)
        state.mkdir()
        state.chmod(0o777)
        with pytest.raises(UsageError, match="no one else may write"):
            records.note_cgroups(Path("/"))


async def test_a_script_can_execute_itself(
    shell: ShellRuntime, run: Run, log: CollectedLog
) -> None:
    await run(shell, '#!/bin/bash\ntest -n "$1" && echo again $1 || exec "$0" with')
    assert log.data == b"again with\n"


async def test_nothing_stays_when_the_runtime_is_closed(
    state: Path, run: Run, tmp_path: Path
) -> None:
    async with open_shell(ShellSettings(state=str(state))) as shell:
        await run(shell, "true")
        assert list(state.iterdir())
        assert list(tmp_path.glob("desk-*"))
    assert not list(state.iterdir())
    assert not list(tmp_path.glob("desk-*"))


class TestAnotherUser:
    """Tasks as user and group 65534."""

    @pytest.fixture(autouse=True)
    def root(self, tmp_path: Path) -> None:
        if os.geteuid() != 0:
            pytest.skip("only root can run tasks as others")
        for folder in (tmp_path, *tmp_path.parents[:-2]):
            folder.chmod(0o711)

    @pytest.fixture
    def settings(self, state: Path) -> ShellSettings:
        return ShellSettings(state=str(state), uid=65534, gid=65534)

    async def test_a_task_has_that_users_rights_and_no_more(
        self, settings: ShellSettings, run: Run, log: CollectedLog
    ) -> None:
        script = (
            'id -u; id -g; id -G; stat -c %u . "$TORK_OUTPUT"; echo out > "$TORK_OUTPUT"; ls ..'
        )
        async with open_shell(settings) as shell:
            with pytest.raises(TaskFailed):
                await run(shell, script)
            assert await run(shell, script.replace("; ls ..", "; touch here")) == "out\n"
        assert log.data.splitlines()[:5] == [b"65534"] * 5

    async def test_a_command_and_its_errors_are_as_ever(
        self, settings: ShellSettings, run: Run, log: CollectedLog
    ) -> None:
        async with open_shell(settings) as shell:
            await run(shell, TaskSpec(cmd=["printf", "%s|", "--", "a b"]))
            with pytest.raises(TaskFailed, match="command not found"):
                await run(shell, TaskSpec(cmd=["no-such"]))
            with pytest.raises(TaskFailed, match="the value of A is 200000 bytes"):
                await run(shell, "true", {"A": "x" * 200_000})
            with pytest.raises(TaskFailed, match="exit code 7"):
                await run(shell, "exit 7")
        assert log.data == b"--|a b|"

    @pytest.mark.parametrize("limits", [None, LimitsSpec(memory="1g")])
    async def test_no_variable_of_a_task_works_on_what_comes_before_its_command(
        self, settings: ShellSettings, run: Run, tmp_path: Path, limits: LimitsSpec | None
    ) -> None:
        """The loader would write as root what this one asks for; LD_PRELOAD would run as root."""
        if limits is not None:
            skip_without_cgroups()
        seen = tmp_path / "seen"
        seen.mkdir()
        seen.chmod(0o777)
        env = {"LD_DEBUG": "files", "LD_DEBUG_OUTPUT": str(seen / "by")}
        async with open_shell(settings) as shell:
            await run(shell, TaskSpec(run="true", limits=limits), env)
        assert {path.stat().st_uid for path in seen.iterdir()} == {65534}

    async def test_a_file_of_another_user_is_no_output(
        self, settings: ShellSettings, run: Run, tmp_path: Path
    ) -> None:
        (tmp_path / "roots").write_text("secret")
        (tmp_path / "roots").chmod(0o644)

        async def look() -> list[Path]:
            return list(tmp_path.glob("*/ready"))

        async with open_shell(settings) as shell:
            execution = 'rm "$TORK_OUTPUT"; touch ready; until [ -e moved ]; do sleep 0.02; done'
            task = asyncio.ensure_future(run(shell, execution))
            ready = await eventually(look, bool, within=20)
            [desk] = tmp_path.glob("desk-*")
            (tmp_path / "roots").rename(desk / "output")
            (ready[0].parent / "moved").touch()
            with pytest.raises(TaskFailed, match="the file belongs to another user"):
                await task

    async def test_only_root_may(
        self, settings: ShellSettings, monkeypatch: pytest.MonkeyPatch, state: Path
    ) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        monkeypatch.setattr(os, "getegid", lambda: 1000)
        with pytest.raises(UsageError, match="only root can run tasks as user 65534"):
            async with open_shell(settings):
                pass

    async def test_a_user_without_an_entry_needs_a_group(self, state: Path) -> None:
        with pytest.raises(UsageError, match="user 4000000 has no entry"):
            async with open_shell(ShellSettings(state=str(state), uid=4_000_000)):
                pass
