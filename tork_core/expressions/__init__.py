"""The expression language of jobs.

Evaluating::

    evaluate("1 + len(xs)", {"xs": [1]})              2: a plain Python value
    render("Hello {{ inputs.name }}", {"inputs": …})  text

Compiling once, evaluating often (compiled things are cached by their text)::

    expression = compile_expression("tasks.first == 'done'")
    expression(env, context)       a plain Python value
    expression.references          {("tasks", "first")}; ("tasks",) where any name of it may be
                                   used, ("$env",) where any name at all
    expression.functions           names of the functions that it calls

    template = compile_template("{{ inputs.n }} of {{ job.name }}")
    template.render(env, context)  text
    template.value(env, context)   the value, where the template is one expression and no more
    template.is_constant, template.references, template.functions

``env`` maps names to values; ``TextNamespace`` is a map of text whose missing names are empty.
``Context(now=…, random=…, functions=…)`` injects the clock, the randomness and a table of
functions; ``BUILTINS.extended(functions, origin)`` adds those that plugins declare with
``@function(…)`` (functions/declare.py). ``check_expression`` and ``check_template`` are for
submission: they raise for what is wrong whatever the values, and return warnings for names that
cannot exist. Everything that goes wrong is an ``ExpressionError``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tork_core.errors import ExpressionError

if TYPE_CHECKING:
    from tork_core.expressions.api import evaluate, render
    from tork_core.expressions.checks import Known, check_expression, check_template
    from tork_core.expressions.expression import Expression, compile_expression
    from tork_core.expressions.frame import Context
    from tork_core.expressions.functions import Function, FunctionTable, function
    from tork_core.expressions.functions.library import BUILTINS
    from tork_core.expressions.namespaces import TextNamespace
    from tork_core.expressions.templates import Template, compile_template

__all__ = [
    "BUILTINS",
    "Context",
    "Expression",
    "ExpressionError",
    "Function",
    "FunctionTable",
    "Known",
    "Template",
    "TextNamespace",
    "check_expression",
    "check_template",
    "compile_expression",
    "compile_template",
    "evaluate",
    "function",
    "render",
]

# Loaded when first asked for: importing the package costs a process that evaluates nothing nothing.
_HOMES = {
    "BUILTINS": "functions.library",
    "Context": "frame",
    "Expression": "expression",
    "Function": "functions",
    "FunctionTable": "functions",
    "Known": "checks",
    "Template": "templates",
    "TextNamespace": "namespaces",
    "check_expression": "checks",
    "check_template": "checks",
    "compile_expression": "expression",
    "compile_template": "templates",
    "evaluate": "api",
    "function": "functions",
    "render": "api",
}


def __getattr__(name: str) -> Any:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from importlib import import_module

    value = getattr(import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value
