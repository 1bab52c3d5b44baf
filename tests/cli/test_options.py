"""Commands that take settings."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from tork_core.cli.lazy import COMMANDS, Lazy
from tork_core.cli.options import Setup, configured_command
from tork_core.settings.core import BrokerChoice, LoggingSettings, WorkerSettings


@configured_command("work", BrokerChoice, WorkerSettings, providers=True)
@click.argument("file")
@click.option("--json", "as_json", is_flag=True)
def work(setup: Setup, file: str, as_json: bool) -> None:
    """Work."""
    configuration = setup.configuration
    provider = setup.registry.broker(configuration[BrokerChoice].type)
    click.echo(f"{file} {as_json} {provider.name} {dict(configuration[WorkerSettings].queues)}")
    click.echo(configuration[LoggingSettings].level)


@pytest.fixture
def tork_work(tork: Callable[..., object], monkeypatch: pytest.MonkeyPatch):
    """Returns a function that runs ``tork work``."""
    module = importlib.import_module("tork_core.cli.validate")
    monkeypatch.setattr(module, "validate", work)
    assert COMMANDS["validate"] == Lazy(module.__name__, "validate", COMMANDS["validate"].help)
    return lambda *arguments, **environ: tork("validate", *arguments, **environ)


def test_options_of_settings_stand_beside_the_command_s_own(tork_work) -> None:
    done = tork_work("--queue", "a:1", "job.yaml", "--json", "--broker=inmemory", "--queue=b:2")
    assert (done.status, done.err) == (0, "")
    assert done.out.splitlines()[0] == "job.yaml True inmemory {'a': 1, 'b': 2}"


def test_settings_without_an_option_here_come_from_elsewhere(tork_work) -> None:
    done = tork_work("job.yaml", TORK_LOGGING_LEVEL="debug")
    assert done.out.splitlines()[1] == "debug"
    assert tork_work("job.yaml", "--log-level", "debug").status == 2


def test_settings_of_providers_are_options(tork_work) -> None:
    done = tork_work("--help")
    assert "--inmemory-kept-jobs" in done.out
    assert "Settings [datastore.inmemory]:" in done.out
    assert done.out.index("--json") < done.out.index("--queue")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("rabbitmq", ["the broker rabbitmq is not installed", "pip install tork-rabbitmq"]),
        ("inmemry", ['"inmemry"', 'did you mean "inmemory"?']),
    ],
)
def test_an_unknown_provider_is_wrong_usage(tork_work, name: str, words: list[str]) -> None:
    done = tork_work("job.yaml", "--broker", name)
    assert done.status == 2
    assert all(word in done.err for word in words)


def test_a_broken_plugin_stops_what_needs_providers(
    tork, tork_work, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    info = tmp_path / "acme_bad-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-bad\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[tork]\nbad = acme_bad_is_not_there\n")
    monkeypatch.syspath_prepend(tmp_path)
    done = tork_work("job.yaml")
    assert done.status == 1
    assert "acme-bad (plugin bad) is broken: ModuleNotFoundError" in done.err
    assert "TORK_PLUGINS_DISABLED=bad" in done.err
    assert tork_work("job.yaml", TORK_PLUGINS_DISABLED="bad").status == 0
    assert tork_work("--help").status == 0
    assert "acme-bad (plugin bad) is broken" in tork("--help").out
