"""The client commands against a real server."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli_server.conftest import TORK, environ

Tork = Callable[..., subprocess.CompletedProcess[str]]
Submit = Callable[[str], str]

HELLO = """
name: hello job
tasks:
- name: say hello
  var: said
  run: echo hello; echo -n world > $TORK_OUTPUT
- name: say goodbye
  run: echo bye
output: "hello {{ tasks.said }}"
"""
SLOW = "name: slow\ntasks: [{name: sleep, run: 'echo begun; sleep 60'}]"
UNSERVED = "tasks: [{name: wait, queue: transcoding, run: 'true'}]"


def until(done: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not done():
        assert time.monotonic() < deadline
        time.sleep(0.05)


# -- submit


def test_submit_prints_the_id_alone(submit: Submit) -> None:
    submit(HELLO)


def test_submit_gives_the_job_with_its_id_as_json(tork: Tork, tmp_path: Path) -> None:
    (tmp_path / "job.json").write_text('{"name": "x", "tasks": [{"run": "true"}]}')
    done = tork("submit", "job.json", "--json")
    job = json.loads(done.stdout)
    assert (done.returncode, job["name"], job["state"]) == (0, "x", "PENDING")
    assert len(job["id"]) == 32


def test_submit_wait_ends_with_the_job_and_shows_its_result(tork: Tork) -> None:
    done = tork("submit", "-", "--wait", text=HELLO)
    assert done.returncode == 0, done.stderr
    assert re.fullmatch(r"job COMPLETED after \d+\.\d\d s\nresult: hello world\n", done.stdout)
    done = tork("submit", "-", "--wait", "--json", text=HELLO)
    assert (done.returncode, json.loads(done.stdout)["result"]) == (0, "hello world")
    assert done.stderr == ""


def test_submit_wait_is_status_1_if_the_job_does_not_complete(tork: Tork) -> None:
    done = tork("submit", "-", "--wait", text="tasks: [{run: exit 3}]")
    assert done.returncode == 1
    assert "job FAILED" in done.stdout
    assert "exit code 3" in done.stdout
    done = tork("submit", "-", "--wait", "--json", text="tasks: [{run: exit 3}]")
    assert (done.returncode, json.loads(done.stdout)["state"]) == (1, "FAILED")


def test_submit_follow_shows_what_happens_and_the_log(tork: Tork) -> None:
    done = tork("submit", "-", "--follow", text=HELLO)
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert lines[0].startswith("job hello job: 2 tasks (")
    for line in ("  say hello: started", "  say hello | hello", "  say goodbye | bye"):
        assert line in lines
    assert lines[-1] == "result: hello world"
    done = tork("submit", "-", "--follow", "--json", text=HELLO)
    assert json.loads(done.stdout)["state"] == "COMPLETED"
    assert "say hello | hello" in done.stderr


def test_inputs_go_over_those_of_the_file(tork: Tork) -> None:
    job = "inputs: {a: '1', b: '2'}\noutput: '{{ inputs.a }}{{ inputs.b }}{{ inputs.c }}'\n"
    job += "tasks: [{run: 'true'}]"
    given = ("--input", "b=x=y", "--input", "c=")
    done = tork("submit", "-", "--wait", "--json", *given, text=job)
    assert json.loads(done.stdout)["result"] == "1x=y"


def test_the_same_key_is_the_same_job(tork: Tork) -> None:
    first, second = (tork("submit", "-", "--key", "a key", text=HELLO) for _ in range(2))
    assert first.stdout == second.stdout
    assert len(first.stdout.strip()) == 32


@pytest.mark.parametrize(
    ("arguments", "job", "status", "words"),
    [
        (["-"], "tasks: []", 1, "$.tasks"),
        (["-"], "tasks: [{imgae: x}]", 1, 'did you mean "image"?'),
        (["-", "--input", "a=b"], "tasks: [{imgae: x}]", 1, 'did you mean "image"?'),
        (["-"], "tasks: [{run: x, env: {A: '{{ nope( }}'}}]", 1, "nope("),
        (["-"], "\t", 1, "line 1"),
        (["-"], "x" * 3_000_000, 1, "bytes"),
        (["no-such-file"], "", 2, "no-such-file: No such file or directory"),
        (["-", "--input", "x"], "", 2, "NAME=VALUE"),
        (["-", "--key", "a\nb"], HELLO, 2, "key"),
        ([], "", 2, "FILE"),
    ],
)
def test_what_is_refused_is_a_few_lines_that_say_what_to_do(
    tork: Tork, arguments: list[str], job: str, status: int, words: str
) -> None:
    done = tork("submit", *arguments, "--json", text=job)
    assert (done.returncode, done.stdout) == (status, "")
    assert words in done.stderr
    assert len(done.stderr.splitlines()) <= 15
    assert "Traceback" not in done.stderr


def test_ctrl_c_ends_the_watching_and_not_the_job(tork: Tork, server: str, tmp_path: Path) -> None:
    (tmp_path / "slow.yaml").write_text(SLOW)
    with subprocess.Popen(
        [*TORK, "submit", "slow.yaml", "--follow"],
        cwd=tmp_path,
        env=environ(tmp_path, TORK_SERVER=server, PYTHONUNBUFFERED="1"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        shown = ""
        while "| begun" not in shown:
            line = process.stdout.readline()
            assert line, shown
            shown += line
        process.send_signal(signal.SIGINT)
        said = process.stderr.read()
    assert process.returncode == 130
    (job_id,) = re.findall(r"tork cancel ([0-9a-f]{32})", said)
    assert json.loads(tork("get", job_id, "--json").stdout)["state"] == "RUNNING"
    assert tork("cancel", job_id).returncode == 0


# -- list and get


def test_list_shows_the_newest_first_a_page_at_a_time(tork: Tork, submit: Submit) -> None:
    ids = [submit(f"name: job {n}\ntasks: [{{run: 'true'}}]") for n in range(3)]
    done = tork("list", "--size", "2")
    head, first, second = done.stdout.splitlines()
    assert head.split() == ["ID", "STATE", "DONE", "CREATED", "TOOK", "NAME"]
    assert (first.split()[0], second.split()[0]) == (ids[2], ids[1])
    assert first.endswith("job 2")
    assert "page 1 of" in done.stderr
    assert ids[0] in tork("list", "--size", "2", "--page", "2").stdout
    page = json.loads(tork("list", "--size", "2", "--json").stdout)
    assert [job["id"] for job in page["items"]] == [ids[2], ids[1]]
    assert (page["number"], page["size"]) == (1, 2)


def test_get_shows_a_job_and_its_tasks(tork: Tork) -> None:
    job_id = json.loads(tork("submit", "-", "--wait", "--json", text=HELLO).stdout)["id"]
    done = tork("get", job_id)
    assert done.returncode == 0, done.stderr
    for words in (job_id, "hello job", "COMPLETED after", "hello world", "say goodbye"):
        assert words in done.stdout
    assert json.loads(tork("get", job_id, "--json").stdout)["result"] == "hello world"


def test_get_and_why_say_that_no_worker_serves_a_queue(tork: Tork, submit: Submit) -> None:
    job_id = submit(UNSERVED)
    until(lambda: "SCHEDULED" in tork("get", job_id).stdout)
    for command in ("get", "why"):
        done = tork(command, job_id)
        assert "no worker serves queue transcoding" in done.stdout
        assert "with `--queue transcoding:1`" in done.stdout
    assert tork("cancel", job_id).stdout == f"job {job_id} is cancelled\n"
    assert "no worker" not in tork("get", job_id).stdout


@pytest.mark.parametrize("command", ["get", "logs", "cancel", "why"])
@pytest.mark.parametrize("job_id", ["0" * 32, "nope", "../jobs", "a b", "\u001b[31m"])
def test_an_unknown_id_is_one_line_and_status_1(tork: Tork, command: str, job_id: str) -> None:
    done = tork(command, job_id)
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr.startswith("Error: there is no job ")
    assert len(done.stderr.splitlines()) == 1
    assert "\x1b" not in done.stderr


# -- logs


def test_logs_are_the_tasks_own_output(tork: Tork, submit: Submit) -> None:
    job_id = submit(HELLO)
    assert tork("logs", "-f", job_id).stdout == "hello\nbye\n"
    done = tork("logs", job_id)
    assert (done.returncode, done.stdout) == (0, "hello\nbye\n")
    page = json.loads(tork("logs", job_id, "--json").stdout)
    assert [part["contents"] for part in page["items"]] == ["bye\n", "hello\n"]
    task = json.loads(tork("get", job_id, "--json").stdout)["execution"][0]["id"]
    assert tork("logs", task).stdout == "hello\n"
    assert tork("logs", "-f", task).stdout == "hello\n"


def test_logs_follow_a_task_to_its_own_end(tork: Tork, submit: Submit) -> None:
    job_id = submit("tasks: [{run: 'echo 1; sleep 0.5; echo 2'}, {run: sleep 60}]")
    answers = (json.loads(tork("get", job_id, "--json").stdout) for _ in range(50))
    task = next(job["execution"][0]["id"] for job in answers if "execution" in job)
    assert tork("logs", "-f", task).stdout == "1\n2\n"
    assert json.loads(tork("get", job_id, "--json").stdout)["state"] == "RUNNING"
    tork("cancel", job_id)


def test_logs_follow_waits_for_the_end_and_gives_json_then(tork: Tork, submit: Submit) -> None:
    job_id = submit("tasks: [{run: 'for i in 1 2 3; do echo $i; sleep 0.2; done'}]")
    page = json.loads(tork("logs", "-f", "--json", job_id).stdout)
    assert "".join(part["contents"] for part in reversed(page["items"])) == "1\n2\n3\n"


def test_a_task_cannot_steer_the_terminal(tork: Tork, submit: Submit) -> None:
    job = r"""
name: "a\e[2Jb"
tasks:
- name: "t\e]0;x\a"
  run: printf 'a\033[2J\033]0;title\007b\n'
"""
    job_id = submit(job)
    shown = tork("logs", "-f", job_id).stdout
    for command in ("get", "why", "list"):
        shown += tork(command, *([] if command == "list" else [job_id])).stdout
    assert "\x1b" not in shown
    assert "\a" not in shown


def test_each_state_of_a_progress_bar_is_a_line(tork: Tork, submit: Submit) -> None:
    job = r"tasks: [{run: printf '1\r'; sleep 0.6; printf '\n2\r3\r\n4'}]"
    assert tork("logs", "-f", submit(job)).stdout == "1\n2\n3\n4\n"


def test_a_long_log_is_printed_whole(tork: Tork, submit: Submit) -> None:
    job_id = submit("tasks: [{run: seq 1 200000}]")
    tork("logs", "-f", job_id)
    assert tork("logs", job_id).stdout.split() == [str(n) for n in range(1, 200_001)]


# -- cancel and why


def test_cancel_ends_a_running_job_and_refuses_an_ended_one(tork: Tork, submit: Submit) -> None:
    job_id = submit(SLOW)
    until(lambda: "RUNNING" in tork("get", job_id).stdout)
    done = tork("cancel", job_id, "--json")
    assert (done.returncode, json.loads(done.stdout)) == (0, {"status": "OK"})
    assert json.loads(tork("get", job_id, "--json").stdout)["state"] == "CANCELLED"
    done = tork("cancel", job_id)
    assert (done.returncode, done.stdout) == (1, "")
    assert "job is not running" in done.stderr


def test_why_tells_what_happened_in_words(tork: Tork, submit: Submit) -> None:
    job_id = submit("tasks:\n- {name: try, run: exit 7}")
    tork("logs", "-f", job_id)
    done = tork("why", job_id)
    words = [line.split("  ", 1)[1] for line in done.stdout.splitlines()]
    assert words[0] == "the job was accepted"
    assert 'task "try" was sent to queue default' in words
    assert any(re.match('task "try" was started on node .+', line) for line in words)
    assert any(re.match('task "try" failed.*exit code 7', line) for line in words)
    assert words[-1].startswith("the job failed")
    states = [event["state"] for event in json.loads(tork("why", job_id, "--json").stdout)]
    assert states[-1] == "FAILED"


# -- what holds for all


@pytest.mark.parametrize("command", ["submit", "list", "get", "logs", "cancel", "why"])
def test_every_command_has_help_with_examples(tork: Tork, command: str) -> None:
    done = tork(command, "--help")
    assert done.returncode == 0
    for word in (f"  tork {command}", "--json", "--server URL", "TORK_SERVER", "Example"):
        assert word in done.stdout


@pytest.mark.parametrize(
    "arguments",
    [
        *(["list"], ["get", "0" * 32], ["logs", "x"], ["logs", "-f", "x"], ["cancel", "x"]),
        *(["why", "x"], ["submit", "-"], ["submit", "-", "--wait"], ["submit", "-", "--follow"]),
    ],
)
def test_a_server_that_cannot_be_reached_is_one_line_and_status_1(
    tork: Tork, arguments: list[str]
) -> None:
    done = tork(*arguments, "--json", "--server", "http://127.0.0.1:1", text=HELLO)
    assert (done.returncode, done.stdout) == (1, "")
    assert len(done.stderr.splitlines()) == 1
    assert "http://127.0.0.1:1: no server can be reached there" in done.stderr


def test_server_is_an_option_before_the_variable(tork: Tork, server: str) -> None:
    assert tork("list", "--server", server, TORK_SERVER="http://127.0.0.1:1").returncode == 0
    assert tork("list", TORK_SERVER="http://127.0.0.1:1").returncode == 1
    done = tork("list", "--server", "nonsense://")
    assert (done.returncode, done.stdout) == (2, "")
    assert "nonsense" in done.stderr


@pytest.mark.parametrize(
    "arguments", [["list", "--page", "0"], ["list", "--size", "x"], ["get"], ["get", ""]]
)
def test_wrong_usage_is_status_2(tork: Tork, arguments: list[str]) -> None:
    done = tork(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert len(done.stderr.splitlines()) <= 15


def test_no_client_command_imports_what_it_does_not_need(server: str, submit: Submit) -> None:
    script = f"""
import sys
from tork_core.cli.main import main
assert main(["get", "{submit(HELLO)}", "--server", "{server}"]) == 0
heavy = {{"aiohttp", "asyncio", "lark", "pluggy", "rich", "structlog", "yaml"}}
print(*sorted(heavy & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True)
    assert done.stdout.splitlines()[-1] == "", done.stderr


# -- on a terminal


def on_a_terminal(arguments: list[str], home: Path, server: str) -> str:
    """What a command shows where somebody looks."""
    ours, theirs = pty.openpty()
    shown = bytearray()

    def read() -> None:
        while select.select([ours], [], [], 30)[0]:
            try:
                data = os.read(ours, 65536)
            except OSError:
                return
            shown.extend(data)

    reader = threading.Thread(target=read)
    reader.start()
    subprocess.run(
        [*TORK, *arguments],
        cwd=home,
        env=environ(home, TORK_SERVER=server, TERM="xterm-256color", COLUMNS="120"),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        timeout=60,
        check=True,
    )
    os.close(theirs)
    reader.join(30)
    os.close(ours)
    return shown.decode()


def test_on_a_terminal_there_is_colour_and_every_id_is_whole(
    server: str, submit: Submit, tmp_path: Path
) -> None:
    job_id = submit(HELLO)
    (tmp_path / "hello.yaml").write_text(HELLO)
    assert "see what it does: tork logs -f" in on_a_terminal(
        ["submit", "hello.yaml"], tmp_path, server
    )
    waited = on_a_terminal(["submit", "hello.yaml", "--wait"], tmp_path, server)
    assert "say goodbye: COMPLETED" in waited
    assert "COMPLETED" in waited
    for command in (["list"], ["get", job_id]):
        shown = on_a_terminal(command, tmp_path, server)
        assert job_id in shown
        assert "\x1b[" in shown
