"""Odd logs, as tasks have printed them."""

from __future__ import annotations

import pytest

from tests.trouble.place import Place


@pytest.mark.parametrize(
    ("script", "log"),
    [
        ("true", ""),
        ("echo", "\n"),
        ("printf 'no end'", "no end"),
        ("printf '\\n\\n'", "\n\n"),
        ("printf 'a\\rb\\rc\\n'", "a\rb\rc\n"),
        ("printf 'a\\r\\nb\\r\\n'", "a\r\nb\r\n"),
        ("printf '\\033[31mred\\033[0m\\033]0;title\\007\\n'", "\x1b[31mred\x1b[0m\x1b]0;title\x07\n"),  # noqa: E501
        ("printf 'a\\0b\\0\\0c\\n'", "abc\n"),
        ("printf '\\0'", ""),
        ("printf 'a\\377b\\n'", "a\ufffdb\n"),
        ("printf '\\303'", "\ufffd"),
        ("printf '\\303('", "\ufffd("),
        ("printf '\\360\\237\\232'", "\ufffd"),
        ("printf '\\355\\240\\200x'", "\ufffd\ufffd\ufffdx"),
        ("printf '\\300\\200x'", "\ufffd\ufffdx"),
        ("printf '\\364\\220\\200\\200'", "\ufffd\ufffd\ufffd\ufffd"),
        ("printf 'caf\\351'", "caf\ufffd"),
        ("printf '\\357\\273\\277mark'", "\ufeffmark"),
        ("printf '\\342\\202'; sleep 0.4; printf '\\254\\n'", "€\n"),
        ("printf '\\303'; sleep 0.4; printf '('", "\ufffd("),
        ("printf '\\360\\237'; sleep 0.3; printf '\\232\\200'", "🚀"),
        ("printf '\\303' >&2; printf '\\251'", "é"),
        ("printf 'a\\bb\\tc\\vd\\fe\\n'", "a\bb\tc\vd\fe\n"),
        ("printf 'a\\342\\200\\250b\\n'", "a\u2028b\n"),
        ("printf '%s' '::add-mask::x ##[error] [tork: fake]'", "::add-mask::x ##[error] [tork: fake]"),  # noqa: E501
        ("printf '<script>alert(1)</script>&amp;'", "<script>alert(1)</script>&amp;"),
        ("printf 'data: x\\n\\nevent: y\\nid: 9-9\\n\\n'", "data: x\n\nevent: y\nid: 9-9\n\n"),
        ("echo out; echo err >&2; echo out; echo err >&2", "out\nerr\nout\nerr\n"),
        ("echo out > /dev/stdout; echo err > /dev/stderr", "out\nerr\n"),
        ("echo out >> /proc/self/fd/1", "out\n"),
        ("(echo a; sleep 0.2; echo b) | cat", "a\nb\n"),
    ],
)  # fmt: skip
def test_a_log_has_what_was_printed(place: Place, script: str, log: str) -> None:
    """apache/airflow#2155, #62632, #13793; reportportal/reportportal#2674;
    travis-ci/travis-ci#4936. Bytes that are no text: spotify/luigi#1857, #2327, #2450;
    NousResearch/hermes-agent#42805, #109531. NUL: PrefectHQ/prefect#20677. Progress bars:
    rundeck/rundeck#436, concourse/concourse#83. Both streams, in order: rundeck/rundeck#1425,
    #1687, #6660; prefect-archive/prefect-shell#54. The first lines of short containers:
    apache/airflow#9190, #12104."""
    ended = place.run(script)
    assert (ended.state, ended.log) == ("COMPLETED", log), ended.error


def test_followers_see_the_same(place: Place) -> None:
    """What looks like the stream's own lines must not become such."""
    script = r"printf 'data: x\n\nevent: y\r\rid: 9-9\n\n'; sleep 0.4; printf '\342\202'; echo end"
    job_id = place.submit(script)
    done = place.tork("logs", "-f", job_id)
    assert done.returncode == 0, done.stderr
    assert "data: x" in done.stdout
    assert "event: y" in done.stdout
    assert "\ufffdend" in done.stdout
    assert place.stream(job_id).count("event: y\n") == 0


def test_an_unfinished_line_is_shown_and_kept_when_its_task_is_stopped(place: Place) -> None:
    """mcuadros/ofelia#80: nothing was shown before the end; NousResearch/hermes-agent#47393: a task
    that was stopped in the midst of a character failed for that."""
    job_id = place.submit("printf '10%%\\r20%%\\r \\342\\232'; exec sleep 100")
    place.until_printed(job_id, "10%\r20%\r ")
    place.cancel(job_id)
    assert place.ended(job_id).state == "CANCELLED"
    place.until_printed(job_id, "20%\r \ufffd")


def test_what_is_printed_right_before_the_end_is_not_lost(place: Place) -> None:
    """apache/airflow#24681, #9164, argoproj/argo-workflows#11330, PrefectHQ/prefect#13080."""
    script = "head -c 200000 /dev/zero | tr '\\0' x; echo; echo end"
    for _ in range(3):
        ended = place.run(script)
        assert len(ended.log) == 200_005
        assert ended.log.endswith("x\nend\n")


def test_a_line_of_eight_megabytes_comes_whole(place: Place) -> None:
    """actions/runner#3582: a line that was too long stopped the log; aptible/supercronic#13,
    openfaas/of-watchdog#105."""
    ended = place.run("head -c 8000000 /dev/zero | tr '\\0' y; echo; echo end")
    assert ended.state == "COMPLETED", ended.error
    assert len(ended.log) == 8_000_005
    assert ended.log.endswith("y\nend\n")


def test_a_flood_is_cut_off_and_ends(place: Place) -> None:
    ended = place.run("head -c 100000000 /dev/zero | tr '\\0' z; echo; echo end")
    assert ended.state == "COMPLETED", ended.error
    assert "the log is cut off here" in ended.log[-100:]
    assert len(ended.log) < 11_000_000


def test_the_error_has_the_end_of_a_log_that_was_cut_off(place: Place) -> None:
    """PrefectHQ/prefect#13070, #2961: an error that does not tell what was printed."""
    script = "head -c 12000000 /dev/zero | tr '\\0' z; echo; echo the reason >&2; exit 1"
    ended = place.run(script)
    assert ended.state == "FAILED"
    assert ended.error.endswith("the reason"), ended.error[-100:]
    assert len(ended.error) < 5000


def test_a_flood_of_short_lines_keeps_their_order(place: Place) -> None:
    ended = place.run("seq 100000")
    assert ended.log == "".join(f"{n}\n" for n in range(1, 100_001))


def test_a_flood_of_invalid_bytes_is_no_trouble(place: Place) -> None:
    ended = place.run("head -c 1000000 /dev/urandom; echo; echo end")
    assert ended.state == "COMPLETED", ended.error
    assert ended.log.endswith("\nend\n")
    assert "\0" not in ended.log


@pytest.mark.parametrize("odd", ["\\377\\376", "\\033[2J", "\\0", "\\303"])
def test_odd_bytes_in_an_error_are_text(place: Place, odd: str) -> None:
    ended = place.run(f"printf '{odd} the end'; exit 1")
    assert ended.state == "FAILED"
    assert ended.error.endswith(" the end"), ended.error
    done = place.tork("get", ended.job["id"])
    assert done.returncode == 0, done.stderr
    assert "\x1b" not in done.stdout


def test_logs_of_two_tasks_are_apart(place: Place) -> None:
    ended = place.run("printf 'one, unended'", "printf 'two'")
    shown = [place.get(f"/tasks/{task['id']}/log") for task in ended.execution]
    assert [page["items"][0]["contents"] for page in shown] == ["one, unended", "two"]
    assert place.tork("logs", ended.job["id"]).stdout == "one, unended\ntwo\n"
