"""Every example runs to the end that it shows."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

FOLDER = Path(__file__).parents[2] / "examples"


@dataclass(frozen=True)
class Run:
    """How an example ends: the state of each task, what they print, and the job's result."""

    tasks: dict[str, str]
    log: tuple[str, ...]
    result: str | None = None
    status: int = 0


EXPECTED = {
    "hello.yaml": Run(
        tasks={"say hello": "COMPLETED", "say goodbye": "COMPLETED"},
        log=("say hello | hello world", "say goodbye | bye world"),
    ),
    "env.yaml": Run(
        tasks={"print a message": "COMPLETED"},
        log=(
            "print a message | hello world",
            "print a message | the name has 5 letters",
            "print a message | a secret is hidden from the log: [REDACTED]",
        ),
    ),
    "outputs.yaml": Run(
        tasks={"populate a variable": "COMPLETED", "say hello": "COMPLETED"},
        log=(),
        result="hello world",
    ),
    "conditional.yaml": Run(
        tasks={"build": "COMPLETED", "deploy": "SKIPPED", "report": "COMPLETED"},
        log=("build | building", "report | done"),
    ),
}


def test_every_example_is_run_and_says_in_its_first_line_what_it_shows() -> None:
    files = sorted(FOLDER.iterdir())
    assert [file.name for file in files] == sorted(EXPECTED)
    for file in files:
        first = file.read_text().splitlines()[0]
        assert first.startswith("# ")
        assert first.endswith(".")


@pytest.mark.parametrize("name", sorted(EXPECTED))
def test_an_example_ends_as_it_should(name: str, tmp_path: Path) -> None:
    expected = EXPECTED[name]
    tork = Path(sys.executable).with_name("tork")
    done = subprocess.run(
        [tork, "exec", FOLDER / name, "--runtime", "shell", "--json"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == expected.status, done.stderr
    job = json.loads(done.stdout)
    assert job["state"] == ("COMPLETED" if expected.status == 0 else "FAILED")
    assert {task["name"]: task["state"] for task in job["execution"]} == expected.tasks
    assert job.get("result") == expected.result
    printed = [
        line.strip() for line in done.stderr.splitlines() if " | " in line and "[tork: " not in line
    ]
    assert tuple(printed) == expected.log
