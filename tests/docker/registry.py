"""A registry of images on this host: Debian's ``docker-registry``."""

from __future__ import annotations

import contextlib
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from pathlib import Path

import pytest

USER, PASSWORD = "tork", "open sesame"
_PASSWORD = f"{USER}:$2b$04$abcdefghijklmnopqrstuu/LVz6MZlItEy42I2juLihZ66HnQx/cy\n"
_CONFIG = """\
version: 0.1
storage:
  filesystem: {{rootdirectory: {folder}/images}}
http:
  addr: {address}
"""
_AUTH = """\
auth:
  htpasswd: {{realm: test, path: {folder}/htpasswd}}
"""


@contextlib.contextmanager
def open_registry(folder: Path, *, private: bool) -> Generator[str]:
    """Start a registry; gives its address. A private one asks for USER and PASSWORD."""
    program = shutil.which("docker-registry")
    if program is None:
        pytest.skip("docker-registry (Debian's package of that name) is not installed")
    folder.mkdir()
    address = _free_address()
    config = (_CONFIG + (_AUTH if private else "")).format(folder=folder, address=address)
    (folder / "config.yml").write_text(config)
    (folder / "htpasswd").write_text(_PASSWORD)
    with (folder / "log").open("wb") as log:
        words = [program, "serve", str(folder / "config.yml")]
        process = subprocess.Popen(words, stdout=log, stderr=log)
    try:
        _wait_for(address, process, folder / "log")
        yield address
    finally:
        process.terminate()
        process.wait()


def _free_address() -> str:
    """Return an address on loopback that nobody listens to."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return f"127.0.0.1:{probe.getsockname()[1]}"


def _wait_for(address: str, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + 20
    while process.poll() is None and time.monotonic() < deadline:
        try:
            urllib.request.urlopen(f"http://{address}/v2/").close()
        except urllib.error.HTTPError:
            return  # it asks who we are
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"the registry does not answer:\n{log.read_text()[-2000:]}")
