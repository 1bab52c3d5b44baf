"""Secrets, as they have leaked: every place that shows anything is searched for them."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable
from urllib.parse import quote, quote_plus

import pytest

from tests.trouble.place import JSON, Ended, Place

PEM = (
    "-----BEGIN PRIVATE KEY-----\n"
    "MIIEvgIBADANBgkqhkiG9w0BAQEFAASCBKgwggSkAgEAAoIBAQC7VJTUt9Us8cKj\n"
    "aBcDeFgHiJkLmNoPqRsTuVwXyZ0123456789abcdefghijklmnopqrstuvwxyz+/9\n"
    "Zm9vYmFyZm9vYmFy\n"
    "-----END PRIVATE KEY-----\n"
)

VALUES = {
    "word": "correct-horse",
    "blanks": "correct horse battery",
    "short": "s3kr",
    "quotes": 'it\'s "so" `secret`',
    "runs of blanks": "correct  horse\t battery",
    "short lines": "abc\ndef\nghi\n",
    "backslash": "C:\\pass\\word\\n",
    "dollar": "pa$$w0rd$HOME",
    "percent": "100%25%s%n%d",
    "pattern": ".*+?[a-z](x|y)^$",
    "html": "<b>&amp;'x'",
    "unicode": "пароль-日本-🔑",
    "combining": "pass\u0301word",
    "url": "https://user:hunter2@example.org/x?y=z",
    "userinfo": "p@ss:w/ord",
    "braces": "{not} }}a{{".replace("{{", "{ {"),
    "json": '{"token": "abc", "n": [1, 2]}',
    "tabs": "one\ttwo\tthree",
    "pem": PEM,
    "crlf": PEM.replace("\n", "\r\n"),
    "numbers": "1234567890",
    "dashes": "--password=x",
    "escape": "a\x1b[1mb\x1b[0mc",
    "long": "0123456789abcdef" * 300,
}
"""actions/runner#27, #326, #2960, #2232; jenkinsci/hashicorp-vault-plugin#78; nektos/act#1601;
woodpecker-ci/woodpecker#388; microsoft/azure-pipelines-agent#3464; buildkite/agent#2062, and #3233:
several lines that were printed as one; travis-ci/travis-ci#1775: shown by a shell's complaint."""

WAYS = """
printf '%s\\n' "$MY_SECRET"
echo "in the midst:$MY_SECRET:of a line"
echo "$MY_SECRET$MY_SECRET"
printf '%s' "$MY_SECRET" >&2; echo
printf '%s' "$MY_SECRET" | base64 | tr -d '\\n'; echo
printf 'a%s' "$MY_SECRET" | base64
printf 'ab%s' "$MY_SECRET" | base64 | tr -d '\\n'; echo
printf '%s' "$MY_SECRET" | while IFS= read -r line; do echo "line $line"; done
env | grep -a . | tail -n 100
export -p
set
(set -x; : "$MY_SECRET"; : "a $MY_SECRET b")
(set -f; echo $MY_SECRET)
(eval ": ($MY_SECRET") || :
"""


def shapes(value: str) -> list[str]:
    """A secret as it is, line by line, and as it is usually encoded."""
    lines = [line.strip() for line in value.splitlines() if len(line.strip()) >= 4]
    found = [value.strip(), *lines, json.dumps(value.strip())[1:-1]]
    found += [re.sub("[ \t\n]+", " ", text) for text in found[:-1]]
    found += [value.strip().replace("'", quote_) for quote_ in ("'\\''", "'\"'\"'", "\\'")]
    found += ["".join(f"\\{byte:03o}" for byte in value.strip().encode() if byte > 127)]
    found += [quote(value.strip(), safe=""), quote(value.strip()), quote_plus(value.strip())]
    for prefix in (b"", b"a", b"ab"):
        encoded = base64.b64encode(prefix + value.strip().encode()).decode()
        found.append(encoded[4:-4] if prefix else encoded[:-4])
    return [shape for shape in found if len(shape) >= 4]


def channels(place: Place, ended: Ended) -> Iterable[tuple[str, str]]:
    """Yield all that shows anything of a job."""
    job_id = ended.job["id"]
    yield "log", ended.log
    for path in (
        f"/jobs/{job_id}",
        f"/job/{job_id}",
        f"/jobs/{job_id}/log",
        f"/jobs/{job_id}/events",
        "/jobs?size=100",
        "/queues",
        "/nodes",
    ):
        yield path, place.call("GET", path).text
    for task in ended.execution:
        yield "task", place.call("GET", f"/tasks/{task['id']}").text
        yield "task's log", place.call("GET", f"/tasks/{task['id']}/log").text
    yield "stream", place.stream(job_id)
    yield "the server's own log", place.server_log


def commands(place: Place, ended: Ended) -> Iterable[tuple[str, str]]:
    """Yield what the commands print of a job."""
    job_id = ended.job["id"]
    for words in (
        ["get", job_id], ["get", "--json", job_id], ["logs", job_id], ["logs", "--json", job_id],
        ["logs", "-f", job_id], ["why", job_id], ["why", "--json", job_id], ["list"],
        ["list", "--json"],
    ):  # fmt: skip
        done = place.tork(*words)
        yield " ".join(words), done.stdout + done.stderr


def search(found: Iterable[tuple[str, str]], *values: str) -> None:
    """Fail if a secret stands anywhere, in any shape."""
    for where, text in found:
        unescaped = text.replace('\\"', '"').replace("\\\\", "\\").replace("\\n", "\n")
        for value in values:
            for shape in shapes(value):
                at = max(text.find(shape), unescaped.find(shape))
                assert at < 0, f"{where} shows {shape!r}: …{text[max(0, at - 60) : at + 60]}"


@pytest.mark.parametrize("kind", VALUES)
def test_a_secret_is_shown_nowhere(shell: Place, kind: str) -> None:
    value = VALUES[kind]
    task = {"env": {"MY_SECRET": value}, "run": WAYS}
    ended = shell.run(task)
    assert ended.state == "COMPLETED", ended.error
    assert "[REDACTED]" in ended.log
    search(channels(shell, ended), value)


def test_secrets_are_shown_nowhere_in_containers_either(docker: Place) -> None:
    env = {f"MY_SECRET{n}": value for n, value in enumerate(VALUES.values())}
    ways = "\n".join(WAYS.replace("MY_SECRET", name) for name in env)
    ended = docker.run({"env": env, "run": ways})
    assert ended.state == "COMPLETED", ended.error
    search(channels(docker, ended), *VALUES.values())


NAMES = ["SECRET", "db_password", "x.Secret.y", "AWS_ACCESS_KEY_ID", "my-PassWord2", "PASSWORDS"]


def test_every_name_with_one_of_the_words_means_a_secret(place: Place) -> None:
    env = {name: f"hidden-value-{n}" for n, name in enumerate(NAMES)}
    shown = {"TOKEN": "shown-value-1", "PASS": "shown-value-2", "ACCESSKEY": "shown-value-3"}
    ended = place.run({"env": {**env, **shown}, "cmd": ["env"]})
    search(channels(place, ended), *env.values())
    for value in shown.values():
        assert value in ended.log


def test_a_secret_hides_in_every_text_of_a_failing_job(place: Place) -> None:
    """rundeck/rundeck#1780, actions/runner#507, SAP/InfraBox#19."""
    secret = "zq-top-secret-41"
    ended = place.run(
        {
            "name": "shows {{ inputs.a_secret }}",
            "var": "v",
            "env": {"PLAIN": "{{ inputs.a_secret }}", "URL": "http://u:{{ inputs.a_secret }}@h/"},
            "run": 'echo $URL; printf %s "$PLAIN" > $TORK_OUTPUT',
        },
        {
            "name": "{{ tasks.v }}",
            "env": {"ALSO": "{{ tasks.v }}"},
            "run": 'set -x; : "$ALSO"; "./$ALSO"; "$ALSO" || exit 3',
        },
        name=f"job with {secret}",
        inputs={"a_secret": secret},
        output="{{ inputs.a_secret }}",
    )
    assert ended.state == "FAILED"
    assert "exit code 3" in ended.error
    assert "[REDACTED]" in ended.error
    search(channels(place, ended), secret)
    search(commands(place, ended), secret)


@pytest.mark.parametrize(
    "task",
    [
        {"cmd": ["/no/such/zq-top-secret-42"]},
        {"cmd": ["zq-top-secret-42"]},
        {"run": "#!/no/zq-top-secret-42\n"},
        {"run": "x", "entrypoint": ["/bin/zq-top-secret-42"]},
        {"run": "zq-top-secret-42"},
        {"run": "echo zq-top-secret-42 > $TORK_OUTPUT; mkdir zq-top-secret-42/x/y/z"},
        {"run": "exit 1", "image": "zq-top-secret-42:1"},
        {"run": "exit 1", "image": "registry.invalid/zq-top-secret-42:1"},
        {"run": "x", "env": {"BIG": "zq-top-secret-42" * 10_000}},
        {"run": "x", "env": {"BAD": "{{ int(inputs.b_password) }}"}},
        {"run": "x", "env": {"BAD": "{{ fromJSON(inputs.b_password) }}"}},
        {"run": "x", "if": "{{ int(inputs.b_password) > 1 }}"},
        {"run": "x", "queue": "{{ inputs.b_password }}/x-y", "retry": {"limit": 1}, "if": "false"},
        {"run": "rm $TORK_OUTPUT; ln -s zq-top-secret-42 $TORK_OUTPUT", "var": "v"},
    ],
)
def test_a_secret_hides_in_the_errors_of_the_engine(place: Place, task: dict[str, object]) -> None:
    secret = "zq-top-secret-42"
    whole = {**task, "env": {"MY_PASSWORD": secret, **task.get("env", {})}}  # type: ignore[dict-item]
    ended = place.run(whole, inputs={"b_password": secret})
    assert ended.state == ("COMPLETED" if task.get("if") == "false" else "FAILED"), ended.error
    search(channels(place, ended), secret)


def test_an_output_expression_that_fails_shows_no_secret(shell: Place) -> None:
    secret = "zq-top-secret-43"
    task = {"var": "v", "env": {"A_SECRET": secret}, "run": "printf %s $A_SECRET > $TORK_OUTPUT"}
    ended = shell.run(task, output="{{ fromJSON(tasks.v).a }}")
    assert ended.state == "FAILED"
    search(channels(shell, ended), secret)


@pytest.mark.parametrize("pause", ["", "sleep 0.3;"])
def test_a_secret_that_is_printed_in_pieces_is_hidden(place: Place, pause: str) -> None:
    secret = "zq-top-secret-44-and-more"
    pieces = " ".join(f"{pause} printf %s {secret[n : n + 6]};" for n in range(0, len(secret), 6))
    ended = place.run({"env": {"A_SECRET": secret}, "run": f"{pieces} echo; echo end"})
    assert ended.log == "[REDACTED]\nend\n"
    search(channels(place, ended), secret)


def test_secrets_that_overlap_are_hidden_whole(place: Place) -> None:
    env = {"A_SECRET": "abcdefgh", "B_SECRET": "efghijkl", "C_SECRET": "cdef", "D_SECRET": "ghij"}
    ended = place.run({"env": env, "run": "echo abcdefghijkl; echo efgh; echo xabcdx"})
    first, second, third = ended.log.splitlines()
    assert first == "[REDACTED]"
    assert second == "efgh"
    assert third == "xabcdx"


@pytest.mark.parametrize("value", ["", " ", "a", "no", "abc", "\n", "true"])
def test_a_short_secret_does_not_blacken_everything(place: Place, value: str) -> None:
    """actions/runner#326: all letters of a log were masked; apache/airflow#48791,
    buildkite/agent#3588."""
    env = {"A_SECRET": value, "OTHER": "banana abc"}
    ended = place.run({"env": env, "run": "echo banana cabbage nothing"})
    assert ended.log == "banana cabbage nothing\n"
    assert ended.state == "COMPLETED"
    assert ended.execution[0]["env"]["A_SECRET"] in ("[REDACTED]", "")


def test_the_task_sees_the_secret_as_it_is(place: Place) -> None:
    for value in (PEM, VALUES["quotes"], VALUES["unicode"]):
        digest = base64.b32encode(value.encode()).decode().rstrip("=")
        task = {"env": {"MY_SECRET": value}, "run": 'printf %s "$MY_SECRET" | base32 -w0 | tr -d ='}
        if place.name == "docker":  # busybox has no base32
            task["run"] = 'printf %s "$MY_SECRET" | md5sum | cut -c1-32'
            from hashlib import md5

            digest = md5(value.encode()).hexdigest() + "\n"
        assert place.run(task).log == digest


@pytest.mark.parametrize(("encode", "decode"), [("cat", "cat"), ("base64", "base64 -d")])
def test_a_secret_output_goes_on_to_the_next_task(place: Place, encode: str, decode: str) -> None:
    """actions/runner#2701: what went on encoded was shown by the one that decoded it."""
    value = VALUES["quotes"]
    write = f'printf %s "$S_PASSWORD" | {encode} > $TORK_OUTPUT'
    ended = place.run(
        {"env": {"S_PASSWORD": value}, "run": write, "var": "v"},
        {
            "env": {"V": "{{ tasks.v }}"},
            "run": f'echo "$V"; printf %s "$V" | {decode}; echo; printf %s "$V" | {decode} | wc -c',
        },
    )
    assert ended.log.split()[-1] == str(len(value.encode()))
    search(channels(place, ended), value)


BAD_JOBS = [
    {"tasks": [{"run": "x", "env": {"MY_SECRET": ["zq-top-secret-45"]}}]},
    {"tasks": [{"run": "x", "env": {"MY_SECRET": {"zq-top-secret-45": "zq-top-secret-45"}}}]},
    {"tasks": [{"run": "x", "env": {"MY_SECRET": "{{ zq-top-secret-45( }}"}}]},
    {"tasks": [{"run": "x", "env": {"MY_SECRET": "zq-top-secret-45\0"}}]},
    {"tasks": [{"run": "x"}], "inputs": {"password": ["zq-top-secret-45"]}},
    {"tasks": [{"run": "x", "timeout": "never", "env": {"MY_SECRET": "zq-top-secret-45"}}]},
    {"tasks": [{"run": "x", "env": "MY_SECRET=zq-top-secret-45"}]},
    {"tasks": [{"run": "x", "env": ["MY_SECRET=zq-top-secret-45"]}]},
]


@pytest.mark.parametrize("job", BAD_JOBS)
def test_a_job_that_is_refused_shows_no_secret(shell: Place, job: dict[str, object]) -> None:
    answer = shell.post(json.dumps(job).encode(), JSON)
    assert answer.status == 400, answer.text
    found = [("the answer", answer.text), ("the server's own log", shell.server_log)]
    (shell.folder / "bad.json").write_text(json.dumps(job))
    for words in (["validate", "bad.json"], ["submit", "bad.json"]):
        done = shell.tork(*words)
        assert done.returncode != 0
        found.append((words[0], done.stdout + done.stderr))
    search(found, "zq-top-secret-45")
    answer = shell.post(json.dumps(job)[:-2].encode(), JSON)
    assert answer.status == 400
    search([("broken JSON", answer.text)], "zq-top-secret-45")


@pytest.mark.parametrize(
    "text",
    [
        "tasks:\n- run: x\n  env:\n    MY_SECRET: zq-top-secret-45: x\n",
        "tasks:\n- run: x\n  env:\n    MY_SECRET: [zq-top-secret-45\n",
        "tasks:\n- run: x\n  env:\n    MY_SECRET: 'zq-top-secret-45\n",
        "tasks:\n- run: x\n  env:\n    MY_SECRET: *zq-top-secret-45\n",
        "tasks:\n- run: x\n  env:\n   \tMY_SECRET: zq-top-secret-45\n",
        "tasks:\n- run: x\n  env:\n    MY_SECRET: !zq-top-secret-45 x\n",
        'tasks:\n- run: x\n  env:\n    MY_SECRET: "\\q zq-top-secret-45"\n',
        "inputs: {db_password: zq-top-secret-45, db_password: zq-top-secret-45}\ntasks: [{run: x}]",
    ],
)
def test_a_file_that_cannot_be_read_shows_no_secret(shell: Place, text: str) -> None:
    answer = shell.post(text.encode())
    assert answer.status == 400
    (shell.folder / "bad.yaml").write_text(text)
    done = shell.tork("validate", "bad.yaml")
    search([("answer", answer.text), ("validate", done.stdout + done.stderr)], "zq-top-secret-45")


def test_submit_and_list_show_no_secret(shell: Place) -> None:
    secret = "zq-top-secret-46"
    job = {"name": f"n {secret}", "tasks": [{"run": f"echo {secret}", "env": {"A_SECRET": secret}}]}
    text = json.dumps(job)
    answer = shell.post(text.encode(), JSON)
    found = [("the answer", answer.text)]
    done = shell.tork("submit", "-", "--json", stdin=text)
    found.append(("submit", done.stdout + done.stderr))
    search(found, secret)
    assert answer.json["tasks"][0]["env"] == {"A_SECRET": "[REDACTED]"}
    search(channels(shell, shell.ended(answer.json["id"])), secret)


def test_a_follower_that_is_there_from_the_start_sees_no_secret(place: Place) -> None:
    secret = "zq-top-secret-47"
    script = (
        "for i in 1 2 3 4 5; do echo $A_SECRET; printf zq-top-; sleep 0.1; echo secret-47; done"
    )
    job_id = place.submit({"env": {"A_SECRET": secret}, "run": script})
    seen = place.stream(job_id)
    assert seen.count("[REDACTED]") >= 10
    search([("stream", seen)], secret)


def test_a_secret_in_a_cancelled_job_is_hidden(place: Place) -> None:
    secret = "zq-top-secret-48"
    script = "trap 'echo $A_SECRET at the end; exit' TERM; echo begun; while :; do sleep 0.1; done"
    job_id = place.submit({"env": {"A_SECRET": secret}, "run": script})
    place.until_printed(job_id, "begun")
    place.cancel(job_id)
    ended = place.ended(job_id)
    place.until_printed(job_id, "at the end")
    search(channels(place, ended), secret)
