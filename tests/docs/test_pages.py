"""What the pages tell a reader to do works, and prints what they say. Links lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.docs.blocks import ELSEWHERE, ROOT, Desk, blocks, matches

PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *ROOT.glob("docs/**/*.md"),
        *ROOT.glob("plugins/*/README.md"),
    ]
)
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_block_works(page: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for block in blocks(page):
        other = block.tested_by or ELSEWHERE.get(block.language)
        if other is None:
            desk.do(block)
        else:
            assert (ROOT / other).exists()


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_link_leads_somewhere(page: Path) -> None:
    text = re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL)
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if target.startswith("https://"):
            continue
        path, _, anchor = target.partition("#")
        there = page.parent / path if path else page
        assert there.exists(), target
        if anchor:
            assert anchor in {_slug(title) for title in _HEADING.findall(there.read_text())}, target


def _slug(title: str) -> str:
    return re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-")


def test_every_page_of_the_docs_is_in_their_index() -> None:
    index = ROOT / "docs" / "README.md"
    linked = {
        (index.parent / path).resolve() for path in re.findall(r"\]\(([^)]+)\)", index.read_text())
    }
    assert linked >= {page for page in PAGES if page.is_relative_to(index.parent)} - {index}


def test_only_what_varies_may_differ() -> None:
    said = "job a: 1 task (01a210864ca2bca8f817d87af26bf9ee)\n...\njob COMPLETED after 0.03 s\n"
    same = (
        "job a: 1 task (01a210864ca2bca8f817d87af26bf9ff)\n  x\n  y\njob COMPLETED after 1.25 s\n"
    )
    assert matches(same, said)
    assert not matches(same.replace("COMPLETED", "FAILED"), said)
    assert not matches(same + "more\n", said)
