"""Jobs of all kinds, run by ``tork exec``: inputs, secrets, odd ones and large ones."""

from __future__ import annotations

import base64
import json
import signal
from urllib.parse import quote

import pytest

from tests.exec.exec_program import Exec


def test_a_job_is_read_from_standard_input_as_yaml_or_json(tork_exec: Exec) -> None:
    assert tork_exec("tasks: [{run: 'true'}]").process.returncode == 0
    assert tork_exec('{"tasks": [{"run": "true"}]}').process.returncode == 0


def test_a_file_of_json_is_read_by_its_name(tork_exec: Exec) -> None:
    (tork_exec.folder / "job.json").write_text('{"tasks": [{"run": "echo hi"}]}')
    done = tork_exec(None, file="job.json")
    assert "| hi" in done.out


def test_inputs_of_the_command_line_go_over_those_of_the_file(tork_exec: Exec) -> None:
    job = "inputs: {a: file, b: file}\ntasks: [{run: 'true'}]\n"
    job += "output: '{{ inputs.a }} {{ inputs.b }} {{ inputs.c }}'"
    done = tork_exec(job, "--input", "b=x=y z", "--input", "c=", "--json")
    assert done.json()["result"] == "file x=y z "


SECRETS = {
    "THE_SECRET": "open sesame & more",
    "DB_PASSWORD": "p4ss/w0rd+long",
    "AWS_ACCESS_KEY": "AKIAIOSFODNN7EXAMPLE",
}


def shapes(value: str) -> list[str]:
    """A secret as it is, and as it is usually encoded."""
    encoded = [
        base64.b64encode(prefix + value.encode()).decode()[4:-4] for prefix in (b"", b"a", b"ab")
    ]
    return [value, quote(value), quote(value, safe=""), *encoded]


@pytest.mark.parametrize("mode", [[], ["--json"]])
@pytest.mark.parametrize("status", [0, 1])
def test_secrets_are_written_nowhere(tork_exec: Exec, mode: list[str], status: int) -> None:
    script = """
        for value in "$THE_SECRET" "$DB_PASSWORD" "$AWS_ACCESS_KEY"; do
          echo "plain $value"
          echo "in the midst:$value:of it"
          printf '%s' "$value" | base64 -w0; echo
          printf 'a%s' "$value" | base64 -w0; echo
          printf 'ab%s' "$value" | base64 -w0; echo
        done
        printf '%s' "$THE_SECRET" | head -c 7; sleep 0.6
        printf '%s' "$THE_SECRET" | tail -c +8; echo
        echo "$DB_PASSWORD $OTHER" >&2
        printf '%s' "$DB_PASSWORD" > $TORK_OUTPUT
    """
    job = {
        "name": "with the password in its name: {{ inputs.INPUT_PASSWORD }}",
        "inputs": {"INPUT_PASSWORD": "from-the-input"},
        "tasks": [
            {
                "name": "shows {{ inputs.INPUT_PASSWORD }}",
                "var": "leak",
                "env": {**SECRETS, "OTHER": "{{ inputs.INPUT_PASSWORD }}"},
                "run": f"{script}\nexit {status}",
            },
            {
                "env": {"LEAK": "{{ tasks.leak }}"},
                "run": f"test \"$LEAK\" = '{SECRETS['DB_PASSWORD']}' || exit 5",
            },
        ],
        "output": "{{ tasks.leak }}",
    }
    done = tork_exec(json.dumps(job), *mode)
    assert done.process.returncode == status, done.out + done.err
    for value in [*SECRETS.values(), "from-the-input"]:
        for shape in shapes(value):
            assert shape not in done.out, shape
            assert shape not in done.err, shape
    assert "[REDACTED]" in done.out


def test_a_secret_that_came_as_an_output_is_hidden_in_the_log_of_the_next_task(
    tork_exec: Exec,
) -> None:
    job = {
        "tasks": [
            {
                "var": "leak",
                "env": {"DB_PASSWORD": "correct-horse"},
                "run": "printf '%s' \"$DB_PASSWORD\" > $TORK_OUTPUT",
            },
            {"env": {"OTHER": "{{ tasks.leak }}"}, "run": "echo got $OTHER"},
        ]
    }
    done = tork_exec(json.dumps(job))
    assert "got " in done.out
    assert "correct-horse" not in done.out


def test_a_secret_input_of_the_command_line_is_hidden_too(tork_exec: Exec) -> None:
    job = "tasks: [{env: {X: '{{ inputs.my_password }}'}, run: 'echo got $X'}]"
    done = tork_exec(job, "--input", "my_password=correct-horse", "--json")
    assert "correct-horse" not in done.out + done.err
    assert "got [REDACTED]" in done.err


def test_a_secret_is_hidden_in_an_error_of_a_template(tork_exec: Exec) -> None:
    job = "inputs: {a_secret: not-a-number}\n"
    job += "tasks: [{env: {X: '{{ int(inputs.a_secret) }}'}, run: x}]"
    done = tork_exec(job)
    assert done.process.returncode == 1
    assert "not-a-number" not in done.out + done.err


def test_names_and_texts_may_be_of_any_script(tork_exec: Exec) -> None:
    job = """
name: 工作 – "Ünïcödé" 🚀
inputs: {größe: "12 €"}
tasks:
  - name: "задача №1"
    var: ответ
    env: {ΤΙΜΗ: "{{ inputs['größe'] }}"}
    run: |
      echo "日本語 🎉"
      env | grep -a ΤΙΜΗ | cut -d= -f2 > "$TORK_OUTPUT"
output: "→ {{ tasks['ответ'] }}"
"""
    done = tork_exec(job, "--json", env={"LC_ALL": "C", "PYTHONUTF8": "1"})
    assert done.process.returncode == 0, done.err
    found = done.json()
    assert found["name"] == '工作 – "Ünïcödé" 🚀'
    assert found["execution"][0]["name"] == "задача №1"
    assert found["result"].strip() == "→ 12 €"
    assert "задача №1 | 日本語 🎉" in done.err


def test_output_that_the_terminal_cannot_show_is_no_fault(tork_exec: Exec) -> None:
    done = tork_exec(
        "tasks: [{name: ü, run: 'echo 日本'}]",
        env={"PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0", "LC_ALL": "C"},
    )
    assert done.process.returncode == 0, done.err


def test_values_are_utf_8_whatever_the_locale_of_the_worker(tork_exec: Exec) -> None:
    """NousResearch/hermes-agent#96673: a host with another encoding."""
    job = """tasks: [{run: 'printf %s "$V" "$1" | od -An -tx1', env: {V: é}, cmd: [日]}]"""
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = tork_exec(job, env=locale)
    assert done.process.returncode == 0, done.err
    assert "c3 a9 e6 97 a5" in done.out + done.err


def test_a_huge_log_comes_whole(tork_exec: Exec) -> None:
    done = tork_exec("tasks: [{name: t, run: 'seq 100000'}]")
    assert done.process.returncode == 0
    shown = [line.removeprefix("  t | ") for _, line in done.lines if line.startswith("  t | ")]
    assert shown == [str(n) for n in range(1, 100_001)]


def test_a_log_over_the_limit_is_cut_off_and_the_job_completes(tork_exec: Exec) -> None:
    done = tork_exec("tasks: [{name: t, run: 'seq 100000'}]", "--worker-log-limit", "10k")
    assert done.process.returncode == 0
    assert "the log is cut off here" in done.out
    assert len(done.out) < 30_000


def test_an_output_over_the_limit_fails_its_task_with_a_reason(tork_exec: Exec) -> None:
    done = tork_exec(
        "tasks: [{var: v, run: 'head -c 100000 /dev/zero | tr \"\\\\0\" x > $TORK_OUTPUT'}]"
    )
    assert done.process.returncode == 1
    assert "output" in done.out


def test_binary_output_is_shown_as_far_as_it_is_text(tork_exec: Exec) -> None:
    done = tork_exec("tasks: [{name: t, run: 'head -c 5000 /dev/urandom; echo; echo end'}]")
    assert done.process.returncode == 0
    assert "t | end" in done.out


def test_two_hundred_tasks_run_in_their_order(tork_exec: Exec) -> None:
    tasks = [{"name": f"t{n}", "run": f"echo {n}"} for n in range(200)]
    done = tork_exec(json.dumps({"tasks": tasks}))
    assert done.process.returncode == 0
    shown = [line for _, line in done.lines if " | " in line]
    assert shown == [f"  t{n} | {n}" for n in range(200)]


def test_a_long_line_without_an_end_comes_whole(tork_exec: Exec) -> None:
    done = tork_exec("tasks: [{name: t, run: 'head -c 3000000 /dev/zero | tr \"\\\\0\" y'}]")
    assert done.process.returncode == 0
    assert max(line.count("y") for _, line in done.lines) == 3_000_000


def test_a_script_of_many_lines_keeps_its_shebang(tork_exec: Exec) -> None:
    job = {"tasks": [{"name": "t", "run": "#!/usr/bin/env python3\nprint('from', 'python')\n"}]}
    assert "t | from python" in tork_exec(json.dumps(job)).out


def test_a_task_sees_its_identity_and_nothing_of_the_program(tork_exec: Exec) -> None:
    script = "env | cut -d= -f1 | sort | tr '\\\\n' ' '"
    done = tork_exec(f'tasks: [{{name: t, env: {{MINE: "1"}}, run: "{script}"}}]')
    [line] = [line for _, line in done.lines if " | " in line]
    names = set(line.removeprefix("  t | ").split())
    own = {"MINE", "TORK_JOB_ID", "TORK_TASK_ID", "TORK_ATTEMPT", "TORK_OUTPUT"}
    assert own <= names
    assert names - own <= {"PATH", "HOME", "PWD", "SHLVL", "_", "OLDPWD"}


def test_a_queue_that_no_slot_serves_is_a_job_that_can_be_cancelled(tork_exec: Exec) -> None:
    job = "inputs: {q: nobody}\ntasks: [{queue: '{{ inputs.q }}', run: 'true'}]"
    run = tork_exec.start(job, "--json")
    run.see("no worker serves queue nobody")
    run.send(signal.SIGINT)
    assert run.end() == 130
    assert run.json()["state"] == "CANCELLED"


def test_named_queues_run_what_is_sent_to_them(tork_exec: Exec) -> None:
    job = "tasks: [{queue: slow, run: 'true'}, {run: 'true'}]"
    done = tork_exec(job, "--queue", "slow:1", "--queue", "default:1", "--json")
    assert done.process.returncode == 0
    assert [task["queue"] for task in done.json()["execution"]] == ["slow", "default"]


def test_retries_are_shown_one_by_one(tork_exec: Exec) -> None:
    script = "echo x >> count; test $(wc -l < count) = 2"
    job = f"tasks: [{{name: t, retry: {{limit: 2}}, run: 'cd {tork_exec.folder}; {script}'}}]"
    done = tork_exec(job)
    assert done.process.returncode == 0
    assert done.out.count("t: FAILED") == 1
    assert done.out.count("t: COMPLETED") == 1


def test_a_delayed_retry_says_that_it_waits(tork_exec: Exec) -> None:
    job = "tasks: [{name: t, retry: {limit: 1, initialDelay: 1s}, run: 'exit 1'}]"
    done = tork_exec(job)
    assert done.process.returncode == 1
    assert "t: waits: next try in " in done.out
