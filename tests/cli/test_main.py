"""The command ``tork`` itself: help, errors, statuses."""

from __future__ import annotations

import asyncio
import importlib
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from textwrap import dedent

import click
import pytest

from tork_core import __version__
from tork_core.cli import lazy
from tork_core.cli.lazy import COMMANDS
from tork_core.errors import Conflict, InvalidJob, UsageError
from tork_core.plugins import Registry
from tork_core.plugins.registry import CORE_COMMANDS

Tork = Callable[..., object]

MANY = InvalidJob("one", path="$.a")
MANY.others = (InvalidJob("two", path="$.b"),)


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch):
    """Returns a function that makes ``tork plugins`` raise an error."""

    def broken(error: BaseException) -> None:
        @click.command("plugins")
        def fail() -> None:
            raise error

        module = importlib.import_module("tork_core.cli.plugins")
        monkeypatch.setattr(module, "plugins", fail)

    return broken


def test_the_version_is_printed(tork) -> None:
    done = tork("--version")
    assert (done.status, done.out, done.err) == (0, f"tork {__version__}\n", "")


def test_the_version_is_printed_without_plugins_or_the_engine() -> None:
    script = """
import sys
from tork_core.cli.main import main
assert main(["--version"]) == 0
heavy = {"asyncio", "importlib.metadata", "msgspec", "pluggy", "structlog", "yaml", "rich", "lark"}
print(*sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines() == [f"tork {__version__}", ""], done.stderr


@pytest.mark.parametrize("arguments", [["--help"], ["-h"]])
def test_help_alone_teaches(tork, arguments: list[str]) -> None:
    done = tork(*arguments)
    assert done.status == 0
    for word in ("hello.yaml", "tork exec", "--runtime shell", "config.toml", *COMMANDS):
        assert word in done.out
    assert "inmemory" in done.out


def test_help_of_a_bare_core_says_what_is_missing_and_how_to_get_it(
    tork, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lazy, "registry_of", lambda ctx: Registry([]))
    done = tork("--help")
    assert done.status == 0
    assert "no broker is installed: pip install tork-memory" in done.out
    assert "no runtime is installed: pip install tork-docker or tork-shell" in done.out
    assert "pip install tork-core[standalone]" in done.out


def test_the_core_s_commands_are_those_that_plugins_may_not_take() -> None:
    assert set(COMMANDS) == CORE_COMMANDS


@pytest.mark.parametrize("name", ["validate", "plugins", "config"])
def test_every_command_has_help_that_agrees_with_the_list(tork, name: str) -> None:
    done = tork(name, "--help")
    assert done.status == 0
    assert f"tork {name}" in done.out
    assert "--debug" in done.out


@pytest.mark.parametrize(
    ("arguments", "word"),
    [
        (["valdiate"], "Did you mean 'validate'?"),
        (["no-such-command"], "No such command 'no-such-command'."),
        (["x" * 10_000], "No such command"),
        (["plugins", "--jsn"], "--jsn"),
        (["plugins", "extra"], "extra"),
        (["config", "shw"], "shw"),
        (["validate"], "Name at least one file"),
        (["validate", "no-such-file"], "no-such-file: No such file or directory"),
        (["--what"], "--what"),
    ],
)
def test_wrong_usage_is_status_2_and_a_few_lines_that_name_the_word(
    tork, arguments: list[str], word: str
) -> None:
    done = tork(*arguments)
    assert done.status == 2
    assert word in done.err
    assert len(done.err.splitlines()) <= 15
    assert len(done.err) < 1000
    assert "Traceback" not in done.err


def test_no_arguments_print_the_help_and_are_wrong_usage(tork) -> None:
    done = tork()
    assert done.status == 2
    assert "tork exec" in done.err


@pytest.mark.parametrize(
    ("error", "status", "text"),
    [
        (UsageError("no such queue"), 2, "Error: no such queue\n"),
        (Conflict("job is not running"), 1, "Error: job is not running\n"),
        (
            InvalidJob("bad", path="$.name", line=2, column=3),
            1,
            "Error: line 2, column 3: $.name: bad\n",
        ),
        (PermissionError(13, "Permission denied", "/x"), 1, "Error: /x: Permission denied\n"),
        (KeyboardInterrupt(), 130, ""),
        (asyncio.CancelledError(), 130, ""),
        (BaseExceptionGroup("", [KeyboardInterrupt(), ValueError()]), 130, ""),
        (ExceptionGroup("", [ExceptionGroup("", [UsageError("a")])]), 2, "Error: a\n"),
        (ExceptionGroup("", [UsageError("a"), Conflict("b")]), 1, "Error: a\nb\n"),
        (MANY, 1, "Error: $.a: one\n$.b: two\n"),
    ],
)
def test_an_error_is_a_line_and_a_status(
    tork, broken, error: BaseException, status: int, text: str
) -> None:
    broken(error)
    done = tork("plugins")
    assert (done.status, done.err) == (status, text)


def test_a_fault_of_the_program_shows_no_traceback_unless_asked_for(tork, broken) -> None:
    broken(KeyError("oops"))
    done = tork("plugins")
    assert done.status == 1
    assert "a fault in Tork or one of its plugins: KeyError: 'oops'" in done.err
    assert "Traceback" not in done.err
    for arguments, environ in (
        (["plugins", "--debug"], {}),
        (["--debug", "plugins"], {}),
        (["plugins"], {"TORK_DEBUG": "1"}),
    ):
        done = tork(*arguments, **environ)
        assert "Traceback (most recent call last)" in done.err


def test_a_long_error_is_cut(tork, broken) -> None:
    broken(UsageError("\n".join(f"line {i}" for i in range(100))))
    assert len(tork("plugins").err.splitlines()) <= 15


def test_a_reader_that_has_seen_enough_ends_it_quietly() -> None:
    command = [sys.executable, "-m", "tork_core.cli.main", "validate", "--fields"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 141


def test_plugins_add_commands(tork, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    info = tmp_path / "acme_greet-1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: acme-greet\nVersion: 1\n")
    (info / "entry_points.txt").write_text("[tork]\ngreet = acme_greet\n")
    (tmp_path / "acme_greet.py").write_text(
        dedent(
            """
            import click
            from tork_core.errors import UsageError
            from tork_core.hookspecs import hookimpl

            @click.command()
            @click.argument("name")
            def greet(name):
                "Say hello."
                if name == "nobody":
                    raise UsageError("there is nobody")
                click.echo(f"hello {name}")

            @hookimpl
            def tork_cli_commands():
                return [greet]
            """
        )
    )
    assert tork("greet", "you").out == "hello you\n"
    assert "Say hello." in tork("--help").out
    done = tork("greet", "nobody")
    assert (done.status, done.err) == (2, "Error: there is nobody\n")
