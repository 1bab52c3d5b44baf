"""What the reference of the API shows is what a server takes and gives."""

from __future__ import annotations

import asyncio
import json
import os
import re
from pathlib import Path

from tests.api.conftest import HELLO, Api
from tests.docs.blocks import ROOT, blocks

PAGE = ROOT / "docs" / "reference" / "rest.md"
BLOCKS = {block.language: block.text for block in reversed(list(blocks(PAGE)))}


async def test_the_command_that_submits_a_job_does_so(api: Api, tmp_path: Path) -> None:
    (tmp_path / "hello.yaml").write_text(HELLO)
    process = await asyncio.create_subprocess_exec(
        *("bash", "-ec", BLOCKS["sh"].replace(":3000", f":{api.port}")),
        cwd=tmp_path,
        env={**os.environ, "no_proxy": "localhost"},
        stdout=asyncio.subprocess.PIPE,
    )
    printed, _ = await asyncio.wait_for(process.communicate(), 20)
    assert process.returncode == 0
    assert (await api.ended(json.loads(printed)["id"]))["state"] == "COMPLETED"


async def test_an_empty_page_is_as_shown(api: Api) -> None:
    assert await api.get("/jobs") == json.loads(BLOCKS["json"])


async def test_a_stream_has_the_items_that_are_shown_with_their_fields(api: Api) -> None:
    job = await api.submit()
    path = f"/jobs/{job['id']}/events"
    async with api.session.get(path, headers={"Accept": "text/event-stream"}) as response:
        streamed = await asyncio.wait_for(response.text(), 20)
    assert {kind for kind, _ in _shapes(BLOCKS["text"])} == {"event", "log"}
    assert _shapes(BLOCKS["text"]) <= _shapes(streamed)


def _shapes(stream: str) -> set[tuple[str, tuple[str, ...]]]:
    """The kind of each item, and its fields."""
    items = re.findall(r"^event: (\w+)\nid: \d+-\d+\ndata: (.*)$", stream, re.MULTILINE)
    return {(kind, tuple(json.loads(data))) for kind, data in items}
