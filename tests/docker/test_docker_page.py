"""How-to pages say what happens: their commands are typed, against a real engine."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docker.engine import TestEngine
from tests.docs.blocks import ROOT, Desk, blocks

_PAGES = ["run-tasks-in-containers.md", "limit-cpu-and-memory.md", "run-before-and-after.md"]


@pytest.mark.parametrize("page", _PAGES)
def test_a_page_does_what_it_says(
    page: str, engine: TestEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    desk = Desk(tmp_path)
    for block in blocks(ROOT / "docs" / "how-to" / page):
        if block.not_run is None:
            desk.do(block)
