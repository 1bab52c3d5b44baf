"""``tork expr``: evaluate an expression, show how it is read, list the functions."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping

import click

from tork_core.cli.installed import registry_of
from tork_core.expressions import FunctionTable


@click.command()
@click.argument("expression", required=False)
@click.option(
    "--input",
    "-i",
    "inputs",
    multiple=True,
    metavar="NAME=TEXT",
    help="An input of the job: inputs.NAME.",
)
@click.option(
    "--task",
    "-t",
    "tasks",
    multiple=True,
    metavar="NAME=TEXT",
    help="The output of a task: tasks.NAME.",
)
@click.option(
    "--let",
    "names",
    multiple=True,
    metavar="NAME=JSON",
    help="Any other name, with a JSON value.",
)
@click.option("--template", is_flag=True, help="Take the argument for text with {{ }} in it.")
@click.option("--json", "as_json", is_flag=True, help="Print the value as JSON.")
@click.option("--explain", "explained", is_flag=True, help="Show how the expression is read.")
@click.option("--functions", "listed", is_flag=True, help="List the functions that there are.")
@click.pass_context
def expr(
    ctx: click.Context,
    expression: str | None,
    inputs: tuple[str, ...],
    tasks: tuple[str, ...],
    names: tuple[str, ...],
    template: bool,
    as_json: bool,
    explained: bool,
    listed: bool,
) -> None:
    """Evaluate an expression as jobs do, and print its value; - reads it from standard input.

    Text is printed as it is, other values as the language writes them. The status is 1 if the
    expression is wrong or fails.

    \b
      tork expr '1 + len(inputs.x)' --input x=abc
      tork expr 'map(xs, # * 2)' --let xs='[1, 2, 3]'
      tork expr --template 'Hello {{ inputs.name }}' -i name=Ann
      tork expr --explain 'not a in b'
      tork expr --functions
    """
    functions = registry_of(ctx).functions
    if listed:
        _print_functions(functions, as_json=as_json)
        return
    if expression is None:
        raise click.UsageError("Give an expression, or --functions.", ctx)
    source = sys.stdin.read() if expression == "-" else expression
    env = _environment(ctx, inputs, tasks, names)
    if explained:
        _print_trees(source, functions, template=template)
    elif template:
        click.echo(_rendered(source, env, functions))
    else:
        click.echo(_evaluated(source, env, functions, as_json=as_json))


def _evaluated(
    source: str, env: Mapping[str, object], functions: FunctionTable, *, as_json: bool
) -> str:
    from tork_core.expressions import Context, evaluate
    from tork_core.expressions.literals import write_literal

    context = Context(functions=functions)
    if as_json:
        # toJSON is the language's own JSON, which has dates, durations and bytes.
        value = evaluate(source, env, context)
        return str(evaluate("::toJSON(value)", {"value": value}))
    value = evaluate(source, env, context)
    return value if isinstance(value, str) else write_literal(value)


def _rendered(source: str, env: Mapping[str, object], functions: FunctionTable) -> str:
    from tork_core.expressions import Context, render

    return render(source, env, Context(functions=functions))


def _print_trees(source: str, functions: FunctionTable, *, template: bool) -> None:
    from tork_core.expressions import compile_expression, compile_template
    from tork_core.expressions.explain import explain

    if template:
        expressions = compile_template(source, functions).expressions
    else:
        expressions = [compile_expression(source, functions)]
    for one in expressions:
        click.echo(explain(one.tree))


def _print_functions(functions: FunctionTable, *, as_json: bool) -> None:
    if as_json:
        rows = [
            {
                "name": one.name,
                "signature": one.signature,
                "origin": one.origin,
                "description": one.summary,
            }
            for one in functions.values()
        ]
        click.echo(json.dumps(rows, indent=2, ensure_ascii=False))
        return
    from tork_core.cli.tables import table

    cells = [(one.signature, one.origin, one.summary) for one in functions.values()]
    for line in table(cells, ("FUNCTION", "FROM", "")):
        click.echo(line)


def _environment(
    ctx: click.Context, inputs: tuple[str, ...], tasks: tuple[str, ...], names: tuple[str, ...]
) -> dict[str, object]:
    from tork_core.expressions import TextNamespace
    from tork_core.expressions.api import TEXT_NAMESPACES

    env: dict[str, object] = {name: TextNamespace() for name in TEXT_NAMESPACES}
    env["inputs"] = TextNamespace(_pair(ctx, "--input", one) for one in inputs)
    env["tasks"] = TextNamespace(_pair(ctx, "--task", one) for one in tasks)
    for one in names:
        name, text = _pair(ctx, "--let", one)
        try:
            env[name] = json.loads(text)
        except (ValueError, RecursionError) as error:
            raise click.UsageError(f"--let {name}: the value is no JSON: {error}", ctx) from None
    return env


def _pair(ctx: click.Context, option: str, text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not equals or not name:
        raise click.UsageError(f"{option} {text[:60]}: write NAME=VALUE", ctx)
    return name, value
