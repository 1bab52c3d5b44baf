"""The seed's documentation under the shell runtime."""

from __future__ import annotations

from pathlib import Path

from tests.cli_server.conftest import free_port, start, stop
from tests.seed.walk import Server, limits, walk


def test_the_documentation_is_true_under_the_shell_runtime(tmp_path: Path) -> None:
    port = free_port()
    process = start(tmp_path, port, "-mode", "standalone", "-runtime", "shell")
    try:
        server = Server(f"http://localhost:{port}", tmp_path)
        walk(server)
        limits(server)
        # An image's name is nothing to it: the comma of the documentation's example does no harm.
        assert server.ended(server.file("curl.yaml"))["state"] == "COMPLETED"
    finally:
        assert stop(process) == 0
