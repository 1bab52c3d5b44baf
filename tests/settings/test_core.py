"""The core's own settings."""

from __future__ import annotations

import os
import socket

import pytest

from tork_core.errors import UsageError
from tork_core.settings import resolve
from tork_core.settings.core import (
    CORE_SECTIONS,
    BrokerChoice,
    CoordinatorSettings,
    DatastoreChoice,
    RuntimeChoice,
    WorkerSettings,
)


def test_a_machine_without_any_setting_runs_in_memory_and_in_containers() -> None:
    found = resolve(CORE_SECTIONS, environ={})
    assert found[BrokerChoice].type == "inmemory"
    assert found[DatastoreChoice].type == "inmemory"
    assert found[RuntimeChoice].type == "docker"
    worker = found[WorkerSettings]
    assert worker.name == socket.gethostname()
    assert worker.queues == {"default": max(2, os.cpu_count() or 1)}


def test_a_worker_serves_only_the_queues_that_are_named() -> None:
    flags = {"--queue": ["transcoding:3", "default:10"]}
    found = resolve(CORE_SECTIONS, flags=flags, environ={})
    assert found[WorkerSettings].queues == {"transcoding": 3, "default": 10}


@pytest.mark.parametrize(
    ("queue", "error"),
    [
        ("completed:1", "a queue of the engine itself"),
        ("hearbeat:1", "a queue of the engine itself"),
        ("x-1234:1", "a worker's own queue"),
        ("a:0", "run 1 to 10,000 tasks at once"),
        ("a:-1", "run 1 to 10,000 tasks at once"),
        ("a:99999", "run 1 to 10,000 tasks at once"),
        (" :1", "a queue needs a name"),
        (" a:1", "begins or ends with a blank"),
        ("a :1", "begins or ends with a blank"),
        ("a\nb:1", "cannot be printed"),
        ("ä" * 128 + ":1", "up to 255 bytes"),
        ("transcoding", "is not of the form NAME:NUMBER"),
        ("transcoding:many", "is not a whole number"),
    ],
)
def test_a_queue_that_cannot_be_served_is_refused(queue: str, error: str) -> None:
    with pytest.raises(UsageError, match=error) as caught:
        resolve(CORE_SECTIONS, flags={"--queue": [queue]}, environ={})
    assert str(caught.value).startswith("--queue: ")
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(("interval", "lease"), [("10", "20"), ("1", "4"), ("4", "8.5")])
def test_a_lease_outlasts_lost_heartbeats(interval: str, lease: str) -> None:
    environ = {
        "TORK_COORDINATOR_HEARTBEAT_INTERVAL": interval,
        "TORK_COORDINATOR_LEASE": lease,
    }
    with pytest.raises(UsageError, match=r"\[coordinator\]: lease must be"):
        resolve(CORE_SECTIONS, environ=environ)


def test_defaults_are_good_settings() -> None:
    for section in CORE_SECTIONS:
        section.settings().check()
    assert CoordinatorSettings().lease == 30
