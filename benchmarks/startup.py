"""How long commands take from the start of the process to its end, against their budgets.

    python benchmarks/startup.py                 the median of 11 runs of each
    python benchmarks/startup.py --runs 31       more of them
    python benchmarks/startup.py imports         what the slowest imports of each cost

A server runs beside it for the commands that need one. The first run of each is not counted: it
may have to compile. On a busy machine look at the best run and the CPU time, and at the row of
the bare interpreter, which every command pays before its first line. The exit status is 1 if
the median of a command is over its budget.
"""

from __future__ import annotations

import argparse
import os
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

TORK = str(Path(sys.executable).with_name("tork"))
JOB = b"name: hello\ntasks: [{name: say hello, run: echo hello}]"


class Row(NamedTuple):
    """A command, and how long it may take in milliseconds."""

    name: str
    command: Sequence[str]
    budget: int | None


class Took(NamedTuple):
    """What a command's runs took, in milliseconds: the medians, and the quickest."""

    wall: float
    best: float
    cpu: float


@contextmanager
def server(home: Path) -> Iterator[str]:
    """A server that has one job; gives its address."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    process = subprocess.Popen(
        [TORK, "run", "standalone", "--runtime", "shell", "--address", url.removeprefix("http://")],
        cwd=home,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + 30
        while True:
            try:
                urllib.request.urlopen(f"{url}/health", timeout=5)
                break
            except OSError:
                if process.poll() is not None or time.monotonic() > deadline:
                    raise
                time.sleep(0.05)
        yield url
    finally:
        process.terminate()
        process.wait(30)


def rows(url: str, home: Path) -> Iterator[Row]:
    """The commands that are measured."""
    (home / "hello.yaml").write_bytes(JOB)
    submitted = subprocess.run(
        [TORK, "submit", "hello.yaml", "--wait", "--json", "--server", url],
        cwd=home,
        capture_output=True,
        check=True,
    )
    job_id = submitted.stdout.partition(b'"id":"')[2][:32].decode()
    there = ("--server", url)
    yield Row("python -c pass", (sys.executable, "-c", "pass"), None)
    yield Row("tork --version", (TORK, "--version"), 150)
    yield Row("tork get", (TORK, "get", job_id, *there), 300)
    yield Row("tork get --json", (TORK, "get", job_id, "--json", *there), 300)
    yield Row("tork list", (TORK, "list", *there), 300)
    yield Row("tork logs", (TORK, "logs", job_id, *there), 300)
    yield Row("tork why", (TORK, "why", job_id, *there), 300)
    yield Row("tork submit", (TORK, "submit", "hello.yaml", *there), 300)
    yield Row("tork --help", (TORK, "--help"), None)


def measure(command: Sequence[str], home: Path, runs: int) -> Took:
    """Run a command again and again."""
    walls: list[float] = []
    cpus: list[float] = []
    for _ in range(runs + 1):
        before, begun = _children(), time.perf_counter()
        subprocess.run(command, cwd=home, stdout=subprocess.DEVNULL, check=True)
        walls.append((time.perf_counter() - begun) * 1000)
        cpus.append((_children() - before) * 1000)
    return Took(statistics.median(walls[1:]), min(walls[1:]), statistics.median(cpus[1:]))


def _children() -> float:
    usage = resource.getrusage(resource.RUSAGE_CHILDREN)
    return usage.ru_utime + usage.ru_stime


def imports(command: Sequence[str], home: Path) -> list[str]:
    """The imports of a command that take longest, those within them included."""
    done = subprocess.run(
        [sys.executable, "-X", "importtime", *command], cwd=home, capture_output=True, text=True
    )
    lines = [line for line in done.stderr.splitlines() if line.startswith("import time:")][1:]
    lines.sort(key=lambda line: int(line.split("|")[1]), reverse=True)
    return [f"  {int(took) / 1000:7.1f} ms {name}" for _, took, name in
            (line.split("|") for line in lines[:8])]  # fmt: skip


def main() -> int:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("what", nargs="?", choices=["all", "imports"], default="all")
    parser.add_argument("--runs", type=int, default=11)
    given = parser.parse_args()
    over = False
    for name in [name for name in os.environ if name.startswith("TORK_")]:
        del os.environ[name]
    with tempfile.TemporaryDirectory() as folder, server(Path(folder)) as url:
        home = Path(folder)
        os.environ["HOME"] = folder
        if given.what == "all":
            print(f"{'command':20}{'median':>9}{'best':>9}{'cpu':>9}{'budget':>9}   (ms)")
        for row in rows(url, home):
            if given.what == "imports":
                if row.command[0] == TORK:
                    print("\n".join([row.name, *imports(row.command, home)]))
                continue
            took = measure(row.command, home, given.runs)
            late = row.budget is not None and took.wall > row.budget
            over |= late
            budget = "-" if row.budget is None else str(row.budget)
            print(
                f"{row.name:20}{took.wall:9.0f}{took.best:9.0f}{took.cpu:9.0f}{budget:>9}"
                f"{'  over' * late}",
                flush=True,
            )
    return int(over)


if __name__ == "__main__":
    sys.exit(main())
