"""The command `tork new`, which prints a job to begin with."""

import json

import click

from tork_core.hookspecs import hookimpl

JOB = """\
name: {name}
description: Finds the primes below 30.
tasks:
  - name: find them
    var: primes
    env:
      FILE: "{{{{ slug(job.name) }}}}.txt"
    run: |
      import os
      primes = [n for n in range(2, 30) if all(n % d for d in range(2, n))]
      print(len(primes), "found, for", os.environ["FILE"])
      open(os.environ["TORK_OUTPUT"], "w").write(" ".join(map(str, primes)))
output: "{{{{ tasks.primes }}}}"
"""


@click.command()
@click.argument("name")
def new(name):
    """Print a job file to begin with."""
    click.echo(JOB.format(name=json.dumps(name)), nl=False)


@hookimpl
def tork_cli_commands():
    return [new]
