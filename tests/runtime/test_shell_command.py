"""What the shell runtime executes, and what it says where it cannot."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from tork_shell.runtime import ShellRuntime, open_shell
from tork_shell.settings import ShellSettings

from tests.runtime.conftest import Run
from tork_core.errors import TaskFailed
from tork_core.model.spec import TaskSpec
from tork_core.testing.runtime import CollectedLog


async def test_a_script_is_run_by_bash(shell: ShellRuntime, run: Run, log: CollectedLog) -> None:
    await run(shell, "echo ${BASH_VERSION:+bash} $((${#BASH_SOURCE[0]} > 0))")
    assert log.data == b"bash 1\n"


async def test_line_numbers_are_those_of_the_script(
    shell: ShellRuntime, run: Run, log: CollectedLog
) -> None:
    await run(shell, "echo\nno-such-command\ntrue")
    assert b"line 2: no-such-command" in log.data


async def test_the_scratch_folder_is_where_it_starts_and_is_empty(
    shell: ShellRuntime, run: Run, log: CollectedLog, tmp_path: Path
) -> None:
    await run(shell, "pwd; ls -A; stat -c %a .")
    where, *others = log.data.decode().splitlines()
    assert Path(where).parent == tmp_path
    assert others == ["700"]


@pytest.mark.parametrize(
    ("task", "printed"),
    [
        (TaskSpec(run="echo $# $1", cmd=["a b", "c"]), "2 a b\n"),
        (TaskSpec(run="print(6 * 7)", entrypoint=["python3"]), "42\n"),
        (TaskSpec(run="import sys; print(sys.argv[1])", entrypoint=["python3"], cmd=["x"]), "x\n"),
        (TaskSpec(run="#!/usr/bin/env python3\nprint(6 * 7)"), "42\n"),
        (TaskSpec(run="#! /bin/sh -e\nfalse\necho no", cmd=[]), None),
        (TaskSpec(run="#!/bin/sed 2p;d\nhello\n"), "hello\n"),
        (TaskSpec(run="#!\necho x"), "x\n"),
        (TaskSpec(run=""), ""),
        (TaskSpec(entrypoint=["echo", "a"]), "a\n"),
        (TaskSpec(entrypoint=["echo"], cmd=["b"]), "b\n"),
        (TaskSpec(cmd=["/bin/echo", "c"]), "c\n"),
    ],
)
async def test_run_entrypoint_and_cmd_work_together(
    shell: ShellRuntime, run: Run, log: CollectedLog, task: TaskSpec, printed: str | None
) -> None:
    if printed is None:
        with pytest.raises(TaskFailed, match="exit code 1"):
            await run(shell, task)
        return
    await run(shell, task)
    assert log.data.decode() == printed


@pytest.mark.parametrize(
    ("task", "message"),
    [
        (TaskSpec(image="debian"), "nothing to run: the shell runtime needs run, cmd or entryp"),
        (TaskSpec(cmd=[], entrypoint=[]), "nothing to run"),
        (TaskSpec(cmd=["no-such"]), 'command not found: "no-such" is not on PATH'),
        (TaskSpec(cmd=[""]), 'command not found: ""'),
        (TaskSpec(cmd=["./no-such"]), "command not found: ./no-such does not exist"),
        (TaskSpec(cmd=["/etc/passwd"]), "cannot run /etc/passwd: it is not an executable file"),
        (TaskSpec(cmd=["/etc/passwd/x"]), "cannot run /etc/passwd/x: Not a directory"),
        (TaskSpec(cmd=["/tmp"]), "cannot run /tmp: it is not an executable file"),
        (TaskSpec(run="#!/no/such\n"), "command not found: /no/such does not exist"),
        (TaskSpec(cmd=["echo", "a\0b"]), "an argument of the command holds a NUL"),
        (TaskSpec(cmd=["echo", "\ud800"]), "an argument of the command holds a character"),
        (TaskSpec(run="echo \ud800"), "run: a character cannot be encoded"),
        (TaskSpec(cmd=["echo", "x" * 200_000]), "the command's argument 1 is 200000 bytes long"),
    ],
)
async def test_what_cannot_be_started_is_said_clearly(
    shell: ShellRuntime, run: Run, task: TaskSpec, message: str
) -> None:
    with pytest.raises(TaskFailed) as raised:
        await run(shell, task)
    assert raised.value.message.startswith(message)


@pytest.mark.parametrize(
    ("env", "message"),
    [
        ({"A": "x" * 131_070}, "env: the value of A is 131070 bytes long"),
        ({f"V{n}": "x" * 100_000 for n in range(100)}, "the variables and arguments are 1000"),
        ({"": "x"}, 'env: "" cannot be the name of a variable'),
        ({"A=B": "x"}, 'env: "A=B" cannot be'),
        ({"A": "\0"}, "the variable A holds a NUL"),
    ],
)
async def test_variables_that_cannot_be_are_said_clearly(
    shell: ShellRuntime, run: Run, env: dict[str, str], message: str
) -> None:
    with pytest.raises(TaskFailed) as raised:
        await run(shell, "true", env)
    assert raised.value.message.startswith(message)


async def test_the_longest_variable_that_the_kernel_takes_works(
    shell: ShellRuntime, run: Run, log: CollectedLog
) -> None:
    await run(shell, "echo ${#A}", {"A": "x" * (131_072 - len("A=") - 1)})
    assert log.data == b"131069\n"


async def test_a_program_with_a_missing_interpreter_is_said_clearly(
    shell: ShellRuntime, run: Run, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)
    with pytest.raises(TaskFailed, match="the interpreter that it names does not exist"):
        await run(shell, TaskSpec(cmd=[str(program)]))


async def test_a_program_without_a_first_line_is_said_clearly(
    shell: ShellRuntime, run: Run, tmp_path: Path
) -> None:
    program = tmp_path / "program"
    program.write_text("echo\n")
    program.chmod(0o755)
    with pytest.raises(TaskFailed, match="it is no program, and has no #! line"):
        await run(shell, TaskSpec(cmd=[str(program)]))


async def test_path_and_home_are_the_workers_unless_the_task_says_otherwise(
    shell: ShellRuntime, run: Run, log: CollectedLog
) -> None:
    await run(shell, 'echo "$PATH"; echo "$HOME"')
    assert log.data.decode() == f"{os.environ['PATH']}\n{os.environ['HOME']}\n"
    log.data = b""
    await run(shell, 'echo "$PATH" "$HOME"', {"PATH": "/bin:/usr/bin", "HOME": "/x"})
    assert log.data == b"/bin:/usr/bin /x\n"


async def test_the_path_of_the_settings_is_that_of_the_tasks(
    state: Path, run: Run, log: CollectedLog, tmp_path: Path
) -> None:
    tool = tmp_path / "bin" / "tool"
    tool.parent.mkdir()
    tool.write_text("#!/bin/sh\necho tool\n")
    tool.chmod(0o755)
    path = f"{tool.parent}:/usr/bin:/bin"
    async with open_shell(ShellSettings(state=str(state), path=path)) as shell:
        await run(shell, "tool")
        await run(shell, TaskSpec(cmd=["tool"]))
        assert await shell.health() is None
    assert log.data == b"tool\ntool\n"


async def test_a_host_without_bash_is_not_healthy(state: Path) -> None:
    async with open_shell(ShellSettings(state=str(state), path="/nowhere")) as shell:
        assert await shell.health() == "there is no bash on the tasks' PATH (/nowhere)"
