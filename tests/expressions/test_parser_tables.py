"""The parser's tables, which are made from the grammar beforehand."""

from __future__ import annotations

import json
import subprocess
import sys

import lark
import pytest

from tork_core.expressions.generate import grammar_digest, tables
from tork_core.expressions.parser import TABLES, from_grammar, parse

SOURCES = [
    "1 + 2 * -3 ** 4",
    "a?.b.c(1, 'x')[1:]?.[2] | f({ #.a; 2 }, {{k: `raw`}},)",
    "let x = if a { 1; 2 } else if b { 3 } else { 4 }; x not in [1, 2,] ? x : ::len(b'a')",
    "$env['a b'] ?: {a: 1, (b): .5, 0x1f: nil,}",
]


def test_the_tables_are_those_of_the_grammar() -> None:
    stored = json.loads(TABLES.read_text("utf-8"))
    made = json.loads(tables())
    advice = "run python -m tork_core.expressions.generate"
    assert stored["grammar_sha256"] == grammar_digest() == made["grammar_sha256"], advice
    assert stored["data"].keys() == made["data"].keys()


def test_the_tables_are_used() -> None:
    stored = json.loads(TABLES.read_text("utf-8"))
    if stored["lark_version"] != lark.__version__:
        pytest.skip("made by another version of Lark, so that the grammar itself is read")
    code = (
        "import tork_core.expressions.parser as parser\n"
        "del parser.GRAMMAR\n"
        "print(parser.parse('1 + 2').operator)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "+\n"


@pytest.mark.parametrize("source", SOURCES)
def test_both_parsers_read_alike(source: str) -> None:
    assert repr(from_grammar().parse(source)) == repr(parse(source))


def test_importing_the_package_loads_no_parser() -> None:
    code = "import sys, tork_core.expressions; print('lark' in sys.modules, 're2' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False"]
