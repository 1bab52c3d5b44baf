"""The seed's documentation under the Docker runtime, its default."""

from __future__ import annotations

from pathlib import Path

from tests.cli_server.conftest import free_port, start, stop
from tests.docker.engine import TestEngine
from tests.seed.walk import Server, limits, walk


def test_the_documentation_is_true_under_the_docker_runtime(
    engine: TestEngine, tmp_path: Path
) -> None:
    port = free_port()
    process = start(tmp_path, port, "-mode", "standalone", DOCKER_HOST=engine.host)
    try:
        server = Server(f"http://localhost:{port}", tmp_path)
        walk(server)
        limits(server)
        submitted = server.file("curl.yaml")
        assert submitted["tasks"][0]["image"] == "ubuntu:mantic,"
        job = server.ended(submitted)
        assert job["state"] == "FAILED"
        assert 'image "ubuntu:mantic,"' in job["error"]
    finally:
        assert stop(process) == 0
