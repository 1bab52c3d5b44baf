"""Asking for what plugins offer, by name."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from tork_core.errors import UsageError
from tork_core.plugins import Registry, load

Install = Callable[..., object]


def test_an_unknown_name_is_a_usage_error_that_lists_what_there_is(
    install: Install, broker_source: Callable[..., str]
) -> None:
    install("acme-mail", broker_source())
    with pytest.raises(UsageError, match=r'the name "mial".*mail.*did you mean "mail"\?'):
        load({}).broker("mial")


@pytest.mark.parametrize(
    ("kind", "name", "distribution"),
    [
        ("broker", "rabbitmq", "tork-rabbitmq"),
        ("broker", "inmemory", "tork-memory"),
        ("datastore", "postgres", "tork-postgres"),
        ("datastore", "mongo", "tork-mongo"),
        ("datastore", "sqlite", "tork-sqlite"),
        ("datastore", "inmemory", "tork-memory"),
        ("runtime", "docker", "tork-docker"),
        ("runtime", "shell", "tork-shell"),
    ],
)
def test_a_well_known_name_that_is_missing_says_what_to_install(
    kind: str, name: str, distribution: str
) -> None:
    with pytest.raises(UsageError, match=rf"{kind} {name} is not .*pip install {distribution}"):
        getattr(Registry([]), kind)(name)


def test_an_unknown_name_mentions_what_is_broken_and_disabled(install: Install) -> None:
    install("tork-rabbitmq", "import aiormq_that_is_not_there", name="rabbitmq")
    install("acme-off", "x = 1", name="off")
    with pytest.raises(UsageError) as caught:
        load({"TORK_PLUGINS_DISABLED": "off"}).broker("rabbitmq")
    lines = str(caught.value).splitlines()
    assert any("tork-rabbitmq (plugin rabbitmq) is broken: ModuleNotFound" in x for x in lines)
    assert any("acme-off (plugin off) is disabled" in x for x in lines)


def test_a_huge_name_makes_a_short_error() -> None:
    with pytest.raises(UsageError) as caught:
        Registry([]).runtime("x\n" * 10_000)
    assert len(str(caught.value)) < 200
    assert len(str(caught.value).splitlines()) == 1


def test_what_a_bare_core_lacks_is_named_with_what_to_install() -> None:
    assert list(Registry([]).missing()) == [
        "no broker is installed: pip install tork-memory",
        "no datastore is installed: pip install tork-memory",
        "no runtime is installed: pip install tork-docker or tork-shell",
    ]


def test_functions_and_commands_of_plugins_are_by_name(install: Install) -> None:
    install(
        "acme-more",
        """
        import click
        from tork_core.expressions import function
        from tork_core.hookspecs import hookimpl

        @function("shout(text: string) -> string")
        def shout(text):
            "Say it loud."
            return text.upper()

        @hookimpl
        def tork_expression_functions():
            return [shout]

        @click.command()
        def greet():
            "Greet."
            click.echo("hello")

        @hookimpl
        def tork_cli_commands():
            return [greet]
        """,
    )
    registry = load({})
    assert registry.functions["shout"].call("a") == "A"
    assert list(registry.commands) == ["greet"]


def test_loading_all_plugins_imports_no_client_library() -> None:
    script = """
import sys
from tork_core.plugins import load
load()
print(" ".join({name.partition(".")[0] for name in sys.modules} - set(sys.stdlib_module_names)))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    )
    loaded = {name for name in done.stdout.split() if not name.startswith(("_", "tork_"))}
    loaded -= {"sitecustomize", "usercustomize"}  # what Python itself loads on some systems
    assert loaded <= {"click", "msgspec", "pluggy", "typing_extensions", "yaml", "packaging"}
