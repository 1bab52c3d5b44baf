"""``tork`` in this process."""

from __future__ import annotations

import io
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest

from tork_core.cli.main import main


@dataclass(frozen=True)
class Done:
    """How a command ended."""

    status: int
    out: str
    err: str


Tork = Callable[..., Done]


@pytest.fixture
def tork(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> Tork:
    """Returns a function that runs ``tork`` in an empty folder and an empty home."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))

    def run(*arguments: str, stdin: str | bytes = "", **environ: str) -> Done:
        data = stdin.encode() if isinstance(stdin, str) else stdin
        with monkeypatch.context() as patch:
            patch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(data)))
            for name, value in environ.items():
                patch.setenv(name, value)
            status = main(list(arguments))
        captured = capsys.readouterr()
        return Done(status, captured.out, captured.err)

    return run
