"""``tork``: the command that all others hang from.

Only click is imported here: each command's module is imported when it is needed, so that
``tork --version`` answers at once.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence

import click

from tork_core._version import __version__
from tork_core.cli import completion
from tork_core.cli.failures import INTERRUPTED, run
from tork_core.cli.lazy import LazyGroup

HELP = """\
Run jobs: lists of tasks in YAML, each a script in a container or on this host.

\b
A job, in hello.yaml:
  name: hello
  tasks:
    - name: say hello
      image: ubuntu:mantic
      run: echo hello world

\b
Run it here and now, without a server or a container:
  tork exec hello.yaml --runtime shell

\b
Run a server, and hand it jobs from another terminal:
  tork run standalone
  tork submit hello.yaml --follow
  tork list

\b
Look before you run:
  tork validate hello.yaml     what is wrong with it, with line and column
  tork validate --fields       what a job file may say
  tork plugins                 what is installed
  tork config show             every setting, and where its value comes from

Every setting is a flag, an environment variable and a key in config.toml alike; a flag beats the
variable, the variable beats the file.
"""


@click.group(
    cls=LazyGroup,
    help=HELP,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, "--version", prog_name="tork", message="%(prog)s %(version)s")
def tork() -> None:
    """The group; its help is above."""


def _interrupted(number: int, frame: object) -> None:
    os._exit(INTERRUPTED)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run ``tork`` with these arguments (the process's own by default); return its status."""
    if arguments is None:
        # Python's own handler raises wherever it hits, an import's clean-up included, where it
        # gets lost. Commands that have something to end set their own.
        signal.signal(signal.SIGINT, _interrupted)
    if completion.asked():
        return completion.answer(tork)
    return run(tork, sys.argv[1:] if arguments is None else list(arguments))


if __name__ == "__main__":
    sys.exit(main())
