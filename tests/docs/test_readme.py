"""The README's commands, in a fresh copy of the checkout without any virtual environment."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks, matches

FIRST, SECOND = [block.text for block in blocks(ROOT / "README.md") if block.tested_by][:2]


def _bash(command: str, folder: Path) -> subprocess.CompletedProcess[str]:
    hidden = ("TORK_", "VIRTUAL_ENV", "PYTEST_", "COV_")
    return subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env={name: value for name, value in os.environ.items() if not name.startswith(hidden)},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What a clone would have: neither an environment nor anything that was built or cached."""
    folder = tmp_path_factory.mktemp("fresh") / "a folder"
    built = shutil.ignore_patterns(".*", "__pycache__", "build", "dist", "*.egg-info")
    return Path(shutil.copytree(ROOT, folder, ignore=built))


def test_the_first_command_sets_up_and_runs_the_example_and_is_quick_again(clone: Path) -> None:
    command, _, expected = FIRST.removeprefix("$ ").partition("\n")
    assert "\n" not in command
    first = _bash(command, clone)
    assert (first.returncode, first.stderr) == (0, "")
    assert matches(first.stdout, expected), first.stdout
    again = _bash(command, clone)
    assert again.stdout.startswith("setup: .venv is ready\njob hello job")


def test_the_tutorial_begins_with_what_installs_tork(clone: Path) -> None:
    text = next(blocks(ROOT / "docs" / "tutorial" / "first-job.md")).text
    install, ask, printed = text.splitlines()
    done = _bash(f"{install.removeprefix('$ ')} && {ask.removeprefix('$ ')}", clone)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[-1] == printed


def test_a_setup_that_was_interrupted_is_taken_up_again(clone: Path) -> None:
    shutil.rmtree(clone / ".venv", ignore_errors=True)
    (clone / ".venv" / "bin").mkdir(parents=True)
    (clone / ".venv" / "bin" / "python").symlink_to("/nonexistent")
    done = _bash("./setup", clone)
    assert done.returncode == 0, done.stderr
    assert "cannot be used any more" in done.stdout
    assert (clone / ".venv" / "bin" / "tork").exists()


@pytest.mark.parametrize(
    ("command", "status", "words"),
    [
        ("./setup --everything", 2, "--everything is not known"),
        ("PYTHON=/nonexistent ./setup", 1, "PYTHON=/nonexistent is not"),
    ],
)
def test_what_cannot_go_on_says_why(command: str, status: int, words: str, clone: Path) -> None:
    shutil.rmtree(clone / ".venv", ignore_errors=True)
    done = _bash(command, clone)
    assert done.returncode == status
    assert words in done.stderr


def test_ci_runs_the_second_command_as_it_stands_in_the_readme() -> None:
    assert f"'{SECOND.removeprefix('$ ').strip()}'" in (ROOT / ".ci" / "run").read_text()
