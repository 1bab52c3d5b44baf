"""Expressions against their peers: simpleeval, cel-python and Jinja2 (sandboxed, compiled).

    pip install simpleeval cel-python jinja2
    python benchmarks/expressions.py

The same 20 expressions run in every language, each in its own spelling; all must give the same
value before anything is timed. A peer that is not installed is left out. Times are the best of
several rounds, in microseconds for one evaluation of a compiled expression (simpleeval: of a parsed
one), on one core.
"""

from __future__ import annotations

import json
import math
import statistics
import subprocess
import sys
import timeit
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias

Evaluate: TypeAlias = Callable[[], object]
Prepare: TypeAlias = Callable[[str], Evaluate]

ENV: dict[str, Any] = {
    "inputs": {"name": "Ann", "n": "5", "flag": "true", "url": "https://example.org/a?b=1"},
    "tasks": {"first": "done", "second": "a,b,c"},
    "job": {"id": "42", "name": "nightly"},
    "i": 7,
    "f": 2.5,
    "yes": True,
    "xs": [3, 1, 2],
}


@dataclass(frozen=True, slots=True)
class Case:
    """One expression in the four languages; None where two spell it alike."""

    tork: str
    cel: str | None = None
    python: str | None = None
    jinja: str | None = None


CASES = [
    Case("1 + 2 * 3"),
    Case("i + 1"),
    Case("i * 2 - 3"),
    Case("(i + 1) * (i - 1)"),
    Case("f * 2.0 + 1.5"),
    Case("i == 7"),
    Case("i > 3 && i < 10", python="i > 3 and i < 10", jinja="i > 3 and i < 10"),
    Case("yes ? 1 : 2", python="1 if yes else 2", jinja="1 if yes else 2"),
    Case("inputs.name", python="inputs['name']", jinja="inputs.name"),
    Case("inputs.flag == 'true'", python="inputs['flag'] == 'true'"),
    Case("inputs.name + '!'", python="inputs['name'] + '!'", jinja="inputs.name ~ '!'"),
    Case(
        "tasks.first == 'done' && inputs.n == '5'",
        python="tasks['first'] == 'done' and inputs['n'] == '5'",
        jinja="tasks.first == 'done' and inputs.n == '5'",
    ),
    Case("int(inputs.n) + 1", python="int(inputs['n']) + 1", jinja="(inputs.n | int) + 1"),
    Case("len(xs)", cel="size(xs)", jinja="xs | length"),
    Case("xs[0] + xs[1]"),
    Case("2 in xs"),
    Case("not (i == 3)", cel="!(i == 3)"),
    Case("[1, 2, i]"),
    Case("i > 5 || yes", python="i > 5 or yes", jinja="i > 5 or yes"),
    Case("i % 4 == 3"),
]


def prepare_tork(source: str) -> Evaluate:
    from tork_core.expressions import compile_expression

    expression = compile_expression(source)
    return lambda: expression(ENV)


def prepare_simpleeval(source: str) -> Evaluate:
    import simpleeval

    class Evaluator(simpleeval.EvalWithCompoundTypes):
        pass

    evaluator = Evaluator(names=ENV, functions={"int": int, "len": len})
    parsed = evaluator.parse(source)
    return lambda: evaluator.eval(source, previously_parsed=parsed)


def prepare_cel(source: str) -> Evaluate:
    import celpy
    from celpy.adapter import json_to_cel

    environment = celpy.Environment()
    program = environment.program(environment.compile(source))
    activation = {name: json_to_cel(value) for name, value in ENV.items()}
    return lambda: program.evaluate(activation)


def prepare_jinja(source: str) -> Evaluate:
    from jinja2.sandbox import SandboxedEnvironment

    expression = SandboxedEnvironment().compile_expression(source)
    return lambda: expression(**ENV)


def spelled(case: Case, peer: str) -> str:
    """The case in a peer's language."""
    own = {"simpleeval": case.python, "cel-python": case.cel, "jinja2": case.jinja or case.python}
    return own.get(peer) or case.tork


PEERS: Mapping[str, Prepare] = {
    "tork": prepare_tork,
    "simpleeval": prepare_simpleeval,
    "cel-python": prepare_cel,
    "jinja2": prepare_jinja,
}


ROUNDS = 9


def microseconds(call: Evaluate, rounds: int = 7) -> float:
    """The time of one call: the best of several rounds of some 10 ms."""
    timer = timeit.Timer(call)
    number, _ = timer.autorange(lambda _n, _t: None)
    number = max(1, number // 20)
    return min(timer.repeat(rounds, number)) / number * 1e6


def available() -> list[str]:
    """The peers that are installed."""
    found: list[str] = []
    for name, prepare in PEERS.items():
        try:
            prepare("1 + 2")()
        except ModuleNotFoundError as error:
            print(f"{name} is left out: {error}")
        else:
            found.append(name)
    return found


def compare(peers: list[str]) -> None:
    """Time the cases in every language, one language after the other in each round, and print."""
    calls: dict[str, list[Evaluate]] = {name: [] for name in peers}
    for case in CASES:
        wanted = prepare_tork(case.tork)()
        for name in peers:
            evaluate = PEERS[name](spelled(case, name))
            if evaluate() != wanted:
                raise SystemExit(f"{name} gives {evaluate()!r} for {case.tork}, not {wanted!r}")
            calls[name].append(evaluate)
    times = {name: [math.inf] * len(CASES) for name in peers}
    for _ in range(ROUNDS):
        for number in range(len(CASES)):
            for name in peers:
                measured = microseconds(calls[name][number], rounds=1)
                times[name][number] = min(times[name][number], measured)

    print(f"{'microseconds an evaluation':44}" + "".join(f"{name:>12}" for name in peers))
    for number, case in enumerate(CASES):
        row = "".join(f"{times[name][number]:12.2f}" for name in peers)
        print(f"{case.tork:44}{row}")
    for label, mean in (("mean", statistics.fmean), ("median", statistics.median)):
        print(f"{label:44}" + "".join(f"{mean(times[name]):12.2f}" for name in peers))
    print("times as long as tork (over the expressions):")
    for name in peers[1:]:
        ratios = [peer / own for own, peer in zip(times["tork"], times[name], strict=True)]
        print(
            f"  {name:12} least {min(ratios):6.1f}   geometric mean"
            f" {statistics.geometric_mean(ratios):6.1f}"
            f"   of the sums {sum(times[name]) / sum(times['tork']):6.1f}"
        )


def parsing() -> None:
    """Time parsing, cold and warm, and bare templates."""
    from tork_core.expressions import TextNamespace, compile_template
    from tork_core.expressions.expression import Expression
    from tork_core.expressions.functions.library import BUILTINS

    print("parsing and compiling, microseconds:")
    for source in ("inputs.name", CASES[11].tork, "map(filter(xs, # > 1), {{a: #, b: # * 2}})"):
        print(f"  {source:50}{microseconds(lambda s=source: Expression(s, BUILTINS)):10.1f}")
    template = compile_template("{{ inputs.name }}")
    env = {"inputs": TextNamespace(ENV["inputs"])}
    bare = microseconds(lambda: template.render(env))
    print(f"template {{{{ inputs.name }}}}, microseconds: {bare:.2f}")
    found = microseconds(lambda: compile_template("{{ inputs.name }}").render(env))
    print(f"  looked up in the cache as well:{found:29.2f}")


COLD = """
import json, time
start = time.perf_counter(); import tork_core.expressions as language
imported = time.perf_counter(); language.evaluate
loaded = time.perf_counter(); import lark
lark_ = time.perf_counter(); language.evaluate("1 + 2")
done = time.perf_counter()
print(json.dumps([imported - start, loaded - imported, lark_ - loaded, done - lark_]))
"""


def start_up() -> None:
    """Time the import and the first evaluation in fresh processes."""
    runs = [
        json.loads(
            subprocess.run([sys.executable, "-c", COLD], capture_output=True, check=True).stdout
        )
        for _ in range(7)
    ]
    names = (
        "import tork_core.expressions",
        "its modules, on first use",
        "import lark",
        "first parse",
    )
    print("start-up in a fresh process, milliseconds (best of 7):")
    for name, values in zip(names, zip(*runs, strict=True), strict=True):
        print(f"  {name:34}{min(values) * 1e3:8.1f}")


if __name__ == "__main__":
    compare(available())
    parsing()
    start_up()
