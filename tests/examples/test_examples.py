"""Every example runs to the end that it shows; tests/docker runs them in containers."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.examples.expected import EXPECTED, FOLDER, SHELL, of

ELSEWHERE = {"convert.yaml": "tests/docker/test_convert.py"}
"""Examples that take more than the shell, and the tests that run them."""


def test_every_example_is_run_and_says_in_its_first_line_what_it_shows() -> None:
    files = sorted(FOLDER.iterdir())
    assert [file.name for file in files] == sorted([*EXPECTED, *ELSEWHERE])
    assert all((FOLDER.parent / test).exists() for test in ELSEWHERE.values())
    for file in files:
        first = file.read_text().splitlines()[0]
        assert first.startswith("# ")
        assert first.endswith(".")


@pytest.mark.parametrize("name", of(SHELL))
def test_an_example_ends_as_it_should(name: str, tmp_path: Path) -> None:
    EXPECTED[name].check(name, SHELL, tmp_path)
