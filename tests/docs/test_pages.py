"""What the pages tell a reader to do works, and prints what they say. Links lead somewhere."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from markdown_it import MarkdownIt
from markdown_it.token import Token

from tests.docs.blocks import ROOT, Block, Desk, blocks, matches, pages

PAGES = pages()
COMPARED = {ROOT / "docs" / "reference" / name for name in ("cli.md", "states.md")}
"""Generated as a whole: tests/docs/test_reference.py compares their text with the code."""
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def _name(page: Path) -> str:
    return str(page.relative_to(ROOT))


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_every_block_works(page: Path, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for block in blocks(page):
        if block.tested_by is None and block.not_run is None and page not in COMPARED:
            desk.do(block)


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_no_block_is_missed(page: Path) -> None:
    """A parser of Markdown finds what a regular expression might not: other fences, indents."""
    tokens = MarkdownIt("commonmark").parse(page.read_text())
    shown = [token.content for token in _flat(tokens) if token.type in ("fence", "code_block")]
    assert shown == [block.text for block in blocks(page)]


def _flat(tokens: list[Token]) -> Iterator[Token]:
    for token in tokens:
        yield token
        yield from _flat(token.children or [])


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_test_that_is_said_to_run_a_block_knows_it(page: Path) -> None:
    """It names the page, or types the commands."""
    for block in blocks(page):
        if block.tested_by is not None:
            text = (ROOT / block.tested_by).read_text()
            commands = [
                line.removeprefix("$ ").removeprefix(".venv/bin/")
                for line in block.text.splitlines()
                if line.startswith("$ ")
            ]
            typed = commands and all(command in text for command in commands)
            assert typed or _called(page) in text, f"{block.tested_by} does not run {block.text}"


def _called(page: Path) -> str:
    """How a test calls a page: by its name, if there is only one of that."""
    return _name(page) if page.name == "README.md" else page.name


@pytest.mark.parametrize("page", PAGES, ids=_name)
def test_a_file_that_a_reader_saves_is_used(page: Path) -> None:
    found = list(blocks(page))
    for number, block in enumerate(found):
        if block.file is not None:
            commands = "".join(_typed(later) for later in found[number:])
            assert block.file in commands or "pip install ." in commands, block.file


def _typed(block: Block) -> str:
    return "".join(re.findall(r"^\$ .*", block.text, re.MULTILINE))


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
