"""The examples in containers, by the command that users type."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docker.engine import TestEngine
from tests.examples.expected import DOCKER, EXPECTED, of


@pytest.mark.parametrize("name", of(DOCKER))
def test_an_example_ends_as_it_should(
    name: str, engine: TestEngine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    EXPECTED[name].check(name, DOCKER, tmp_path)
