"""Declaring settings, and what follows from a declaration."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Literal

import pytest

from tork_core.errors import PluginError
from tork_core.settings import Bytes, Seconds, Secret, Section, Settings, option
from tork_core.settings.configuration import check_flags


class RabbitMQSettings(Settings, prefix="rabbitmq"):
    url: Secret[str] = option("amqp://guest:guest@localhost/", help="Broker to connect to.")
    confirm_timeout: Seconds = option(10, help="Longest wait for a confirmation.")
    frame: Bytes = option("64k", help="Largest frame.")
    durable: bool = option(True, help="Keep queues.")
    user: int | None = option(None, help="Whose.")
    hosts: Sequence[str] = option(["a", "b"], help="Which.")
    weights: Mapping[str, int] = option({"a": 1}, help="How much.")
    mode: Literal["safe", "fast"] = option("safe", help="How.")


def test_defaults_are_typed_as_declared_and_may_be_written_as_in_a_file() -> None:
    settings = RabbitMQSettings()
    assert settings.url.reveal() == "amqp://guest:guest@localhost/"
    assert (settings.confirm_timeout, settings.frame, settings.user) == (10.0, 65536, None)
    assert (settings.hosts, settings.weights, settings.mode) == (("a", "b"), {"a": 1}, "safe")


def test_settings_are_immutable() -> None:
    settings = RabbitMQSettings(mode="fast")
    with pytest.raises(dataclasses.FrozenInstanceError):
        settings.mode = "safe"  # pyright: ignore[reportAttributeAccessIssue]


def test_a_secret_shows_itself_nowhere() -> None:
    settings = RabbitMQSettings(url=Secret("amqp://me:hunter2@host/"))
    assert "hunter2" not in f"{settings} {settings!r} {settings.url} {[settings.url]!r}"
    assert Secret("a") == Secret("a") != Secret("b")


def test_all_names_follow_from_kind_prefix_and_name() -> None:
    section = Section.provider("broker", RabbitMQSettings, "tork-rabbitmq")
    (timeout,) = [o for o in section.options if o.name == "confirm_timeout"]
    assert section.flag(timeout) == "--rabbitmq-confirm-timeout"
    assert section.variable(timeout) == "TORK_BROKER_RABBITMQ_CONFIRM_TIMEOUT"
    assert section.key(timeout) == "[broker.rabbitmq] confirm_timeout"


def test_one_prefix_may_serve_two_kinds_but_not_one_flag() -> None:
    class One(Settings, prefix="inmemory"):
        size: int = option(1, help="x")

    class Two(Settings, prefix="inmemory"):
        depth: int = option(1, help="x")

    broker = Section.provider("broker", One, "acme-one")
    check_flags([broker, Section.provider("datastore", Two, "acme-two")])
    with pytest.raises(PluginError, match=r"--inmemory-size .* acme-one .* acme-two"):
        check_flags([broker, Section.provider("datastore", One, "acme-two")])


def test_a_switch_owns_its_negation_too() -> None:
    class On(Settings, prefix="on"):
        it: bool = option(False, help="x")

    class Off(Settings, prefix="no"):
        thing: bool = option(False, flag="--no-on-it", help="x")

    with pytest.raises(PluginError, match="--no-on-it is declared twice"):
        check_flags([Section.provider("broker", On, "a"), Section.provider("broker", Off, "b")])


def test_a_declaration_that_cannot_work_is_an_error_of_its_author() -> None:
    with pytest.raises(TypeError, match=r"Wrong\.size: .*complex.* is no type of a setting"):

        class Wrong(Settings, prefix="wrong"):
            size: complex = option(1, help="x")

    with pytest.raises(TypeError, match=r"Bad\.size: \"big\" is not a size"):

        class Bad(Settings, prefix="bad"):
            size: Bytes = option("big", help="x")

    with pytest.raises(TypeError, match=r"Bare\.size: declare it as"):

        class Bare(Settings, prefix="bare"):
            size: int = 5

    with pytest.raises(TypeError, match=r"None\.size|Empty\.size: give a default"):

        class Empty(Settings, prefix="empty"):
            size: int = option(help="x")

    with pytest.raises(TypeError, match="is no name of a section"):

        class Odd(Settings, prefix="Odd Name"):
            size: int = option(1, help="x")
