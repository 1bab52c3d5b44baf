"""How each example ends: what its page promises."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.docs.blocks import ROOT

FOLDER = ROOT / "examples"
SHELL, DOCKER = "shell", "docker"
_STATUS = {"COMPLETED": 0, "FAILED": 1, "CANCELLED": 130}


@dataclass(frozen=True)
class Run:
    """How an example ends: the state of each instance of a task, what they print, and the job's
    state, result and error. ``until`` is the line at which it is interrupted."""

    tasks: list[tuple[str, str]]
    log: list[str]
    state: str = "COMPLETED"
    result: str | None = None
    error: str | None = None
    options: list[str] = field(default_factory=list)
    until: str | None = None
    runtimes: tuple[str, ...] = (SHELL, DOCKER)

    def check(self, name: str, runtime: str, folder: Path) -> None:
        """Run the example with ``tork exec``, and compare."""
        tork = Path(sys.executable).with_name("tork")
        process = subprocess.Popen(
            [tork, "exec", FOLDER / name, "--runtime", runtime, "--json", *self.options],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        try:
            shown = self._interrupted(process)
            printed, rest = process.communicate(timeout=60)
        finally:
            process.kill()
            process.wait()
        shown += rest
        assert process.returncode == _STATUS[self.state], shown
        self._compare(json.loads(printed), shown)

    def _interrupted(self, process: subprocess.Popen[str]) -> str:
        """Press Ctrl-C when that line has come; returns what was read until then."""
        shown = ""
        assert process.stderr is not None
        while self.until is not None:
            line = process.stderr.readline()
            assert line, shown
            shown += line
            if line.strip() == self.until:
                process.send_signal(signal.SIGINT)
                break
        return shown

    def _compare(self, job: Any, shown: str) -> None:
        assert job["state"] == self.state, shown
        assert [(task["name"], task["state"]) for task in job["execution"]] == self.tasks
        assert job.get("result") == self.result
        # What follows the first line is the end of the log.
        assert job.get("error", "").partition("\n")[0] == (self.error or "")
        printed = [
            line.strip() for line in shown.splitlines() if " | " in line and "[tork: " not in line
        ]
        assert printed == self.log


EXPECTED = {
    "hello.yaml": Run(
        tasks=[("say hello", "COMPLETED"), ("say goodbye", "COMPLETED")],
        log=["say hello | hello world", "say goodbye | bye world"],
    ),
    "env.yaml": Run(
        tasks=[("print a message", "COMPLETED")],
        log=[
            "print a message | hello world",
            "print a message | the name has 5 letters",
            "print a message | a secret is hidden from the log: [REDACTED]",
        ],
    ),
    "outputs.yaml": Run(
        tasks=[("populate a variable", "COMPLETED"), ("say hello", "COMPLETED")],
        log=[],
        result="hello world",
    ),
    "conditional.yaml": Run(
        tasks=[("build", "COMPLETED"), ("deploy", "SKIPPED"), ("report", "COMPLETED")],
        log=["build | building", "report | done"],
    ),
    "retry.yaml": Run(
        tasks=[("fetch", "FAILED"), ("fetch", "COMPLETED")],
        log=["fetch | no answer yet", "fetch | fetched"],
        runtimes=(SHELL,),
    ),
    "secrets.yaml": Run(
        tasks=[("log in", "COMPLETED"), ("use the session", "COMPLETED")],
        log=[
            "log in | the password is [REDACTED], of 13 letters",
            "use the session | a text of 25 letters has arrived",
        ],
        result="session for [REDACTED]",
    ),
    "queues.yaml": Run(
        tasks=[("download", "COMPLETED"), ("transcode", "COMPLETED")],
        log=["download | downloading", "transcode | transcoding"],
        options=["--queue", "default:1", "--queue", "transcoding:1"],
    ),
    "expressions.yaml": Run(
        tasks=[("count 3 words", "COMPLETED"), ("only if there is one", "COMPLETED")],
        log=[
            "count 3 words | long: dolor sit",
            "count 3 words | the dice shows 1 to 6",
            "only if there is one | there is one",
        ],
        result="DOLOR SIT",
    ),
    "cancel.yaml": Run(
        tasks=[("work", "CANCELLED")],
        log=["work | working"],
        state="CANCELLED",
        until="work | working",
    ),
    "timeout.yaml": Run(
        tasks=[("wait for ever", "FAILED")],
        log=["wait for ever | waiting"],
        state="FAILED",
        error="timed out after 1500ms",
    ),
    "pre-post.yaml": Run(
        tasks=[("count words", "COMPLETED")],
        log=["count words | uploading the quick brown fox"],
        result="4 words",
        runtimes=(SHELL,),
    ),
    "volumes.yaml": Run(
        tasks=[("count words", "COMPLETED")],
        log=["count words | uploading the quick brown fox"],
        result="4 words",
        runtimes=(DOCKER,),
    ),
    "limits.yaml": Run(
        tasks=[("stay small", "COMPLETED"), ("take too much", "FAILED")],
        log=["stay small | this fits", "take too much | filling the memory"],
        state="FAILED",
        error="killed for memory: it used more than its limit of 32m (exit code 137)",
        runtimes=(DOCKER,),
    ),
    "restart.yaml": Run(
        tasks=[("work", "COMPLETED")],
        log=["work | working, attempt 1", "work | done"],
    ),
    "temp-dir.yaml": Run(
        tasks=[("sort", "COMPLETED")],
        log=["sort | 1000"],
    ),
}


def of(runtime: str) -> list[str]:
    """Return the names of the examples that make sense under a runtime."""
    return sorted(name for name, run in EXPECTED.items() if runtime in run.runtimes)
