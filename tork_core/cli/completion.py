"""Completion of words in shells, by click: a script per shell, which asks ``tork`` itself."""

from __future__ import annotations

import os

import click

VARIABLE = "_TORK_COMPLETE"
"""Set by a shell that asks; its value names the shell and what it wants."""

SHELLS = ("bash", "zsh", "fish")


@click.command()
@click.argument("shell", type=click.Choice(SHELLS))
def completion(shell: str) -> None:
    """Print the script that completes tork's commands and options in SHELL.

    \b
    Put the line for your shell into its start-up file:
      bash  ~/.bashrc                    eval "$(tork completion bash)"
      zsh   ~/.zshrc                     eval "$(tork completion zsh)"
      fish  ~/.config/fish/config.fish   tork completion fish | source
    """
    from click.shell_completion import get_completion_class

    from tork_core.cli.main import tork

    kind = get_completion_class(shell)
    assert kind is not None
    click.echo(kind(tork, {}, "tork", VARIABLE).source())


def asked() -> bool:
    """Whether this process was started by a shell that wants words completed."""
    return bool(os.environ.get(VARIABLE))


def answer(command: click.Command) -> int:
    """Answer the shell; returns the status."""
    from click.shell_completion import shell_complete

    return shell_complete(command, {}, "tork", VARIABLE, os.environ[VARIABLE])
