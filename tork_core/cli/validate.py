"""``tork validate``: what is wrong with a job file, without a server."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Literal, NamedTuple

import click
import msgspec

from tork_core.cli.installed import registry_of
from tork_core.cli.job_file import read_job_file
from tork_core.cli.tables import table
from tork_core.errors import InvalidJob
from tork_core.model.reading import Format, read_job

if TYPE_CHECKING:
    from tork_core.expressions import FunctionTable


@click.command()
@click.argument("files", nargs=-1, metavar="FILE…")
@click.option(
    "--format",
    "given",
    type=click.Choice(["auto", "yaml", "json"]),
    default="auto",
    show_default=True,
    help="How the files are written; auto goes by their names.",
)
@click.option("--json", "as_json", is_flag=True, help="Print one JSON value.")
@click.option("--fields", is_flag=True, help="List what a job file may say, and what works yet.")
@click.pass_context
def validate(
    ctx: click.Context,
    files: tuple[str, ...],
    given: Literal["auto", "yaml", "json"],
    as_json: bool,
    fields: bool,
) -> None:
    """Check job files without running them; - is standard input.

    Fields, types and expressions are checked, and every problem is printed with its file, line
    and column. The status is 0 if all files are good, else 1; a warning changes nothing.

    \b
      tork validate hello.yaml
      cat job.json | tork validate --format json -
      tork validate --fields
    """
    if fields:
        _print_fields(as_json=as_json)
        return
    if not files:
        raise click.UsageError("Name at least one file, or - for standard input.", ctx)
    functions = registry_of(ctx).functions
    found = {name: check(*read_job_file(name, given), functions) for name in files}
    if as_json:
        shown = [_as_json(name, findings) for name, findings in found.items()]
        click.echo(msgspec.json.format(msgspec.json.encode(shown)).decode())
    else:
        for name, findings in found.items():
            for line in _lines(name, findings):
                click.echo(line)
    if any(findings.errors for findings in found.values()):
        ctx.exit(1)


class Findings(NamedTuple):
    """What was found in a file: ``errors`` for which it would be refused, and warnings."""

    errors: tuple[InvalidJob, ...] = ()
    warnings: tuple[str, ...] = ()


def check(data: bytes, format: Format, functions: FunctionTable) -> Findings:
    """Return all that is wrong with a job. Expressions are looked at where the rest is right."""
    # Imported here: listing fields needs neither the language nor the engine's decisions.
    from tork_core.coordinator.decisions.checking import check_expressions, overlooked

    try:
        job = read_job(data, format=format)
    except InvalidJob as error:
        return Findings(error.problems)
    found = check_expressions(job.spec, functions)
    errors = [
        job.invalid(
            error.message + (f"; {error.hint}" if error.hint else ""), path=error.field or ""
        )
        for error in found.errors
    ]
    return Findings(tuple(errors), (*found.warnings, *overlooked(job.spec)))


def _lines(name: str, findings: Findings) -> Iterator[str]:
    shown = "standard input" if name == "-" else name
    for error in findings.errors:
        place = f":{error.line}:{error.column}" if error.line is not None else ""
        where = "" if error.path in ("", "$") else f"{error.path}: "
        yield f"{shown}{place}: {where}{error.message}"
    for warning in findings.warnings:
        yield f"{shown}: warning: {warning}"
    if not findings.errors:
        yield f"{shown}: good"


def _as_json(name: str, findings: Findings) -> dict[str, object]:
    found = [
        {
            "path": error.path,
            "line": error.line,
            "column": error.column,
            "message": error.message,
        }
        for error in findings.errors
    ]
    return {
        "file": name,
        "valid": not found,
        "problems": found,
        "warnings": list(findings.warnings),
    }


def _print_fields(*, as_json: bool) -> None:
    from tork_core.model.fields import field_rows

    rows = list(field_rows())
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(rows)).decode())
        return
    cells = [(r.part, r.name, "yes" if r.works else "not yet", r.type, r.about) for r in rows]
    for line in table(cells, ("PART", "FIELD", "WORKS", "TYPE", "")):
        click.echo(line)
