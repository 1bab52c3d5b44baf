"""Ends of all kinds, and what tasks leave running behind them."""

from __future__ import annotations

import time

import pytest

from tests.trouble.place import Place, until_gone


def test_every_exit_code_is_told(shell: Place) -> None:
    """argoproj/argo-workflows#1773, kestra-io/kestra#4020; drone/drone-runtime#51: 78 meant
    that the rest is skipped."""
    ids = [shell.submit(f"exit {code}") for code in range(1, 256)]
    for code, job_id in enumerate(ids, 1):
        ended = shell.ended(job_id)
        assert ended.state == "FAILED"
        assert ended.error.startswith(f"exit code {code}"), ended.error
        assert ended.error[len(f"exit code {code}") :][:1] in ("", " "), ended.error


@pytest.mark.parametrize(
    ("script", "error"),
    [
        ("exit 2", "exit code 2"),
        ("exit 125", "exit code 125"),
        ("exit 126", "exit code 126"),
        ("exit 127", "exit code 127"),
        ("exit 128", "exit code 128"),
        ("exit 129", "exit code 129"),
        ("exit 137", "exit code 137"),
        ("exit 143", "exit code 143"),
        ("exit 200", "exit code 200"),
        ("exit 255", "exit code 255"),
        ("exit $((-1 & 255))", "exit code 255"),
        ("exit 256", None),
        ("echo last words; exit 3", "exit code 3"),
        ("sh -c 'exit 42'", "exit code 42"),
        ("trap 'exit 7' EXIT; exit 1", "exit code 7"),
        ("set -e; (exit 9); echo never", "exit code 9"),
    ],
)
def test_exit_codes_above_125_are_no_others(place: Place, script: str, error: str | None) -> None:
    ended = place.run(script)
    if error is None:
        assert ended.state == "COMPLETED", ended.error
        return
    assert ended.state == "FAILED"
    assert ended.error.split("\n")[0].split(" (")[0] == error, ended.error


def test_the_exit_code_of_a_command_without_a_script_counts(place: Place) -> None:
    """dagucloud/dagu#610; dagster-io/dagster#5008: an error that says nothing."""
    ended = place.run({"cmd": ["false"]})
    assert (ended.state, ended.error) == ("FAILED", "exit code 1")


def test_a_writer_whose_reader_has_gone_ends_without_a_word(place: Place) -> None:
    """apple/cups#3399, cfengine/core#1319, openjdk/jdk#26615: SIGPIPE was ignored."""
    ended = place.run("yes | head -n 1; set -o pipefail; yes | head -n 1 > /dev/null; echo $?")
    assert ended.log == "y\n141\n"


@pytest.mark.parametrize("name", ["HUP", "INT", "ABRT", "KILL", "SEGV", "PIPE", "TERM"])
def test_a_signal_that_ended_a_task_is_named(place: Place, name: str) -> None:
    """hashicorp/nomad#6060: an exit code of 137 that nobody could explain."""
    ended = place.run(f"ulimit -c 0; kill -{name} $$; sleep 5")
    assert ended.state == "FAILED"
    assert f"SIG{name}" in ended.error, ended.error


@pytest.mark.parametrize("name", ["CHLD", "URG", "WINCH", "CONT"])
def test_a_signal_that_does_nothing_does_nothing(place: Place, name: str) -> None:
    ended = place.run(f"kill -{name} $$; echo on")
    assert (ended.state, ended.log) == ("COMPLETED", "on\n"), ended.error


def test_a_trap_runs_when_a_task_is_cancelled(place: Place) -> None:
    """microsoft/azure-pipelines-agent#4548: the signal did not reach the script;
    actions/runner#1309: it was another one; temporalio/sdk-typescript#1053: it came late."""
    script = "trap 'echo cleaned up; exit 0' TERM; echo begun; while :; do sleep 0.05; done"
    job_id = place.submit(script)
    place.until_printed(job_id, "begun")
    place.cancel(job_id)
    assert place.ended(job_id).state == "CANCELLED"
    place.until_printed(job_id, "cleaned up")


def test_a_task_that_has_stopped_itself_can_be_cancelled(place: Place) -> None:
    job_id = place.submit("echo begun; kill -STOP $$; echo never")
    place.until_printed(job_id, "begun")
    place.cancel(job_id)
    ended = place.ended(job_id)
    assert (ended.state, ended.log) == ("CANCELLED", "begun\n")


BACKGROUND = {
    "plain": "sleep {t} &",
    "streams closed": "sleep {t} >/dev/null 2>&1 &",
    "nohup": "nohup sleep {t} >/dev/null 2>&1 &",
    "nohup with the log": "nohup sleep {t} &",
    "setsid": "setsid sleep {t} &",
    "two forks": "(sleep {t} &) &",
    "two forks and a session": "(setsid sh -c 'sleep {t} & sleep {t}' &)",
    "ignores signals": "(trap '' TERM HUP INT; sleep {t}) &",
    "disowned subshell": "( ( while :; do sleep {t}; done ) & )",
    "many": "for i in 1 2 3 4 5 6 7 8 9 10; do sleep {t} & done",
    "no environment": "env -i sleep {t} & PATH=$PATH",
    "other folder": "(cd /; exec sleep {t}) &",
    "prints on": "(while :; do echo more; sleep 0.1; done; sleep {t}) &",
}
"""windmill-labs/windmill#2403, #7029; microsoft/azure-pipelines-task-lib#389;
concourse/concourse#876."""


def test_what_runs_in_the_background_does_not_hold_up_the_end(place: Place, token: str) -> None:
    out = "echo -n out > $TORK_OUTPUT; echo end"
    scripts = {way: f"{script.format(t=token)}\n{out}" for way, script in BACKGROUND.items()}
    began = time.monotonic()
    ids = {
        way: place.submit({"run": script, "var": "v"}, output="{{ tasks.v }}")
        for way, script in scripts.items()
    }
    for way, job_id in ids.items():
        ended = place.ended(job_id)
        assert (ended.state, ended.result) == ("COMPLETED", "out"), (way, ended.error)
        assert "end\n" in ended.log, way
    assert time.monotonic() - began < 45  # none waited for the time that its child sleeps


def test_what_runs_in_the_background_of_a_failed_task_goes_too(place: Place, token: str) -> None:
    ended = place.run(f"setsid sleep {token} & exit 4")
    assert (ended.state, ended.error.split("\n")[0]) == ("FAILED", "exit code 4")


def test_the_exit_code_is_the_scripts_and_not_its_childs(place: Place, token: str) -> None:
    assert place.run(f"(sleep 0.1; exit 9) & sleep {token} & true").state == "COMPLETED"


def test_what_a_child_prints_soon_after_the_end_is_in_the_log(place: Place) -> None:
    ended = place.run("(sleep 0.3; echo late) & echo end")
    assert ended.log == "end\nlate\n"


def test_zombies_are_no_trouble(place: Place) -> None:
    """windmill-labs/windmill#4985, rq/rq#1193, #1209, PrefectHQ/prefect#2418."""
    script = "for i in $(seq 100); do (exit 0) & done; sleep 0.2; echo end"
    ended = place.run(script)
    assert (ended.state, ended.log) == ("COMPLETED", "end\n"), ended.error


def test_a_burst_of_processes_goes(place: Place, token: str) -> None:
    script = f"n=0; while [ $n -lt 150 ]; do (sleep {token} & sleep {token}) & n=$((n+1)); done"
    ended = place.run(f"{script}; echo end")
    assert (ended.state, ended.log) == ("COMPLETED", "end\n"), ended.error


def test_what_ignores_the_signal_is_killed(place: Place, token: str) -> None:
    """rundeck/rundeck#1038, #3160, #5834; hashicorp/nomad#1110; PrefectHQ/prefect#21616;
    damavis/airflow-pentaho-plugin#39: it ran on; apache/airflow#56149: its container stayed."""
    script = f"trap '' TERM INT HUP; echo begun; (setsid sleep {token}) & while :; do sleep 1; done"
    job_id = place.submit(script)
    place.until_printed(job_id, "begun")
    place.cancel(job_id)
    assert place.ended(job_id).state == "CANCELLED"
    until_gone(token)


def test_a_task_that_kills_its_own_group_harms_nobody_else(place: Place) -> None:
    for script in ("kill -KILL 0", "kill -TERM 0; sleep 1", "kill -KILL -- -1 2>/dev/null"):
        if script.endswith("2>/dev/null") and place.name == "shell":
            continue  # Without isolation that would be all of the host's processes.
        ended = place.run(script)
        assert ended.state == "FAILED", script
    assert place.run("echo fine").log == "fine\n"


def test_a_core_dump_is_an_end_by_its_signal(place: Place) -> None:
    ended = place.run("ulimit -c unlimited 2>/dev/null; kill -ABRT $$")
    assert "SIGABRT" in ended.error, ended.error


def test_the_end_of_the_log_is_part_of_the_error(place: Place) -> None:
    ended = place.run("for i in $(seq 100); do echo line $i; done; exit 1")
    lines = ended.error.split("\n")
    assert lines[0] == "exit code 1"
    assert lines[-1].strip() == "line 100"
    assert len(lines) <= 12
