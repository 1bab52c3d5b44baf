"""The how-to page says what happens: its commands are typed, against a real engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docker.engine import TestEngine
from tests.docs.blocks import ROOT, Desk, blocks

_PAGE = ROOT / "docs" / "how-to" / "run-tasks-in-containers.md"


def test_the_page_does_what_it_says(
    engine: TestEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    desk = Desk(tmp_path)
    for block in blocks(_PAGE):
        desk.do(block)
