"""The page about keeping a server running: its service, its line for cron, its backup."""

from __future__ import annotations

import configparser
import os
import shlex
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli_server.conftest import environ, free_port, start, stop
from tests.docs.blocks import ROOT, blocks

PAGE = ROOT / "docs" / "how-to" / "keep-a-server-running.md"
UNIT, CRON, BACKUP, RESTORE = [block.text for block in blocks(PAGE) if block.tested_by]
JOB = "name: nightly\ntasks: [{run: echo done}]\n"

Type = Callable[[str], str]


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def type_(tmp_path: Path, port: int) -> Type:
    """Type a line beside the server, and return what it prints."""

    def type_(line: str) -> str:
        path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
        done = subprocess.run(
            ["bash", "-ec", line],
            cwd=tmp_path,
            env=environ(tmp_path, TORK_SERVER=f"http://localhost:{port}", PATH=path),
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    return type_


def _serve(home: Path, port: int) -> subprocess.Popen[bytes]:
    return start(home, port, "run", "standalone", "--runtime", "shell", "--datastore", "sqlite")


def test_the_service_starts_what_the_page_says_and_gives_it_time_to_end(
    tmp_path: Path, port: int
) -> None:
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    unit.read_string(UNIT)
    service = unit["Service"]
    program, *arguments = shlex.split(service["ExecStart"])
    assert program == "/opt/tork/.venv/bin/tork"
    config = next(block.text for block in blocks(PAGE) if block.language == "toml")
    assert service["WorkingDirectory"] == f"/var/lib/{service['StateDirectory']}"
    (tmp_path / "tork.toml").write_text(config.replace("/var/lib/tork", str(tmp_path)))
    name, _ = service["Environment"].split("=")
    server = start(tmp_path, port, *arguments, "--runtime", "shell", **{name: "tork.toml"})
    assert stop(server) == 0
    assert (tmp_path / "tork.db").exists()
    assert "default:4" in (tmp_path / "server.log").read_text()
    assert int(service["TimeoutStopSec"]) > 10 + 5  # --worker-grace and --worker-stop-grace
    assert service["RestartPreventExitStatus"] == "2"


def test_the_line_for_cron_runs_the_job_once_a_day(tmp_path: Path, port: int, type_: Type) -> None:
    (tmp_path / "nightly.yaml").write_text(JOB)
    command = CRON.split(maxsplit=5)[5].replace("\\%", "%")
    command = command.replace("/opt/tork/.venv/bin/", "").replace("/etc/tork/", "")
    server = _serve(tmp_path, port)
    try:
        for _ in range(2):
            assert type_(command).startswith("job COMPLETED")
        assert type_("tork list").count("nightly") == 1
    finally:
        assert stop(server) == 0


def test_a_backup_of_a_running_server_is_what_it_goes_on_from(
    tmp_path: Path, port: int, type_: Type
) -> None:
    (tmp_path / "nightly.yaml").write_text(JOB)
    server = _serve(tmp_path, port)
    try:
        type_("tork submit nightly.yaml --wait")
        type_(BACKUP.removeprefix("$ "))
        type_("tork submit nightly.yaml --wait")
    finally:
        server.kill()
        server.wait()
    assert (tmp_path / "backup.db").stat().st_mode & 0o077 == 0
    type_(RESTORE.removeprefix("$ "))
    server = _serve(tmp_path, port)
    try:
        assert type_("tork list").count("nightly") == 1
    finally:
        assert stop(server) == 0
