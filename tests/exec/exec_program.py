"""``tork exec`` as a program of its own, in an empty folder, with nothing of it left behind."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

PROGRAM = [sys.executable, "-m", "tork_core.cli.main"]
WITHIN = 30.0


class Running:
    """A run of ``tork exec`` that goes on; its output is read as it comes."""

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self.process = process
        self.lines: list[tuple[float, str]] = []
        self.errors: list[str] = []
        self._readers = [
            threading.Thread(target=self._read, args=(process.stdout, self._out), daemon=True),
            threading.Thread(target=self._read, args=(process.stderr, self._err), daemon=True),
        ]
        for reader in self._readers:
            reader.start()

    def _read(self, pipe: Any, take: Callable[[str], None]) -> None:
        for line in pipe:
            take(line.decode().rstrip("\n"))

    def _out(self, line: str) -> None:
        self.lines.append((time.monotonic(), line))

    def _err(self, line: str) -> None:
        self.errors.append(line)

    @property
    def out(self) -> str:
        """What was written to standard output so far."""
        return "".join(f"{line}\n" for _, line in self.lines)

    @property
    def err(self) -> str:
        """What was written to standard error so far."""
        return "".join(f"{line}\n" for line in self.errors)

    def until(self, look: Callable[[], object], within: float = WITHIN) -> None:
        """Wait until something is so."""
        deadline = time.monotonic() + within
        while not look():
            assert time.monotonic() < deadline, (self.out[-2000:], self.err[-2000:])
            time.sleep(0.01)

    def see(self, text: str) -> None:
        """Wait until a text stands in either output."""
        self.until(lambda: text in self.out + self.err)

    def send(self, number: signal.Signals) -> None:
        """Send it a signal."""
        self.process.send_signal(number)

    def end(self, within: float = WITHIN) -> int:
        """Wait for its end and return its exit status."""
        status = self.process.wait(within)
        for reader in self._readers:
            reader.join(WITHIN)
        assert "Traceback" not in self.out + self.err
        return status

    def json(self) -> dict[str, Any]:
        """The one JSON value on standard output."""
        return json.loads(self.out)


class Exec:
    """Starts ``tork exec`` with the shell runtime."""

    def __init__(self, folder: Path, token: str) -> None:
        self.folder = folder
        self.token = token
        self.started: list[Running] = []

    def start(
        self,
        job: str | bytes | None,
        *arguments: str,
        runtime: Sequence[str] = ("--runtime", "shell"),
        file: str = "-",
        env: dict[str, str] | None = None,
    ) -> Running:
        """Start a run of a job that is written to its standard input (or of a file)."""
        process = subprocess.Popen(
            [*PROGRAM, "exec", file, *runtime, *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=self.folder,
            env={
                **os.environ,
                "HOME": str(self.folder),
                "TORK_RUNTIME_SHELL_STATE": str(self.folder / "state"),
                "TORK_WORKER_TEMP_DIR": str(self.folder / "scratch"),
                "TORK_TEST_MARK": self.token,
                **(env or {}),
            },
        )
        assert process.stdin is not None
        data = job.encode() if isinstance(job, str) else job
        running = Running(process)
        self.started.append(running)
        try:
            process.stdin.write(data or b"")
            process.stdin.close()
        except BrokenPipeError:
            pass  # It has ended without reading.
        return running

    def __call__(self, job: str | bytes | None, *arguments: str, **options: Any) -> Running:
        """Run a job to its end."""
        running = self.start(job, *arguments, **options)
        running.end()
        return running
