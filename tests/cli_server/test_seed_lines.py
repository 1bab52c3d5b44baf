"""The command lines of the seed's documentation, with ``tork`` for ``go run cmd/main.go``."""

from __future__ import annotations

import shlex
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli_server.conftest import TORK, environ, free_port, start, stop
from tork_core.cli.seed_flags import rewrite
from tork_core.errors import UsageError

DSN = "host=localhost user=tork password=tork dbname=tork port=5432 sslmode=disable"
URL = "amqp://guest:guest@localhost:5672"


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        ("-mode standalone", "standalone"),
        ("--mode standalone", "standalone"),
        ("-mode=standalone", "standalone"),
        ("--mode=standalone", "standalone"),
        (
            "-mode worker -queue transcoding:3 -queue default:10",
            "worker --queue=transcoding:3 --queue=default:10",
        ),
        ("-queue=x:3 --queue y:1 -mode worker", "worker --queue=x:3 --queue=y:1"),
        (
            f"-mode standalone -datastore postgres -postgres-dsn '{DSN}'",
            f"standalone --datastore=postgres '--postgres-dsn={DSN}'",
        ),
        (
            f"-mode coordinator -broker rabbitmq -rabbitmq-url {URL}",
            f"coordinator --broker=rabbitmq --rabbitmq-url={URL}",
        ),
        (
            "-mode worker --default-cpus-limit=1.5 --default-memory-limit 10m --temp-dir -odd-",
            "worker --default-cpus-limit=1.5 --default-memory-limit=10m --temp-dir=-odd-",
        ),
        # The last of two wins, as in Go; what is ours may stand beside it.
        ("-mode worker -mode standalone", "standalone"),
        (
            "-mode standalone --runtime shell -address=localhost:1 -h",
            "standalone --runtime shell --address=localhost:1 -h",
        ),
        ("--address x:1 -mode worker", "worker --address x:1"),
        ("--debug -mode worker", "worker --debug"),
    ],
)
def test_a_line_of_the_seed_is_one_of_ours(line: str, ours: str) -> None:
    assert rewrite(shlex.split(line)) == ["run", *shlex.split(ours)]


@pytest.mark.parametrize(
    ("line", "ours"),
    [
        ("run worker -queue x:3 -queue=y:1", "run worker --queue x:3 --queue=y:1"),
        ("--debug run standalone -datastore sqlite", "--debug run standalone --datastore sqlite"),
        ("run standalone --temp-dir -odd- -h", "run standalone --temp-dir -odd- -h"),
        ("run -queue x:3", "run -queue x:3"),
    ],
)
def test_the_seeds_flags_have_one_dash_or_two_after_run_as_well(line: str, ours: str) -> None:
    assert rewrite(line.split()) == ours.split()


@pytest.mark.parametrize(
    "line",
    [
        *("", "--version", "--help", "-h", "--debug plugins", "run worker --queue x:3"),
        *("exec job.yaml --queue -mode", "submit -"),
    ],
)
def test_every_other_line_is_left_alone(line: str) -> None:
    assert rewrite(line.split()) == line.split()


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-mode", "-mode needs a value"),
        ("-mode worker -queue", "-queue needs a value"),
        ("-mode master", '-mode "master" is not known; write -mode standalone'),
        ("-mode=", '-mode "" is not known; write -mode standalone'),
        ("-queue x:3", "there is no -mode; write -mode standalone"),
    ],
)
def test_a_line_without_one_of_the_modes_is_wrong_usage(line: str, words: str) -> None:
    with pytest.raises(UsageError) as caught:
        rewrite(line.split())
    assert str(caught.value).startswith(words)


Refuse = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def refuse(tmp_path: Path) -> Refuse:
    """Returns a function that runs a command line that cannot work, and checks what all such
    have in common."""

    def refuse(*line: str, **more: str) -> subprocess.CompletedProcess[str]:
        done = subprocess.run(
            [*TORK, *line],
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environ(tmp_path, **more),
            timeout=20,
        )
        assert (done.returncode, done.stdout) == (2, "")
        assert len(done.stderr.splitlines()) <= 15
        assert "Traceback" not in done.stderr
        return done

    return refuse


@pytest.mark.parametrize(
    ("line", "word"),
    [
        ("-mode standalone -runtime shelf", "shelf"),
        ("-mode standalone -broker pigeon", "pigeon"),
        ("-mode standalone -datastore stone", "stone"),
        ("-mode standalone -queue x:many", "x:many"),
        ("-mode standalone -queue x:0", "x:0"),
        ("-mode worker -queue completed:1", "completed"),
        ("-mode standalone -address nowhere", "nowhere"),
        ("-mode standalone -address localhost:99999", "99999"),
        ("-mode standalone -address 0.0.0.0:3000", "TORK_API_KEY"),
        ("-mode standalone -no-such-flag x", "--no-such-flag"),
        ("-mode standalone extra", "extra"),
        ("run stand-alone", "stand-alone"),
    ],
)
def test_what_is_malformed_or_unknown_is_named(refuse: Refuse, line: str, word: str) -> None:
    assert word in refuse(*line.split()).stderr


@pytest.mark.parametrize(
    ("line", "provider", "distribution"),
    [
        (
            f"-mode worker -broker rabbitmq -rabbitmq-url {URL}",
            "broker rabbitmq",
            "tork-rabbitmq",
        ),
        (
            f"-mode standalone -datastore postgres -postgres-dsn '{DSN}'",
            "datastore postgres",
            "tork-postgres",
        ),
        ("run worker --broker rabbitmq", "broker rabbitmq", "tork-rabbitmq"),
    ],
)
def test_what_needs_a_plugin_that_is_not_installed_says_which(
    refuse: Refuse, line: str, provider: str, distribution: str
) -> None:
    done = refuse(*shlex.split(line), TORK_PLUGINS_DISABLED=distribution)
    assert provider in done.stderr
    assert f"pip install {distribution}" in done.stderr


def test_a_server_started_as_the_seed_s_documentation_has_it_runs_a_job(tmp_path: Path) -> None:
    port = free_port()
    line = ("-mode", "standalone", "-queue", "default:2", "--temp-dir", tempfile.gettempdir())
    server = start(tmp_path, port, *line, "-runtime", "shell")
    try:
        done = subprocess.run(
            [*TORK, "submit", "-", "--wait", "--server", f"localhost:{port}"],
            input="tasks: [{run: echo hello}]",
            capture_output=True,
            text=True,
            cwd=tmp_path,
            env=environ(tmp_path),
            timeout=60,
        )
        assert (done.returncode, "COMPLETED" in done.stdout) == (0, True), done.stdout
    finally:
        assert stop(server) == 0


def test_a_follower_outlives_a_break_and_says_when_the_job_is_gone(tmp_path: Path) -> None:
    """The server is started again at the same place, without what was in its memory."""
    port = free_port()
    server = start(tmp_path, port, "-mode", "standalone", "-runtime", "shell")
    with subprocess.Popen(
        [*TORK, "submit", "-", "--follow", "--server", f"localhost:{port}"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=environ(tmp_path, PYTHONUNBUFFERED="1"),
    ) as follower:
        assert follower.stdin is not None
        assert follower.stdout is not None
        assert follower.stderr is not None
        follower.stdin.write("tasks: [{name: t, run: echo begun; sleep 60}]")
        follower.stdin.close()
        shown = ""
        while "| begun" not in shown:
            line = follower.stdout.readline()
            assert line, shown
            shown += line
        server.kill()
        server.wait()
        server = start(tmp_path, port, "-mode", "standalone", "-runtime", "shell")
        try:
            said = follower.stderr.read()
        finally:
            assert stop(server) == 0
    assert follower.returncode == 1
    assert "trying again" in said
    assert said.splitlines()[-1].startswith("Error: there is no job")
