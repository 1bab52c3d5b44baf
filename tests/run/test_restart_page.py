"""The page about surviving a restart: its server is killed, and goes on."""

from __future__ import annotations

import shlex
import subprocess
from pathlib import Path

from tests.cli_server.conftest import free_port, start, stop
from tests.docs.blocks import ROOT, Block, Desk, blocks

PAGE = ROOT / "docs" / "how-to" / "survive-a-restart.md"
START, KILL, SEE = [block.text for block in blocks(PAGE) if block.tested_by]


def test_a_server_that_is_killed_goes_on_as_the_page_says(tmp_path: Path) -> None:
    port = free_port()
    desk = Desk(tmp_path)
    example = next(block for block in blocks(PAGE) if block.file)
    desk.do(example)

    def serve() -> subprocess.Popen[bytes]:
        return start(tmp_path / "work", port, *shlex.split(START.removeprefix("$ tork ")))

    def type_(text: str) -> None:
        commands = text.replace("$ ", f"$ export TORK_SERVER=http://localhost:{port}; ", 1)
        desk.do(Block("console", commands))

    server = serve()
    try:
        type_(KILL)
        assert server.wait(30) == -9
    finally:
        server.kill()
    server = serve()
    try:
        type_(SEE)
    finally:
        assert stop(server) == 0
