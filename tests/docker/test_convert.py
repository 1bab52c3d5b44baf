"""The video example, as it stands: a real ffmpeg, and the two hosts of its URLs served here.

The file, its images' names and the commands are those of the page. What is told to the reader's
``tork`` besides is the network of the containers, in which the hosts are ours. The image alpine has
GNU's wget: busybox's sends a file only up to its first zero byte, which is where a video begins.
Its sh is dash, since busybox's calls its own programs whatever PATH says.
"""

from __future__ import annotations

import json
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from tests.docker.engine import IMAGE as ALPINE
from tests.docker.engine import SHELLS, TestEngine, program_of_host
from tests.docker.web import Web, served
from tests.docs.blocks import ROOT, Block, Desk, blocks

PAGE = ROOT / "docs" / "how-to" / "convert-a-video.md"
EXAMPLE = ROOT / "examples" / "convert.yaml"
SEED = ROOT / "tests" / "model" / "seed" / "convert.yaml"
FFMPEG = "jrottenberg/ffmpeg:3.4-alpine"

SOURCE = "https://upload.wikimedia.org/wikipedia/commons/1/18/Big_Buck_Bunny_Trailer_1080p.ogv"
ANOTHER = "https://upload.wikimedia.org/another.ogv"
UPLOAD = "https://devnull-as-a-service.com/dev/null"

_LONG, _SHORT = 8, 3
"""Seconds of the two videos."""


@pytest.fixture
def desk(tmp_path: Path, engine: TestEngine, monkeypatch: pytest.MonkeyPatch) -> Desk:
    monkeypatch.setenv("DOCKER_HOST", engine.host)
    # Another client may come first that is too new for this engine.
    monkeypatch.setenv("PATH", "/usr/bin", prepend=":")
    return Desk(tmp_path)


@pytest.fixture
def image(desk: Desk, engine: TestEngine) -> Generator[str]:
    """The image with ffmpeg, made as the page says; one that users have is not touched."""
    if engine.docker("images", "-q", FFMPEG):
        yield FFMPEG
        return
    [command] = [block for block in _consoles() if "docker import" in block.text]
    desk.do(command)
    yield FFMPEG
    engine.docker("rmi", FFMPEG)


@pytest.fixture
def web(engine: TestEngine, tmp_path: Path) -> Generator[Web]:
    with served(engine, tmp_path, "upload.wikimedia.org", "devnull-as-a-service.com") as web:
        trust = {"/etc/wgetrc": b"ca_certificate = /etc/web.pem\n", "/etc/web.pem": web.certificate}
        with engine.replaced(ALPINE, SHELLS["dash"], program_of_host("/usr/bin/wget", trust)):
            yield web


def test_the_video_example_converts_and_uploads_five_seconds(
    desk: Desk, image: str, web: Web, engine: TestEngine
) -> None:
    web.files[SOURCE] = _video(engine, image, _LONG)
    web.files[ANOTHER] = _video(engine, image, _SHORT)
    desk.do(Block("toml", f'[runtime.docker]\nnetwork = "{web.network}"\n'))
    desk.do(Block("yaml", EXAMPLE.read_text(), file="convert.yaml"))
    first, second = (block for block in _consoles() if "tork exec" in block.text)

    desk.do(first)
    converted = _probed(engine, image, web.sent.pop(UPLOAD))
    assert "mp4" in converted["format_name"]
    assert float(converted["duration"]) == pytest.approx(5, abs=0.2)

    desk.do(second)
    converted = _probed(engine, image, web.sent.pop(UPLOAD))
    assert float(converted["duration"]) == pytest.approx(_SHORT, abs=0.2)


def test_the_example_is_the_original_s_file_and_the_page_shows_it() -> None:
    def job(text: str) -> str:
        return text.partition("---\n")[2]

    assert job(EXAMPLE.read_text()) == job(SEED.read_text())
    [shown] = [block.text for block in blocks(PAGE) if block.language == "yaml"]
    assert shown == job(EXAMPLE.read_text())


def _consoles() -> list[Block]:
    return [block for block in blocks(PAGE) if block.language == "console"]


def _video(engine: TestEngine, image: str, seconds: int) -> bytes:
    made = f"ffmpeg -v error -f lavfi -i testsrc=duration={seconds}:size=320x240:rate=10 -f ogg -"
    return _in(engine, image, made)


def _probed(engine: TestEngine, image: str, video: bytes) -> dict[str, Any]:
    # The file's end tells how long it is, and a pipe cannot be read from there.
    probe = "cat >/video; ffprobe -v error -show_format -of json /video"
    return json.loads(_in(engine, image, probe, video))["format"]


def _in(engine: TestEngine, image: str, script: str, stdin: bytes = b"") -> bytes:
    options = ["--rm", "--interactive", "--network", "none", "--entrypoint", "sh"]
    return engine.docker_bytes("run", *options, image, "-c", script, stdin=stdin)
