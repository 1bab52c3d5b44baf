"""libyaml's errors in words that name the likely mistake.

libyaml says what it missed (``did not find expected key``). Behind that stand a few mistakes
that people make again and again in job files, most of them around templates.
"""

from __future__ import annotations

import re

import yaml

from tork_core.errors import InvalidJob
from tork_core.model.problems import Path
from tork_core.model.secret_names import is_secret_name
from tork_core.model.source import Source

_NOT_ALLOWED = re.compile(
    "[^\t\n\r\x20-\x7e\x85\xa0-\ud7ff\ue000-\ufefe\uff00-\ufffd\U00010000-\U0010ffff]"
)
"""What libyaml's reader refuses."""

# These search no more than `line_around` gives: on a long line they would take seconds.
_TEMPLATE = re.compile(r"\{\{.*?\}\}")
_QUOTED_TEMPLATE = re.compile(r'"(\{\{[^}]*"[^}]*\}\}[^"]*)"')
_EXAMPLE = "{{ … }}"
_UNQUOTED_TEMPLATE = re.compile(r"(?:^|[:\-,\[])\s*\{\{")


def not_yaml(error: yaml.YAMLError, source: Source, path: Path) -> InvalidJob:
    """Return libyaml's error with its place, and with what to do where that can be guessed."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        offset = min(error.problem_mark.index, len(source.text))
        message = f"not YAML: {error.problem}{_context(error, source)}{_hint(error, source, path)}"
        return source.invalid(message, offset=offset, path=path)
    found = _NOT_ALLOWED.search(source.text)
    if found is None:
        return source.invalid(f"not YAML: {error}", offset=0, path=path)
    return source.invalid(
        f"the character U+{ord(found[0]):04X} is not allowed in YAML", offset=found.start()
    )


def template_hint(source: Source, offset: int, path: Path) -> str:
    """Return the advice to put the template that begins at ``offset`` in quotes, if one does."""
    if not source.text.startswith("{{", offset):
        return ""
    return _quote_it(source.line_around(offset), path)


def _context(error: yaml.MarkedYAMLError, source: Source) -> str:
    """Return what libyaml was reading, where that began on an earlier line."""
    if error.context is None or error.context_mark is None or error.problem_mark is None:
        return ""
    begin, _ = source.place(error.context_mark.index)
    found, _ = source.place(error.problem_mark.index)
    return f", {error.context} that begins on line {begin}" if begin < found else ""


def _hint(error: yaml.MarkedYAMLError, source: Source, path: Path) -> str:
    assert error.problem_mark is not None
    offset = min(error.problem_mark.index, len(source.text))
    line = source.line_around(offset)
    character = source.text[offset : offset + 1]
    problem = error.problem or ""
    if "cannot start any token" in problem and character == "\t":
        return "; indent with spaces, not with tabs"
    if "cannot start any token" in problem:
        return f'; put text that begins with {character} in quotes: "{character}…"'
    inner = _QUOTED_TEMPLATE.search(line)
    if inner is not None:
        text = _EXAMPLE if _is_secret(line, inner, path) else inner[1]
        return f"; the inner quotes end the text: put the outer ones as '{text}'"
    if _UNQUOTED_TEMPLATE.search(line):
        return _quote_it(line, path)
    if "mapping values are not allowed" in problem:
        return '; put text that holds ": " in quotes, and check the indentation'
    return ""


def _quote_it(line: str, path: Path) -> str:
    found = _TEMPLATE.search(line)
    text = _EXAMPLE if found is None or _is_secret(line, found, path) else found[0]
    mark = "'" if '"' in text else '"'
    return f"; put a template in quotes: {mark}{text}{mark}"


def _is_secret(line: str, found: re.Match[str], path: Path) -> bool:
    """Whether what was found on a line stands where a secret does, as far as that can be told."""
    names = (step for step in path if isinstance(step, str))
    return any(map(is_secret_name, (line[: found.start()], *names)))
