"""Completion, as shells ask for it."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli_server.conftest import TORK, environ


def complete(home: Path, words: str, incomplete: int) -> list[str]:
    done = subprocess.run(
        TORK,
        capture_output=True,
        text=True,
        env=environ(
            home,
            _TORK_COMPLETE="bash_complete",
            COMP_WORDS=words,
            COMP_CWORD=str(incomplete),
        ),
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    return [line.partition(",")[2] for line in done.stdout.splitlines() if line]


@pytest.mark.parametrize(
    ("words", "incomplete", "found"),
    [
        ("tork ca", 1, ["cancel"]),
        ("tork l", 1, ["list", "logs"]),
        ("tork --v", 1, ["--version"]),
        ("tork run st", 2, ["standalone"]),
        ("tork submit --f", 2, ["--follow"]),
        ("tork exec --worker-st", 2, ["--worker-stop-grace"]),
        ("tork completion ", 2, ["bash", "zsh", "fish"]),
        ("tork nothing", 1, []),
    ],
)
def test_words_are_completed(tmp_path: Path, words: str, incomplete: int, found: list[str]) -> None:
    assert complete(tmp_path, words, incomplete) == found


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_gets_its_script(tmp_path: Path, shell: str) -> None:
    done = subprocess.run(
        [*TORK, "completion", shell],
        capture_output=True,
        text=True,
        env=environ(tmp_path),
        timeout=30,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert f"_TORK_COMPLETE={shell}_complete" in done.stdout
    program = shutil.which(shell)
    if program is not None:
        checked = subprocess.run([program, "-n"], input=done.stdout, text=True, timeout=30)
        assert checked.returncode == 0


def test_bash_completes_with_the_script(tmp_path: Path) -> None:
    (tmp_path / "tork").write_text(f'#!/bin/sh\nexec {sys.executable} -m {TORK[-1]} "$@"\n')
    (tmp_path / "tork").chmod(0o755)
    script = (
        'eval "$(tork completion bash)"\n'
        'COMP_WORDS=(tork wh); COMP_CWORD=1; _tork_completion tork; echo "${COMPREPLY[@]}"\n'
    )
    path = f"{tmp_path}:{environ(tmp_path)['PATH']}"
    done = subprocess.run(
        ["bash", "-c", script],
        capture_output=True,
        text=True,
        env=environ(tmp_path, PATH=path),
        timeout=30,
    )
    assert (done.stdout, done.stderr) == ("why\n", "")
