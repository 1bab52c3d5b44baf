"""Submissions that must be refused: each with a word that the answer has to say."""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator

Case = tuple[str, str, bytes, str]
"""A name, the format, the body, and a word of the answer."""


def bomb() -> bytes:
    """100 MiB of nothing in 100 KiB."""
    return gzip.compress(b"\0" * (100 << 20))


def _yaml() -> Iterator[tuple[str, str | bytes, str]]:
    yield "empty", "", "empty"
    yield "only a comment", "# nothing\n", "empty"
    yield "null", "null", "empty"
    yield "text", "just text", "mapping"
    yield "number", "42", "mapping"
    yield "list", "- run: x", "list"
    yield "no tasks", "name: x", "tasks"
    yield "tasks empty", "tasks: []", "tasks"
    yield "tasks null", "tasks:", "tasks"
    yield "tasks text", "tasks: hello", "tasks"
    yield "tasks mapping", "tasks: {run: x}", "tasks"
    yield "task text", "tasks: [hello]", "tasks[0]"
    yield "task null", "tasks: [null]", "tasks[0]"
    yield "task empty", "tasks: [{}]", "tasks[0]"
    yield "unknown field", "tasks: [{run: x, imgae: y}]", "image"
    yield "unknown top field", "taks: []\ntasks: [{run: x}]", "tasks"
    yield "two documents", "tasks: [{run: x}]\n---\ntasks: [{run: y}]", "document"
    yield "duplicate key", "tasks: [{run: x}]\nname: a\nname: b", "name"
    yield "duplicate in task", "tasks: [{run: x, run: y}]", "run"
    yield "tab", "tasks:\n\t- run: x", "line 2"
    yield "unclosed list", "tasks: [{run: x}", "line"
    yield "unclosed quote", 'tasks: [{run: "x}]', "line"
    yield "the seed's quotes", 'tasks:\n- run: x\n  env:\n    L: "{{len("hello world")}}"', "line 4"
    yield "bad indentation", "tasks:\n- run: x\n image: y", "line"
    yield "unknown alias", "tasks: *nope", "nope"
    yield "recursive alias", "tasks: &a [*a]", "line"
    yield "tag", "tasks: !!python/object/apply:os.system ['id']", "tag"
    yield "own tag", "tasks: !x [{run: x}]", "tag"
    yield "binary tag", "name: !!binary aGk=\ntasks: [{run: x}]", "tag"
    yield "mapping as key", "tasks: [{run: x, env: {A: {{ x }}}}]", "quote"
    yield "complex key", "? [a, b]\n: c\ntasks: [{run: x}]", "key"
    yield "billion laughs", _laughs(), "too big"
    yield "deep flow", "tasks: " + "[" * 100_000, "nesting"
    yield "deep block", "\n".join(" " * n + "a:" for n in range(700)), "deep"
    yield "deep mapping", "tasks: " + "{a: " * 5000, "deep"
    yield "many nodes", "tasks: [" + "a," * 200_000 + "]", "too big"
    yield "many aliases", "x: &x 1\ntasks: [" + "*x," * 5000 + "]", "alias"
    yield "long line", "tasks: [{run: x, nmae: " + "y" * 900_000 + "}]", "name"
    yield "bad utf-8", b"name: \xff\xfe\ntasks: [{run: x}]", "UTF-8"
    yield "utf-16", "tasks: [{run: x}]".encode("utf-16"), "UTF-8"
    yield "nul", b"name: a\0b\ntasks: [{run: x}]", "line 1"
    yield "nul escape", 'name: "a\\0b"\ntasks: [{run: x}]', "U+0000"
    yield "control", b"name: a\x07b\ntasks: [{run: x}]", "line 1"
    yield "surrogate", b'name: "\\ud800"\ntasks: [{run: x}]', "line 1"
    yield "only opener", "{", "line"
    yield "directive", "%YAML 9.9\n---\ntasks: [{run: x}]", "line"
    yield "anchors of keys", "tasks: [{<<: x, run: y}]", "<<"
    yield "a shell script", "#!/bin/sh\necho hello\n", "mapping"
    yield "html", "<html><body>hello</body></html>", "mapping"
    yield "json in yaml, broken", '{"tasks": [{"run": "x"}', "line"


def _fields() -> Iterator[tuple[str, object, str]]:
    task = {"run": "x"}
    job = {"tasks": [task]}
    for name, value, word in (
        ("name", "", "name"), ("name", "x" * 257, "256"), ("name", ["x"], "name"),
        ("name", {"a": 1}, "name"), ("description", [1], "description"), ("tags", "x", "tags"),
        ("tags", [["x"]], "tags"), ("inputs", "x", "inputs"), ("inputs", ["x"], "inputs"),
        ("inputs", {"a": ["b"]}, "inputs"), ("inputs", {"a": {"b": "c"}}, "inputs"),
        ("output", ["x"], "output"), ("output", "{{ 1 + }}", "output"),
        ("output", "{{ nothing.x }}", "nothing"), ("output", "{{ nope() }}", "nope"),
        ("defaults", "x", "defaults"), ("defaults", {"retry": {"limit": 99}}, "limit"),
        ("id", "x", "id"), ("state", "COMPLETED", "state"), ("createdAt", "x", "createdAt"),
        ("__class__", "x", "__class__"), ("", "x", "unknown"),
    ):  # fmt: skip
        yield f"job {name} {str(value)[:20]}", {**job, name: value}, word
    for name, value, word in (
        ("name", "", "name"), ("name", "x" * 257, "256"), ("name", [1], "name"),
        ("run", ["x"], "run"), ("run", {"a": "b"}, "run"), ("image", ["x"], "image"),
        ("env", "x", "env"), ("env", ["A=b"], "env"), ("env", {"A": ["b"]}, "env"),
        ("env", {"": "x"}, "env"), ("env", {"A=B": "x"}, "env"), ("env", {"A": "a\0b"}, "U+0000"),
        ("env", {"A": "{{ nope() }}"}, "nope"), ("env", {"A": "{{ 1 + }}"}, "env"),
        ("env", {"A": "{{ " + "(" * 5000 + " }}"}, "env"),
        ("env", {"A": "{{ " + "1+" * 200_000 + "1 }}"}, "env"),
        ("env", {"A": "{{ x.__class__ }}"}, "env"),
        ("queue", "completed", "queue"), ("queue", "x-worker", "queue"), ("queue", "", "queue"),
        ("queue", "q" * 300, "queue"), ("queue", "heartbeat", "queue"), ("queue", "dead", "queue"),
        ("retry", 3, "retry"), ("retry", {"limit": 0}, "limit"), ("retry", {"limit": -1}, "limit"),
        ("retry", {"limit": 11}, "limit"), ("retry", {"limit": "x"}, "limit"),
        ("retry", {"limit": 1e99}, "limit"), ("retry", {}, "limit"),
        ("retry", {"limit": 1, "initialDelay": "soon"}, "initialDelay"),
        ("limits", "x", "limits"), ("limits", {"memory": "10 gigs"}, "memory"),
        ("limits", {"memory": "0"}, "memory"), ("limits", {"memory": "-1m"}, "memory"),
        ("limits", {"cpus": "many"}, "cpus"), ("limits", {"cpus": "-1"}, "cpus"),
        ("limits", {"cpus": "NaN"}, "cpus"), ("limits", {"cpus": "inf"}, "cpus"),
        ("timeout", "soon", "timeout"), ("timeout", "0s", "timeout"), ("timeout", "-5m", "timeout"),
        ("timeout", "99999999999999999h", "timeout"), ("timeout", "5", "timeout"),
        ("var", ["x"], "var"), ("var", "v" * 65, "64"), ("if", ["x"], "if"),
        ("if", "{{ ) }}", "if"), ("priority", 10, "priority"), ("priority", -1, "priority"),
        ("priority", "high", "priority"), ("volumes", "x", "volumes"),
        ("volumes", ["relative"], "volumes"), ("volumes", ["/a/../etc"], "volumes"),
        ("volumes", ["/tork"], "volumes"), ("files", {"../x": "y"}, "files"),
        ("files", {"/etc/passwd": "y"}, "files"), ("workdir", "w" * 257, "workdir"),
        ("registry", {"username": "x"}, "registry"), ("cmd", "x", "cmd"),
        ("parallel", {"tasks": []}, "parallel"), ("each", {"list": "{{ 1 }}"}, "each"),
        ("subjob", {"tasks": []}, "subjob"), ("pre", [{}], "pre"), ("post", ["x"], "post"),
        ("mounts", [{"type": "bind", "source": "/etc", "target": "/tork"}], "mounts"),
        ("privileged", True, "privileged"), ("IMAGE", "x", "image"),
    ):  # fmt: skip
        yield f"task {name} {str(value)[:20]}", {"tasks": [{**task, name: value}]}, word


def _json() -> Iterator[tuple[str, str | bytes, str]]:
    yield "empty", "", "empty"
    yield "blank", "  \n", "empty"
    yield "null", "null", "empty"
    yield "list", "[]", "list"
    yield "text", '"x"', "mapping"
    yield "number", "1", "mapping"
    yield "no quotes", "{tasks: []}", "line 1"
    yield "trailing comma", '{"tasks": [{"run": "x"},]}', "line 1"
    yield "single quotes", "{'tasks': []}", "line 1"
    yield "cut", '{"tasks": [{"run": "x', "line 1"
    yield "two values", '{"tasks": [{"run": "x"}]} {}', "line 1"
    yield "duplicate", '{"tasks": [{"run": "x"}], "tasks": []}', "tasks"
    yield "deep", '{"tasks": ' + "[" * 500_000, "deep"
    yield "deep objects", '{"a": ' * 100_000, "deep"
    yield "NaN", '{"tasks": [{"run": "x", "priority": NaN}]}', "line 1"
    yield "Infinity", '{"tasks": [{"run": "x", "priority": Infinity}]}', "line 1"
    yield "huge number", '{"tasks": [{"run": "x", "priority": ' + "9" * 100_000 + "}]}", "priority"
    yield "huge exponent", '{"tasks": [{"run": "x", "priority": 1e999999}]}', "priority"
    yield "lone surrogate", '{"name": "\\ud800", "tasks": [{"run": "x"}]}', "line 1"
    yield "nul", '{"name": "a\\u0000b", "tasks": [{"run": "x"}]}', "U+0000"
    yield "raw control", '{"name": "a\nb", "tasks": [{"run": "x"}]}', "line"
    yield "bad utf-8", b'{"name": "\xff", "tasks": [{"run": "x"}]}', "UTF-8"
    yield "yaml", "tasks:\n- run: x\n", "line 1"
    yield "many", '{"tasks": [' + "1," * 300_000 + "1]}", "too big"


def _laughs() -> str:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    return "\n".join([*lines, "tasks: *a9"])


def cases() -> Iterator[Case]:
    """Yield them all."""
    plus = "+".join(["1"] * 1400)
    many = {f"A{number}": f"{{{{ {number} + {plus} }}}}" for number in range(320)}
    yield (
        "field: many long expressions",
        "json",
        json.dumps({"tasks": [{"run": "x", "env": many}]}).encode(),
        "100,000 characters",
    )
    for name, body, word in _yaml():
        yield f"yaml: {name}", "yaml", body if isinstance(body, bytes) else body.encode(), word
    for name, body, word in _json():
        yield f"json: {name}", "json", body if isinstance(body, bytes) else body.encode(), word
    for name, job, word in _fields():
        yield f"field: {name}", "json", json.dumps(job).encode(), word
