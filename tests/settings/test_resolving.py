"""Flag before environment before file before default, and errors that say where."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import pytest

from tork_core.errors import UsageError
from tork_core.settings import (
    Bytes,
    Configuration,
    Origin,
    Seconds,
    Secret,
    Section,
    Settings,
    option,
    read_file,
    resolve,
)


class MailSettings(Settings, prefix="mail"):
    """Letters."""

    url: Secret[str] = option("smtp://me:pw@host", help="x")
    wait: Seconds = option(10, least=1, most=100, help="x")
    size: Bytes = option("1m", help="x")
    keep: bool = option(True, help="x")
    user: int | None = option(None, help="x")
    names: Sequence[str] = option([], help="x")
    weights: Mapping[str, int] = option({}, help="x")
    mode: Literal["safe", "fast"] = option("safe", help="x")


class CoreSettings(Settings, section="broker"):
    type: str = option("inmemory", flag="--broker", help="x")


SECTIONS = [Section.core(CoreSettings), Section.provider("broker", MailSettings, "acme-mail")]


@pytest.fixture
def write(tmp_path: Path):
    def write(text: str):
        path = tmp_path / "config.toml"
        path.write_text(text)
        return read_file(path)

    return write


def mail(**given) -> MailSettings:
    return resolve(SECTIONS, **{"environ": {}, **given})[MailSettings]


def origin(configuration: Configuration, name: str) -> tuple[Origin, str]:
    (value,) = [v for v in configuration.values if v.option.name == name]
    return value.origin, value.source


def test_a_flag_beats_the_environment_beats_the_file_beats_the_default(write) -> None:
    file = write("[broker.mail]\nwait = 3\nmode = 'fast'\nsize = 5\n")
    environ = {"TORK_BROKER_MAIL_WAIT": "4", "TORK_BROKER_MAIL_MODE": "fast"}
    found = resolve(SECTIONS, flags={"--mail-wait": "5"}, environ=environ, file=file)
    settings = found[MailSettings]
    assert (settings.wait, settings.mode, settings.size, settings.keep) == (5, "fast", 5, True)
    assert origin(found, "wait") == (Origin.FLAG, "--mail-wait")
    assert origin(found, "mode") == (Origin.ENVIRONMENT, "TORK_BROKER_MAIL_MODE")
    assert origin(found, "size") == (Origin.FILE, f"{file.path}: [broker.mail] size")
    assert origin(found, "keep") == (Origin.DEFAULT, "default")


@pytest.mark.parametrize(
    ("name", "text", "value"),
    [
        ("wait", "5", 5),
        ("wait", "2.5", 2.5),
        ("wait", "5s", 5),
        ("wait", "1m30s", 90),
        ("wait", "1500ms", 1.5),
        ("size", "64m", 64 << 20),
        ("size", "0", 0),
        ("size", "100", 100),
        ("keep", "false", False),
        ("keep", "ON", True),
        ("user", "1000", 1000),
        ("names", "a, b,,c", ("a", "b", "c")),
        ("weights", "a:1, b:c:2", {"a": 1, "b:c": 2}),
        ("mode", "fast", "fast"),
    ],
)
def test_every_kind_is_read_from_text(name: str, text: str, value: object) -> None:
    assert getattr(mail(environ={f"TORK_BROKER_MAIL_{name.upper()}": text}), name) == value


@pytest.mark.parametrize(
    ("toml", "name", "value"),
    [
        ("wait = 5", "wait", 5),
        ("wait = '1m30s'", "wait", 90),
        ("size = '2k'", "size", 2048),
        ("keep = false", "keep", False),
        ("names = ['a', 'b,c']", "names", ("a", "b,c")),
        ("weights = {a = 1}", "weights", {"a": 1}),
        ("weights = ['a:1']", "weights", {"a": 1}),
        ("[broker.mail.weights]\na = 1", "weights", {"a": 1}),
    ],
)
def test_every_kind_is_read_from_the_file(write, toml: str, name: str, value: object) -> None:
    assert getattr(mail(file=write(f"[broker.mail]\n{toml}\n")), name) == value


@pytest.mark.parametrize(
    ("flags", "environ", "toml", "error"),
    [
        ({"--mail-wait": "soon"}, {}, "", '--mail-wait: "soon" is not a duration'),
        ({"--mail-wait": "0.5"}, {}, "", "--mail-wait: must be at least 1"),
        ({"--mail-wait": "2h"}, {}, "", "--mail-wait: must be at most 100"),
        ({"--mail-weights": ["a"]}, {}, "", '--mail-weights: "a" is not of the form NAME:NUMBER'),
        ({"--mail-weights": ["a:1", "a:2"]}, {}, "", '"a" is given twice'),
        ({"--mail-weights": ["a:x"]}, {}, "", '"a:x": "x" is not a whole number'),
        ({}, {"TORK_BROKER_MAIL_KEEP": "maybe"}, "", 'TORK_BROKER_MAIL_KEEP: "maybe" is neither'),
        ({}, {"TORK_BROKER_MAIL_MODE": "slow"}, "", '"slow" is not one of safe, fast'),
        ({}, {"TORK_BROKER_MAIL_SIZE": "10 gigs"}, "", '"10 gigs" is not a size'),
        ({}, {"TORK_BROKER_MAIL_USER": "nan"}, "", '"nan" is not a whole number'),
        ({}, {"TORK_BROKER_MAIL_WAIT": "nan"}, "", '"nan" is not a duration'),
        ({}, {}, "wait = true", "config.toml: [broker.mail] wait: true is not a number"),
        ({}, {}, "keep = 'yes'", '[broker.mail] keep: "yes" is neither true nor false'),
        ({}, {}, "names = 'a'", '[broker.mail] names: "a" is not a list'),
        ({}, {}, "mode = 3", "[broker.mail] mode: 3 is not text"),
        ({}, {}, "wait = inf", "is not a"),
        ({}, {}, "wiat = 3", 'config.toml: [broker.mail] wiat: unknown key, did you mean "wait"?'),
    ],
)
def test_an_error_names_the_flag_the_variable_or_the_key(
    write, flags, environ, toml: str, error: str
) -> None:
    file = write(f"[broker.mail]\n{toml}\n")
    with pytest.raises(UsageError) as caught:
        resolve(SECTIONS, flags=flags, environ=environ, file=file)
    assert error in str(caught.value)


def test_an_error_about_a_secret_does_not_show_it() -> None:
    class Pin(Settings, prefix="pin"):
        code: Secret[int] = option(1, help="x")

    section = Section.provider("broker", Pin, "acme")
    with pytest.raises(UsageError) as caught:
        resolve([section], environ={"TORK_BROKER_PIN_CODE": "hunter2"})
    assert "hunter2" not in str(caught.value)
    assert "TORK_BROKER_PIN_CODE: is not of the form NUMBER" in str(caught.value)


def test_all_errors_are_told_at_once_and_not_too_many() -> None:
    wrong = {f"TORK_BROKER_MAIL_{name}": "?" for name in ("WAIT", "SIZE", "KEEP")}
    with pytest.raises(UsageError) as caught:
        resolve(SECTIONS, environ=wrong)
    assert [line.split(":")[0].strip() for line in str(caught.value).splitlines()] == [
        "several settings are wrong",
        *wrong,
    ]


def test_a_variable_that_is_set_to_nothing_is_not_set() -> None:
    assert mail(environ={"TORK_BROKER_MAIL_WAIT": ""}).wait == 10


def test_a_section_of_a_plugin_that_is_not_installed_is_a_notice(write) -> None:
    found = resolve(SECTIONS, environ={}, file=write("[broker.rabbitmq]\nurl = 'x'\n"))
    assert found.notices == (
        "[broker.rabbitmq]: no broker of this name is installed; its keys are not used",
    )


@pytest.mark.parametrize(
    ("toml", "error"),
    [
        ("[broker.mial]\nurl = 'x'", '[broker.mial]: no broker of this name .* "mail"?'),
        ("[brokr]\ntype = 'x'", 'unknown section [brokr], did you mean "broker"?'),
        ("broker = 3", "[broker] must be a table"),
        ("[broker]\nkind = 'x'", "[broker] kind: unknown key"),
        ("[broker]\n'ki\\nd' = 'x'", "unknown key"),
    ],
)
def test_what_looks_like_a_mistake_in_the_file_is_an_error(write, toml: str, error: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve(SECTIONS, environ={}, file=write(toml))
    for part in error.split(" .* "):
        assert part in str(caught.value)


def test_keys_may_be_written_with_dots_as_the_original_has_them(write) -> None:
    class Deep(Settings, prefix="deep"):
        consumer_timeout: Seconds = option(1, help="x")

    section = Section.provider("broker", Deep, "acme")
    file = write("[broker.deep]\nconsumer.timeout = '30m'\n")
    assert resolve([section], environ={}, file=file)[Deep].consumer_timeout == 1800


def test_a_misspelt_variable_is_a_notice_and_those_of_orchestrators_are_not() -> None:
    environ = {"TORK_BROKER_MAIL_WIAT": "3", "TORK_BROKER_PORT": "tcp://10.0.0.1:80", "TORK_X": ""}
    assert resolve(SECTIONS, environ=environ).notices == (
        "the variable TORK_BROKER_MAIL_WIAT is not used, did you mean TORK_BROKER_MAIL_WAIT?",
    )


def test_settings_may_contradict_each_other() -> None:
    class Pair(Settings, section="pair"):
        low: int = option(1, help="x")
        high: int = option(2, help="x")

        def check(self) -> None:
            if self.low > self.high:
                raise ValueError("low is above high")

    with pytest.raises(UsageError, match=r"\[pair\]: low is above high"):
        resolve([Section.core(Pair)], environ={"TORK_PAIR_LOW": "3"})


def test_a_program_that_embeds_an_engine_gives_settings_itself() -> None:
    configuration = Configuration.of(CoreSettings(type="mail"))
    assert configuration[CoreSettings].type == "mail"
    assert configuration[MailSettings].wait == 10
