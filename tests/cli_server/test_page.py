"""Pages that use a server, with a server beside them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.cli_server.conftest import free_port, start, stop
from tests.docs.blocks import ROOT, Block, Desk, blocks

FOLDER = ROOT / "docs" / "how-to"
PAGES = [
    "use-a-server.md",
    "route-tasks-to-queues.md",
    "cancel-a-job.md",
    "watch-queues.md",
    "read-logs.md",
]
BLOCKS = {page: list(blocks(FOLDER / page)) for page in PAGES}


def _server(block: Block) -> str | None:
    """The command line of a block that starts a server."""
    if block.text.startswith(("$ tork run ", "$ tork -mode ")):
        return block.text.removeprefix("$ tork ").strip()
    return None


SERVERS = sorted({line for page in BLOCKS.values() for line in map(_server, page) if line})


@pytest.mark.parametrize("page", PAGES)
def test_what_a_page_says_of_commands_is_so(page: str, server: str, tmp_path: Path) -> None:
    desk = Desk(tmp_path)
    for block in BLOCKS[page]:
        if _server(block):
            continue
        if block.language != "console":
            desk.do(block)
            continue
        # A desk has no TORK_ variables, as a reader has none at first.
        text = re.sub(
            "^\\$ (?=.*tork )", f"$ export TORK_SERVER={server}; ", block.text, flags=re.M
        )
        desk.do(Block(block.language, text.replace("http://localhost:3000", server)))


@pytest.mark.parametrize("line", SERVERS)
def test_servers_start_as_the_page_says(line: str, tmp_path: Path) -> None:
    assert stop(start(tmp_path, free_port(), *shlex.split(line))) == 0


def test_the_pages_start_servers_in_both_ways() -> None:
    assert {line.split()[0] for line in SERVERS} == {"run", "-mode"}
