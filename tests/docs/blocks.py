"""The code blocks of a page, and how to run them.

A comment right before a block says what a reader is told in words:

- ``<!-- file: hello.yaml -->``: save it under that name;
- ``<!-- example: hello.yaml -->``: it is that file of ``examples/``, word for word;
- ``<!-- tested by: PATH -->``: a test of its own runs it, because it takes more than a folder;
- ``<!-- not run: REASON -->``: nothing can run it here.

All blocks of a page run in one folder, in their order.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
ELSEWHERE = {
    "mermaid": "tests/docs/test_site.py",
    "expr": "tests/expressions/test_docs.py",
    "template": "tests/expressions/test_docs.py",
    "error": "tests/expressions/test_docs.py",
}
"""Languages that a test of their own runs."""

_FENCE = re.compile(
    r"(?:^<!-- (?P<key>file|example|tested by|not run): (?P<value>[^>]+?) -->\n)?"
    r"^```(?P<language>\w*)\n(?P<text>.*?)^```$",
    re.MULTILINE | re.DOTALL,
)
_VARYING = [
    (re.compile(r"\b[0-9a-f]{32}\b"), "ID"),
    (re.compile(r"\b\d+\.\d\d s\b"), "SECONDS"),
    (re.compile(r"\(after \d+ s\)"), "(after SECONDS)"),
    (re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z"), "TIME"),
]


@dataclass(frozen=True)
class Block:
    """A fenced block, and what its comment says."""

    language: str
    text: str
    file: str | None = None
    tested_by: str | None = None
    not_run: str | None = None


def pages() -> list[Path]:
    """Return every page in Markdown of the repository."""
    inner = (page for page in ROOT.glob("*/**/*.md") if not _is_made(page.relative_to(ROOT)))
    return sorted([*ROOT.glob("*.md"), *inner])


def _is_made(page: Path) -> bool:
    return page.parts[0] in {"build", "dist"} or page.parts[0].startswith(".")


def blocks(page: Path) -> Iterator[Block]:
    """Yield the blocks of a page, in order."""
    for found in _FENCE.finditer(page.read_text()):
        key, value = found["key"], found["value"]
        if key == "example":
            key, value = "file", f"examples/{value}"
            assert found["text"] == (ROOT / value).read_text(), f"{page} shows another {value}"
        yield Block(
            found["language"],
            found["text"],
            file=value if key == "file" else None,
            tested_by=value if key == "tested by" else ELSEWHERE.get(found["language"]),
            not_run=value if key == "not run" else None,
        )


class Desk:
    """A reader at work: a folder, a home, and ``tork``, ``python`` and ``pip`` at hand."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder / "work"
        self._folder.mkdir()
        programs, site = folder / "bin", folder / "site"
        programs.mkdir()
        # What a page installs is for that page alone, and brings along nothing from elsewhere.
        options = f"-q --no-deps --no-build-isolation --target {site}"
        pip = programs / "pip"
        pip.write_text(f'#!/bin/sh\nexec {sys.executable} -m pip "$@" {options}\n')
        pip.chmod(0o755)
        path = [str(programs), str(Path(sys.executable).parent), os.environ["PATH"]]
        self._environ = {
            **{name: value for name, value in os.environ.items() if not name.startswith("TORK_")},
            "HOME": str(folder),
            "PATH": os.pathsep.join(path),
            "PYTHONPATH": str(site),
            "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        }

    def do(self, block: Block) -> None:
        """Do what a block asks for; raises AssertionError if it does not work."""
        if block.file is not None:
            file = self._folder / block.file
            file.parent.mkdir(exist_ok=True)
            file.write_text(block.text)
            return
        match block.language:
            case "console":
                self.type(block.text)
            case "python":
                self._run([sys.executable, "-"], block.text)
            case "yaml":
                self._run(["tork", "validate", "-"], _as_job(block.text))
            case "toml":
                (self._folder / "config.toml").write_text(block.text)
                self._run(["tork", "config", "show"])
            case "json":
                json.loads(block.text)
            case _:
                raise AssertionError(f"no test knows how to run a block of {block.language!r}")

    def type(self, text: str) -> None:
        """Type the commands after each ``$`` in one shell, and compare what each prints, where
        the page shows that."""
        commands, expected = _read_console(text)
        script = "".join(
            f"{{ {command}\n}} 2>&1; _s=$?; echo $'\\1'$_s; (exit $_s)\n" for command in commands
        )
        done = self._run(["bash"], script, check=False)
        answers = re.findall(r"(.*?)\x01(\d+)\n", done, re.DOTALL)
        assert len(answers) == len(commands), done
        for number, (printed, status) in enumerate(answers):
            following = commands[number + 1 : number + 2]
            assert status == "0" or following == ["echo $?"], f"{commands[number]}: {done}"
            assert not expected[number] or matches(printed, expected[number]), (
                f"{commands[number]}\nprinted:\n{printed}\nexpected:\n{expected[number]}"
            )

    def _run(self, command: list[str], text: str = "", *, check: bool = True) -> str:
        done = subprocess.run(
            command,
            cwd=self._folder,
            env=self._environ,
            input=text,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=120,
        )
        assert not check or done.returncode == 0, f"{command}:\n{text}\n{done.stdout}"
        return done.stdout


def _read_console(text: str) -> tuple[list[str], list[str]]:
    """Commands, and what each is to print. A line that ends with a backslash goes on."""
    commands: list[str] = []
    expected: list[str] = []
    for line in text.splitlines():
        if line.startswith("$ "):
            commands.append(line[2:])
            expected.append("")
        elif commands and commands[-1].endswith("\\") and not expected[-1]:
            commands[-1] += f"\n{line}"
        else:
            assert commands, f"a console block begins with a command: {text}"
            expected[-1] += f"{line}\n"
    return commands, expected


def matches(printed: str, expected: str) -> bool:
    """Whether it is what a page says: ids and times vary, and ``...`` stands for any lines."""
    for pattern, name in _VARYING:
        printed, expected = pattern.sub(name, printed), pattern.sub(name, expected)
    parts = [re.escape(part) for part in re.split(r"^\.\.\.\n", expected, flags=re.MULTILINE)]
    return re.fullmatch("(?:.*\n)*".join(parts), printed) is not None


def _as_job(text: str) -> str:
    """A page may show a job, a list of tasks, or one task."""
    if re.search(r"^tasks:", text, re.MULTILINE):
        return text
    lines = text.splitlines()
    if text.startswith("- "):
        return "tasks:\n" + "".join(f"  {line}\n" for line in lines)
    return "tasks:\n" + "".join(
        f"{'    ' if n else '  - '}{line}\n" for n, line in enumerate(lines)
    )
