"""The settings of the Docker runtime."""

from __future__ import annotations

from tork_core.settings import Seconds, Settings, option


def check_network(name: str) -> None:
    """Raise ValueError for a network that tasks must not have."""
    if name == "host" or name.startswith("container:"):
        raise ValueError("tasks never share the network of the host or of another container")
    if not name:
        raise ValueError("is empty; write bridge, none, or the name of a network")


class DockerSettings(Settings, prefix="docker"):
    """Which engine runs the containers, and what all of them are bound to."""

    host: str = option(
        "",
        help="Engine to use: unix:///PATH or tcp://HOST:PORT. Empty: DOCKER_HOST, or else the "
        "socket /var/run/docker.sock.",
    )
    network: str = option(
        "bridge",
        help="Network of the tasks' containers; none gives them none, and starts them faster.",
        check=check_network,
    )
    pids_limit: int = option(
        4096, least=10, help="The most processes and threads that one task may have at a time."
    )
    pull_timeout: Seconds = option("15m", least=1, help="The longest that pulling an image takes.")
    state: str = option(
        "",
        help="Folder on this host that tells which containers have a living owner, so that those "
        "of a worker that was killed are removed by the next one. Empty: tork-docker-UID in the "
        "temporary folder.",
    )
