"""``tork plugins`` and ``tork config show``."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest


@pytest.fixture
def mail(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A distribution with a broker that has a secret setting."""
    site = tmp_path / "site"
    info = site / "acme_mail-1.2.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-mail\nVersion: 1.2\n")
    (info / "entry_points.txt").write_text("[tork]\nmail = acme_mail\n")
    (site / "acme_mail.py").write_text(
        """
from tork_core.hookspecs import hookimpl
from tork_core.interfaces.provider import BrokerProvider
from tork_core.settings import Secret, Settings, option

class Mail(Settings, prefix="mail"):
    url: Secret[str] = option("smtp://me:hunter2@localhost", help="Where to post.")
    tls: bool = option(True, help="Encrypt.")

@hookimpl
def tork_brokers():
    return [BrokerProvider(name="mail", help="Mail.", settings=Mail, open=None, shared=True)]
"""
    )
    monkeypatch.syspath_prepend(site)
    yield site
    sys.modules.pop("acme_mail", None)


def test_plugins_are_listed_with_what_they_offer(tork, mail: Path) -> None:
    done = tork("plugins")
    assert done.status == 0
    (line,) = [line for line in done.out.splitlines() if line.startswith("acme-mail")]
    assert line.split() == ["acme-mail", "1.2", "mail", "loaded", "broker", "mail"]
    assert "redaction" in done.out


def test_a_broken_plugin_is_a_line_and_a_problem(tork, mail: Path) -> None:
    (mail / "acme_mail.py").write_text("import aiosmtp_that_is_not_there")
    done = tork("plugins")
    assert done.status == 0
    (line,) = [line for line in done.out.splitlines() if line.startswith("acme-mail")]
    assert "broken" in line
    assert "No module named 'aiosmtp_that_is_not_there'" in line
    assert "TORK_PLUGINS_DISABLED=mail" in done.out
    shown = json.loads(tork("plugins", "--json").out)
    (found,) = [p for p in shown["plugins"] if p["distribution"] == "acme-mail"]
    assert found["state"] == "broken"
    assert len(shown["problems"]) == 1


def test_a_disabled_plugin_is_listed_as_such(tork, mail: Path) -> None:
    done = tork("plugins", TORK_PLUGINS_DISABLED="acme-mail")
    (line,) = [line for line in done.out.splitlines() if line.startswith("acme-mail")]
    assert line.split() == ["acme-mail", "1.2", "mail", "disabled"]


def shown(tork, *arguments: str, **environ: str) -> dict[str, dict[str, object]]:
    values = json.loads(tork("config", "show", "--json", *arguments, **environ).out)
    return {value["key"]: value for value in values}


def test_every_value_is_shown_with_its_origin(tork, mail: Path, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[worker]\ngrace = 7\nclaim = 'doubtful'\n")
    values = shown(
        tork, "--queue", "a:1", "--queue", "b:2", "--no-mail-tls", TORK_WORKER_CLAIM="always"
    )
    assert (values["worker.queues"]["value"], values["worker.queues"]["origin"]) == (
        {"a": 1, "b": 2},
        "flag",
    )
    assert (values["worker.claim"]["value"], values["worker.claim"]["source"]) == (
        "always",
        "TORK_WORKER_CLAIM",
    )
    assert (values["worker.grace"]["value"], values["worker.grace"]["origin"]) == (7, "file")
    assert values["worker.stop_grace"]["origin"] == "default"
    assert (values["broker.mail.tls"]["value"], values["broker.mail.tls"]["source"]) == (
        False,
        "--mail-tls",
    )


def test_secrets_are_hidden(tork, mail: Path) -> None:
    for arguments in ([], ["--json"], ["--help"]):
        done = tork("config", "show", *arguments, TORK_BROKER_MAIL_URL="smtp://x:sesame@y")
        assert done.status == 0
        assert "sesame" not in done.out
        assert "hunter2" not in done.out
    assert (
        "environment: TORK_BROKER_MAIL_URL"
        in tork("config", "show", TORK_BROKER_MAIL_URL="smtp://x:sesame@y").out
    )


def test_what_is_shown_is_a_configuration_file_that_says_the_same(
    tork, mail: Path, tmp_path: Path
) -> None:
    done = tork("config", "show", "--queue", 'we"ird:2', "--inmemory-kept-log-bytes", "3m")
    assert tomllib.loads(done.out)["worker"]["queues"] == {'we"ird': 2}
    (tmp_path / "mine.toml").write_text(done.out)
    again = shown(tork, TORK_CONFIG=str(tmp_path / "mine.toml"))
    assert again["worker.queues"]["value"] == {'we"ird': 2}
    assert again["datastore.inmemory.kept_log_bytes"]["value"] == "3m"
    assert again["broker.mail.url"]["origin"] == "default"


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["--queue", "a"], '--queue: "a"'),
        (["--claim", "never"], '--claim: "never" is not one of always, doubtful'),
        (["--worker-grace", "10 parsecs"], '--worker-grace: "10 parsecs" is not a duration'),
        (["--mail-uri", "x"], "--mail-uri"),
    ],
)
def test_a_wrong_setting_is_wrong_usage(tork, mail: Path, arguments: list[str], word: str) -> None:
    done = tork("config", "show", *arguments)
    assert done.status == 2
    assert word in done.err
    assert len(done.err.splitlines()) <= 15


def test_a_wrong_file_is_wrong_usage_that_names_it(tork, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[worker]\ngraces = 7\n")
    done = tork("config", "show")
    assert done.status == 2
    assert done.err == ('Error: config.toml: [worker] graces: unknown key, did you mean "grace"?\n')


def test_what_is_found_and_not_used_is_a_note(tork, tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("[broker.carrier-pigeon]\nx = 1\n")
    done = tork("config", "show")
    assert done.status == 0
    assert done.err == (
        "Note: [broker.carrier-pigeon]: no broker of this name is installed; "
        "its keys are not used\n"
    )
