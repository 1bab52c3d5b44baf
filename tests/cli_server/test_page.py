"""The pages that need a server, with a server beside them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli_server.conftest import free_port, start, stop
from tests.docs.blocks import ROOT, Block, Desk, blocks

FOLDER = ROOT / "docs" / "how-to"
PAGES = {name: list(blocks(FOLDER / name)) for name in ("use-a-server.md", "watch-queues.md")}
SERVERS = [
    block.text.removeprefix("$ tork ").strip()
    for block in PAGES["use-a-server.md"]
    if block.text.startswith(("$ tork run ", "$ tork -mode "))
]


@pytest.mark.parametrize("page", PAGES)
def test_what_the_page_says_of_commands_is_so(
    server: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, page: str
) -> None:
    desk = Desk(tmp_path)
    for block in PAGES[page]:
        if block.text.removeprefix("$ tork ").strip() in SERVERS:
            continue
        if block.language != "console":
            desk.do(block)
            continue
        # A desk has no TORK_ variables, as a reader has none at first.
        text = re.sub(
            "^\\$ (?=.*tork )", f"$ export TORK_SERVER={server}; ", block.text, flags=re.M
        )
        desk.do(Block(block.language, text))


@pytest.mark.parametrize("line", SERVERS)
def test_servers_start_as_the_page_says(line: str, tmp_path: Path) -> None:
    assert stop(start(tmp_path, free_port(), *shlex.split(line))) == 0


def test_the_page_starts_servers_in_both_ways() -> None:
    assert [line.split()[0] for line in SERVERS] == ["run", "-mode"]
