"""What a third party writes: installed into an environment of its own, and used there."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import blocks

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "tests" / "example_plugin"
PAGE = ROOT / "docs" / "how-to" / "write-a-plugin.md"


def run(*command: str | Path, cwd: Path, text: str = "") -> subprocess.CompletedProcess[str]:
    hidden = ("PYTHON", "VIRTUAL_ENV", "TORK_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        input=text,
        capture_output=True,
        text=True,
        env={**environ, "HOME": str(cwd)} if Path(command[0]).name == "tork" else environ,
        timeout=300,
    )


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("example")


@pytest.fixture(scope="module")
def tork(folder: Path) -> Path:
    """``tork`` in a fresh environment with the core, its in-memory parts, and the example."""
    projects = {"tork-core": ROOT, "tork-memory": ROOT / "plugins" / "tork_memory"}
    made = run(sys.executable, "-m", "venv", folder / "environment", cwd=folder)
    assert made.returncode == 0, made.stderr
    pip = folder / "environment" / "bin" / "pip"
    wheels = folder / "wheels"
    for project in (*projects.values(), EXAMPLE):
        built = run(
            *(sys.executable, "-m", "build", "--wheel", "--no-isolation"),
            *("--outdir", wheels, project),
            cwd=folder,
        )
        assert built.returncode == 0, built.stdout + built.stderr
    installed = run(
        pip, "install", "-q", "--disable-pip-version-check", *wheels.glob("*.whl"), cwd=folder
    )
    assert installed.returncode == 0, installed.stderr
    return folder / "environment" / "bin" / "tork"


def test_all_four_parts_are_listed(tork: Path, folder: Path) -> None:
    listed = json.loads(run(tork, "plugins", "--json", cwd=folder).stdout)
    offers = {
        kind: names
        for plugin in listed["plugins"]
        if plugin["distribution"] == "tork-example"
        for kind, names in plugin["offers"].items()
        if names
    }
    assert offers == {
        "command": ["new"],
        "function": ["slug"],
        "job middleware": ["described"],
        "runtime": ["python"],
    }
    assert listed["problems"] == []


def test_the_command_prints_a_job_that_runs_with_the_runtime_and_the_function(
    tork: Path, folder: Path
) -> None:
    job = run(tork, "new", "My Primes", cwd=folder)
    assert job.returncode == 0, job.stderr
    done = run(tork, "exec", "-", "--runtime", "python", "--json", cwd=folder, text=job.stdout)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["result"] == "2 3 5 7 11 13 17 19 23 29"
    assert "10 found, for my-primes.txt" in done.stderr


def test_the_middleware_refuses_a_job_that_does_not_say_what_it_is_for(
    tork: Path, folder: Path
) -> None:
    refused = run(tork, "exec", "-", "--runtime", "python", cwd=folder, text="tasks: [{run: pass}]")
    assert refused.returncode == 1
    assert "$.description: say what the job is for" in refused.stderr
    assert "Traceback" not in refused.stderr


def test_a_script_that_fails_fails_its_task(tork: Path, folder: Path) -> None:
    job = "description: fails\ntasks: [{run: 'import sys; print(1); sys.exit(3)'}]"
    done = run(tork, "exec", "-", "--runtime", "python", cwd=folder, text=job)
    assert done.returncode == 1
    assert "exit code 3" in done.stdout


def test_the_runtime_s_setting_became_an_option(tork: Path, folder: Path) -> None:
    shown = run(tork, "config", "show", "--python-program", "/usr/bin/python3", cwd=folder)
    assert 'program = "/usr/bin/python3"  # flag: --python-program' in shown.stdout


def test_the_page_shows_the_files_as_they_are() -> None:
    shown = {block.file: block.text for block in blocks(PAGE) if block.file}
    for path in [EXAMPLE / "pyproject.toml", *EXAMPLE.glob("tork_example/[a-z]*.py")]:
        assert shown[str(path.relative_to(EXAMPLE))] == path.read_text()


def test_the_runtime_is_short() -> None:
    assert len((EXAMPLE / "tork_example" / "runtime.py").read_text().splitlines()) < 60
