"""Odd jobs and odd requests, as people have sent them."""

from __future__ import annotations

import json
import socket
import time
from typing import Any

import pytest

from tests.trouble.place import JSON, YAML, Place, compressed

NAMES = [
    "two\nlines",
    "with \"quotes\" and 'others'",
    "a/b/../c",
    "{{ job.id }}",
    "日本 🚀 \u202eright",
    "-n --help",
    "tab\there",
    "<b>bold</b>",
    "%s %d",
    "\x1b[31mred",
    " blanks around ",
    "null",
    "x" * 256,
]


def test_names_of_all_kinds_are_shown_by_all_commands(shell: Place) -> None:
    for name in NAMES:
        ended = shell.run({"name": name, "run": "exit 1"}, name=name, description=name, tags=[name])
        assert ended.state == "FAILED"
        assert ended.job["name"] == name.replace("{{ job.id }}", ended.job["name"])
        for words in (["get", ended.job["id"]], ["why", ended.job["id"]]):
            done = shell.tork(*words)
            assert done.returncode == 0, done.stderr
            assert "\x1b" not in done.stdout
    done = shell.tork("list")
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout
    assert len({len(line.split()[0]) for line in done.stdout.splitlines()[1:]}) == 1


@pytest.mark.parametrize(
    ("condition", "runs"),
    [
        ("false", False),
        (" false ", False),
        ("{{ false }}", False),
        ("{{ 'false' }}", False),
        ("{{ 1 == 2 }}", False),
        ("{{ inputs.no }}", False),
        ("true", True),
        ("False", True),
        ("FALSE", True),
        ("0", True),
        ("{{ 0 }}", True),
        ("{{ nil }}", True),
        ("{{ '' }}", True),
        ("", True),
        ("no", True),
        ("{{ inputs.none }}", True),
        ("{{ [] }}", True),
        ("{{ !true }}", False),
        ("not false", True),
        ("{{ tasks.skipped }}", True),
        ("{{ tasks.skipped == '' }}", None),
    ],
)
def test_a_task_runs_unless_its_condition_is_false(
    shell: Place, condition: str, runs: bool | None
) -> None:
    skipped = {"run": "echo no", "if": "false", "var": "skipped"}
    ended = shell.run(skipped, {"run": "echo ran", "if": condition}, inputs={"no": "false"})
    assert ended.state == "COMPLETED", ended.error
    if runs is not None:
        assert ended.log == ("ran\n" if runs else "")
        assert ended.execution[1]["state"] == ("COMPLETED" if runs else "SKIPPED")
    assert ended.execution[0]["state"] == "SKIPPED"
    assert "skipped" not in ended.job["context"].get("tasks", {})


def test_yaml_conditions_without_quotes_work(shell: Place) -> None:
    ended = shell.run_yaml("tasks:\n- {run: echo a, if: false}\n- {run: echo b, if: true}\n")
    assert ended.log == "b\n"


def test_what_a_skipped_task_would_have_written_is_empty(place: Place) -> None:
    ended = place.run(
        {"run": "echo x > $TORK_OUTPUT", "if": "false", "var": "v"},
        {"env": {"V": "{{ tasks.v }}", "U": "{{ tasks.never }}"}, "run": 'echo "<$V><$U>"'},
        output="<{{ tasks.v }}>",
    )
    assert (ended.state, ended.log, ended.result) == ("COMPLETED", "<><>\n", "<>"), ended.error


@pytest.mark.parametrize("value", [5, 1.5, True, False, None, "text", "", 10**20])
def test_plain_inputs_of_json_are_text(shell: Place, value: object) -> None:
    body = json.dumps({"inputs": {"v": value}, "tasks": [{"run": "x"}], "output": "{{ inputs.v }}"})
    answer = shell.post(body.replace('"x"', '"true"').encode(), JSON)
    assert answer.status == 200, answer.text
    shown = "" if value is None else value if isinstance(value, str) else json.dumps(value)
    assert shell.ended(answer.json["id"]).result == shown


@pytest.mark.parametrize("value", [[1], {"a": 1}, [[]], {}])
def test_inputs_within_inputs_are_refused_by_name(shell: Place, value: object) -> None:
    body = json.dumps({"inputs": {"v": value}, "tasks": [{"run": "x"}]})
    answer = shell.post(body.encode(), JSON)
    assert answer.status == 400
    assert "$.inputs.v" in answer.error, answer.error


REFUSED = {
    "nothing": ("", "tasks"),
    "blank": ("\n\n", "tasks"),
    "null": ("null", "tasks"),
    "a list": ("- a\n- b\n", "list"),
    "a text": ("hello", "text"),
    "no tasks": ("name: x\n", "tasks"),
    "tasks null": ("name: x\ntasks:\n", "tasks"),
    "tasks empty": ("tasks: []\n", "at least one"),
    "tasks a mapping": ("tasks: {run: x}\n", "tasks"),
    "a task that is text": ("tasks: [echo]\n", "tasks[0]"),
    "a task that is null": ("tasks: [null]\n", "tasks[0]"),
    "a task that does nothing": ("tasks: [{name: x}]\n", "tasks[0]"),
    "unknown in a job": ("nmae: x\ntasks: [{run: x}]\n", 'did you mean "name"'),
    "unknown in a task": ("tasks: [{run: x, imgae: y}]\n", 'did you mean "image"'),
    "unknown in limits": ("tasks: [{run: x, limits: {memroy: 1m}}]\n", 'did you mean "memory"'),
    "unknown in retry": ("tasks: [{run: x, retry: {limits: 1}}]\n", 'did you mean "limit"'),
    "unknown in defaults": ("defaults: {que: x}\ntasks: [{run: x}]\n", "$.defaults.que"),
    "wrong case": ("tasks: [{Run: x}]\n", 'did you mean "run"'),
    "command instead of cmd": ("tasks: [{command: x, run: y}]\n", "$.tasks[0].command"),
    "script instead of run": ("tasks: [{script: x}]\n", "$.tasks[0].script"),
    "steps instead of tasks": ("steps: [{run: x}]\n", "$.steps"),
    "run a list": ("tasks: [{run: [a, b]}]\n", "$.tasks[0].run"),
    "cmd a text": ("tasks: [{cmd: echo x}]\n", "$.tasks[0].cmd"),
    "env a list": ("tasks: [{run: x, env: [A=1]}]\n", "$.tasks[0].env"),
    "env within env": ("tasks: [{run: x, env: {A: {B: c}}}]\n", "$.tasks[0].env.A"),
    "retry a number": ("tasks: [{run: x, retry: 3}]\n", "$.tasks[0].retry"),
    "retry too often": ("tasks: [{run: x, retry: {limit: 11}}]\n", "$.tasks[0].retry.limit"),
    "retry never": ("tasks: [{run: x, retry: {limit: 0}}]\n", "$.tasks[0].retry.limit"),
    "retry text": ("tasks: [{run: x, retry: {limit: two}}]\n", "$.tasks[0].retry.limit"),
    "memory": ("tasks: [{run: x, limits: {memory: 10 gigs}}]\n", "such as 10m"),
    "memory nought": ("tasks: [{run: x, limits: {memory: 0m}}]\n", "$.tasks[0].limits.memory"),
    "cpus": ("tasks: [{run: x, limits: {cpus: all}}]\n", "$.tasks[0].limits.cpus"),
    "cpus negative": ("tasks: [{run: x, limits: {cpus: -1}}]\n", "$.tasks[0].limits.cpus"),
    "priority": ("tasks: [{run: x, priority: 10}]\n", "$.tasks[0].priority"),
    "priority text": ("tasks: [{run: x, priority: high}]\n", "$.tasks[0].priority"),
    "a coordinator's queue": ("tasks: [{run: x, queue: pending}]\n", "$.tasks[0].queue"),
    "a worker's queue": ("tasks: [{run: x, queue: x-abc}]\n", "$.tasks[0].queue"),
    "an empty name": ("name: ''\ntasks: [{run: x}]\n", "$.name"),
    "a name too long": (f"name: {'x' * 257}\ntasks: [{{run: x}}]\n", "$.name"),
    "a var too long": (f"tasks: [{{run: x, var: {'v' * 65}}}]\n", "$.tasks[0].var"),
    "tags a text": ("tags: a,b\ntasks: [{run: x}]\n", "$.tags"),
    "an id": ("id: x\ntasks: [{run: x}]\n", "$.id"),
    "a state": ("state: COMPLETED\ntasks: [{run: x}]\n", "$.state"),
    "two documents": ("tasks: [{run: x}]\n---\ntasks: [{run: y}]\n", "second document"),
    "tabs": ("tasks:\n\t- run: x\n", "line 2"),
    "two of a key": ("tasks: [{run: x, run: y}]\n", "run"),
    "braces without quotes": ("tasks: [{run: x, env: {A: {{ inputs.x }} }}]\n", "quote"),
    "quotes in quotes": ('tasks: [{run: x, env: {A: "{{len("a b")}}"}}]\n', "line 1"),
    "a colon": ("tasks:\n- run: echo a: b\n", "line 2"),
    "a percent sign": ("tasks:\n- run: x\n  name: %a\n", "line 3"),
    "an at sign": ("tasks:\n- run: x\n  name: @a\n", "line 3"),
    "a backtick": ("tasks:\n- run: `id`\n", "line 2"),
    "wrong indents": ("tasks:\n  - run: x\n - run: y\n", "line 3"),
    "never closed": ("tasks: [{run: x}\n", "line"),
    "recursion": ("tasks: &a\n- *a\n", "line 2"),
    "a merge of text": ("tasks:\n- <<: x\n  run: y\n", "line 2"),
    "deep": ("tasks: " + "[" * 500 + "]" * 500, "deep"),
    "a bomb": (
        "".join(f"a{n}: &a{n} [{f'*a{n - 1}, ' * 9 if n else 'x'}]\n" for n in range(9)),
        "more than 100,000 values",
    ),
}  # fmt: skip


@pytest.mark.parametrize("kind", REFUSED)
def test_what_is_wrong_with_a_job_is_said_with_its_place(shell: Place, kind: str) -> None:
    text, words = REFUSED[kind]
    answer = shell.post(text.encode())
    assert answer.status == 400, answer.text
    assert words in answer.error, answer.error
    assert len(answer.error) < 2000


def test_the_same_is_said_without_a_server(shell: Place) -> None:
    files = [f"wrong-{n}.yaml" for n in range(len(REFUSED))]
    for file, (text, _) in zip(files, REFUSED.values(), strict=True):
        (shell.folder / file).write_text(text)
    done = shell.tork("validate", *files)
    assert done.returncode == 1
    for file, (_, words) in zip(files, REFUSED.values(), strict=True):
        # The command names line and column before the rest, as compilers do.
        said = [line for line in done.stdout.splitlines() if line.startswith(f"{file}:")]
        place = words.replace("line ", f"{file}:")
        assert any(words in line or place in line for line in said), (words, said)


def test_anchors_and_merges_work(shell: Place) -> None:
    text = """
        defaults: {retry: &retry {limit: 1}}
        tasks:
        - &first
          name: a
          retry: *retry
          env: &env {A: "1", B: "2"}
          run: echo $A $B
        - <<: *first
          name: b
          env: {<<: *env, B: "3"}
    """
    ended = shell.run_yaml("\n".join(line[8:] for line in text.splitlines()))
    assert ended.log == "1 2\n1 3\n"


@pytest.mark.parametrize(
    "kind",
    ["text/yaml", "application/yaml", "application/x-yaml", "text/yaml; charset=utf-8",
     "TEXT/YAML", "text/yaml;charset=UTF-8"],
)  # fmt: skip
def test_yaml_is_known_by_many_types(shell: Place, kind: str) -> None:
    answer = shell.post(b"tasks: [{run: 'true'}]", kind)
    assert answer.status == 200, answer.text


@pytest.mark.parametrize(
    ("kind", "status"),
    [
        ("", 400),
        ("text/plain", 415),
        ("application/x-www-form-urlencoded", 415),
        ("multipart/form-data; boundary=x", 415),
        ("json", 415),
        ("text/yaml; charset=latin1", 415),
        ("*/*", 415),
    ],
)
def test_other_types_are_refused_with_the_ones_that_work(
    shell: Place, kind: str, status: int
) -> None:
    answer = shell.post(b"tasks: [{run: 'true'}]", kind)
    assert answer.status in (400, status)
    assert "text/yaml" in answer.error or "UTF-8" in answer.error


def test_yaml_sent_as_json_is_an_error_that_says_so(shell: Place) -> None:
    answer = shell.post(b"tasks:\n- run: x\n", JSON)
    assert answer.status == 400
    assert "JSON" in answer.error
    assert shell.post(b'{"tasks": [{"run": "true"}]}', YAML).status == 200


def test_a_compressed_job_is_accepted(shell: Place) -> None:
    body = compressed(b"tasks: [{run: 'true'}]")
    assert shell.post(body, Content_Encoding="gzip").status == 200
    assert shell.post(body[:-5], Content_Encoding="gzip").status == 400
    assert shell.post(body).status == 400
    assert shell.post(compressed(b"#" * 50_000_000), Content_Encoding="gzip").status == 413


def test_a_job_in_chunks_is_accepted(shell: Place) -> None:
    host, port = shell.url.removeprefix("http://").split(":")
    body = b"tasks: [{run: 'true'}]"
    head = f"POST /job HTTP/1.1\r\nHost: {host}\r\nContent-Type: text/yaml\r\n"
    head += "Transfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
    chunks = b"".join(b"%x\r\n%c\r\n" % (1, byte) for byte in body) + b"0\r\n\r\n"
    with socket.create_connection((host, int(port)), timeout=10) as connection:
        connection.sendall(head.encode() + chunks)
        answer = b"".join(iter(lambda: connection.recv(65536), b""))
    assert answer.startswith(b"HTTP/1.1 200 "), answer


def test_a_thousand_tasks_run_in_their_order(shell: Place) -> None:
    ended = shell.run(*[f"echo {n}" for n in range(1000)])
    assert ended.state == "COMPLETED", ended.error
    assert ended.log == "".join(f"{n}\n" for n in range(1000))
    assert [task["position"] for task in ended.execution] == list(range(1, 1001))


def test_twenty_thousand_inputs_are_no_trouble(shell: Place) -> None:
    inputs = {f"i{n}": str(n) for n in range(20_000)}
    ended = shell.run({"env": {"V": "{{ inputs.i19999 }}"}, "run": "echo $V"}, inputs=inputs)
    assert ended.log == "19999\n"


def test_a_failure_ends_a_job_and_later_tasks_are_not_in_its_execution(place: Place) -> None:
    ended = place.run("echo one", "exit 3", "echo never")
    assert ended.state == "FAILED"
    assert [task["state"] for task in ended.execution] == ["COMPLETED", "FAILED"]
    assert ended.job["error"].startswith("exit code 3")
    assert ended.job["position"] == 2
    assert ended.log == "one\n"


def test_retries_are_tasks_of_their_own(place: Place) -> None:
    """celery/celery#6931: there were more of them than their limit."""
    ended = place.run({"run": "echo $TORK_TASK_ID; exit 5", "retry": {"limit": 2}})
    assert ended.state == "FAILED"
    assert [task["state"] for task in ended.execution] == ["FAILED"] * 3
    ids = [task["id"] for task in ended.execution]
    assert len(set(ids)) == 3
    assert ended.log.split() == ids
    assert all(task["error"].startswith("exit code 5") for task in ended.execution)


def test_a_cancelled_task_is_not_retried_whatever_it_answers(place: Place) -> None:
    """argoproj/argo-workflows#1620, kestra-io/kestra#2057, procrastinate-org/procrastinate#1131,
    Flared/dramatiq-abort#30: it was; argoproj/argo-workflows#15472: it stayed RUNNING for ever."""
    scripts = (
        "trap 'exit 1' TERM; echo begun; while :; do sleep 0.05; done",
        "trap 'exit 0' TERM; echo begun; while :; do sleep 0.05; done",
        "echo begun; exec sleep 100",
    )
    ids = [place.submit({"run": script, "retry": {"limit": 3}}, "true") for script in scripts]
    for job_id in ids:
        place.until_printed(job_id, "begun")
        place.cancel(job_id)
    # What a task answers, comes after its job has ended; another one on the same worker is later.
    assert place.run("sleep 0.3").state == "COMPLETED"
    for job_id in ids:
        ended = place.ended(job_id)
        assert ended.state == "CANCELLED"
        assert [task["state"] for task in ended.execution] == ["CANCELLED"]


def test_a_cancel_at_the_end_is_answered_as_it_ends(shell: Place) -> None:
    """apache/airflow#19635: a task was successful, and then it was not."""
    for n in range(20):
        job_id = shell.submit("true")
        time.sleep(n * 0.002)  # from before its start to after its end
        answer = shell.call("PUT", f"/jobs/{job_id}/cancel")
        state = shell.ended(job_id).state
        assert (answer.status, state) in ((200, "CANCELLED"), (400, "COMPLETED"))


def test_a_job_can_be_cancelled_in_every_state(place: Place) -> None:
    queued = place.submit({"run": "echo never", "queue": "nobody-serves-this"})
    place.cancel(queued)
    assert place.ended(queued).state == "CANCELLED"
    running = place.submit("echo begun; sleep 100", "echo never")
    place.until_printed(running, "begun")
    place.cancel(running)
    ended = place.ended(running)
    assert [task["state"] for task in ended.execution] == ["CANCELLED"]
    waiting = place.submit({"run": "exit 1", "retry": {"limit": 1, "initialDelay": "1h"}})
    place.until(waiting, lambda job: job.get("execution", [{}])[0].get("state") == "FAILED")
    place.cancel(waiting)
    assert place.ended(waiting).state == "CANCELLED"
    fresh = place.submit("sleep 100")
    place.cancel(fresh)
    assert place.ended(fresh).state == "CANCELLED"
    for job_id in (queued, running, waiting, fresh):
        again = place.call("PUT", f"/job/{job_id}/cancel")
        assert (again.status, again.error) == (400, "job is not running")


def test_a_task_on_a_queue_that_nobody_serves_says_so(shell: Place) -> None:
    job_id = shell.submit({"run": "true", "queue": "gpu"})
    try:
        assert "no worker serves queue gpu" in shell.tork("get", job_id).stdout
    finally:
        shell.cancel(job_id)


def test_fields_that_do_not_work_yet_are_named_and_not_ignored(shell: Place) -> None:
    fields: dict[str, Any] = {
        "parallel": {"tasks": [{"run": "x"}]},
        "each": {"list": "{{ [1] }}", "task": {"run": "x"}},
        "mounts": [{"type": "tmpfs", "target": "/x"}],
        "networks": ["n"],
        "sidecars": [{"image": "x"}],
        "gpus": "all",
    }
    for name, value in fields.items():
        task = {name: value} if name in ("parallel", "each") else {"run": "x", name: value}
        answer = shell.post(json.dumps({"tasks": [task]}).encode(), JSON)
        assert answer.status == 400, f"{name} works by now: take it out of this list"
        assert f"$.tasks[0].{name}" in answer.error, answer.error


@pytest.mark.parametrize(
    "var", ["a.b", "a-b", "1", "größe", "a b", "A", "job", "tasks", "__class__"]
)
def test_variables_of_any_name_can_be_read(shell: Place, var: str) -> None:
    ended = shell.run(
        {"run": "printf yes > $TORK_OUTPUT", "var": var},
        output=f"{{{{ tasks[{json.dumps(var, ensure_ascii=False)}] }}}}",
    )
    assert (ended.state, ended.result) == ("COMPLETED", "yes"), ended.error


def test_one_key_means_one_job(shell: Place) -> None:
    body = b"tasks: [{run: 'true'}]"
    ids = {shell.post(body, Idempotency_Key="a key").json["id"] for _ in range(5)}
    assert len(ids) == 1
