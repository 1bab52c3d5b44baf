"""The parser's tables, which are made from the grammar beforehand."""

from __future__ import annotations

import hashlib
import subprocess
import sys

import lark
import pytest

from tork_core.expressions import _tables
from tork_core.expressions.generate import tables
from tork_core.expressions.parser import GRAMMAR, from_grammar, parse

SOURCES = [
    "1 + 2 * -3 ** 4",
    "a?.b.c(1, 'x')[1:]?.[2] | f({ #.a; 2 }, {{k: `raw`}},)",
    "let x = if a { 1; 2 } else if b { 3 } else { 4 }; x not in [1, 2,] ? x : ::len(b'a')",
    "$env['a b'] ?: {a: 1, (b): .5, 0x1f: nil,}",
]


def test_the_tables_are_those_of_the_grammar() -> None:
    digest = hashlib.sha256(GRAMMAR.read_bytes()).hexdigest()
    assert digest == _tables.GRAMMAR_SHA256, "run python -m tork_core.expressions.generate"


def test_tables_can_be_made_and_read() -> None:
    made: dict[str, object] = {}
    exec(compile(tables(), "_tables.py", "exec"), made)
    assert made["GRAMMAR_SHA256"] == _tables.GRAMMAR_SHA256
    assert made["LARK_VERSION"] == lark.__version__


@pytest.mark.parametrize("source", SOURCES)
def test_both_parsers_read_alike(source: str) -> None:
    assert repr(from_grammar().parse(source)) == repr(parse(source))


def test_importing_the_package_loads_no_parser() -> None:
    code = "import sys, tork_core.expressions; print('lark' in sys.modules, 're2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
