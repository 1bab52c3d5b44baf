"""The generated pages of the docs say what the code says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tork_core import hookspecs
from tork_core.cli.reference import pages
from tork_core.plugins import OFFERS
from tork_core.settings.core import CORE_SECTIONS

DOCS = Path(__file__).parents[2] / "docs" / "reference"


@pytest.mark.parametrize("name", ["settings.md", "hooks.md"])
def test_the_page_is_what_the_code_gives(name: str) -> None:
    expected = pages()[name]
    assert (DOCS / name).read_text() == expected, "run: python -m tork_core.cli.reference"


def test_every_hook_has_a_section_and_every_section_a_hook() -> None:
    declared = {name for name in dir(hookspecs) if name.startswith("tork_")}
    assert declared == set(OFFERS)
    assert re.findall(r"^## `(\w+)`$", pages()["hooks.md"], re.MULTILINE) == list(OFFERS)


def test_every_core_setting_is_in_the_table() -> None:
    page = pages()["settings.md"]
    for section in CORE_SECTIONS:
        for option in section.options:
            assert f"`{section.flag(option)}`" in page
            assert f"`{section.variable(option)}`" in page


def test_the_examples_of_the_hooks_run() -> None:
    blocks = re.findall(r"```python\n(.*?)```", pages()["hooks.md"], re.DOTALL)
    assert blocks
    for block in blocks:
        exec(compile(block, "hooks.md", "exec"), {})
