"""Odd scripts, as people have written them."""

from __future__ import annotations

import json

import pytest

from tests.trouble.place import Place

WINDOWS = "echo one\r\nif true; then\r\n  echo two\r\nfi\r\ncat <<END\r\nthree\r\nEND\r\n"


def test_a_script_from_windows_runs(place: Place) -> None:
    """ccfos/nightingale#1713, puppetlabs/bolt#3158: line breaks of two characters."""
    ended = place.run(WINDOWS)
    assert (ended.state, ended.log) == ("COMPLETED", "one\ntwo\nthree\n"), ended.error


@pytest.mark.parametrize("end", ["", "\r\n"])
def test_a_script_from_windows_may_name_its_interpreter(place: Place, end: str) -> None:
    """microsoft/WSL2-Linux-Kernel#133: "/bin/bash^M: bad interpreter"."""
    ended = place.run(f"#!/bin/sh\r\necho one\r\necho two{end}")
    assert (ended.state, ended.log) == ("COMPLETED", "one\ntwo\n"), ended.error
    ended = place.run(f"#!/bin/env sh\r\necho one{end}" if end else "#!/bin/sh -e\r\nfalse\r\n")
    assert (ended.state, ended.log) == (("COMPLETED", "one\n") if end else ("FAILED", ""))


def test_a_job_file_from_windows_runs(place: Place) -> None:
    image = f"  image: {place.image}\n" if place.image else ""
    text = f"name: from windows\ntasks:\n- run: |\n    echo one\n    echo two\n{image}"
    with_mark = b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode()
    ended = place.run_yaml(with_mark)
    assert (ended.state, ended.log) == ("COMPLETED", "one\ntwo\n"), ended.error
    assert ended.job["name"] == "from windows"


def test_carriage_returns_that_are_meant_stay(place: Place) -> None:
    """Only a script of which every line ends so comes from Windows."""
    ended = place.run("printf 'a\r\nb\r'\nprintf 'c'\n")
    assert ended.log == "a\r\nb\rc"


@pytest.mark.parametrize("head", ["\ufeff", "\ufeff#!/bin/sh\n", "\ufeff\r\n"])
def test_a_byte_order_mark_is_no_part_of_a_script(place: Place, head: str) -> None:
    ended = place.run(f"{head}echo ran")
    assert (ended.state, ended.log) == ("COMPLETED", "ran\n"), ended.error


@pytest.mark.parametrize(
    ("script", "printed"),
    [
        ("echo no end", "no end\n"),
        ("\n\n\n", ""),
        ("   ", ""),
        ("\t\n \n", ""),
        ("# only a comment", ""),
        (":", ""),
        ("#", ""),
        ("\necho after a blank line", "after a blank line\n"),
        ("\n#!/no/such\necho only the first line counts", "only the first line counts\n"),
        (" #!/no/such\necho nor after a blank", "nor after a blank\n"),
        ("#! /bin/sh\necho blank after the mark", "blank after the mark\n"),
        ("#!/bin/sh   \necho blanks at the end", "blanks at the end\n"),
        ("#!/bin/sh -e\nfalse || echo option", "option\n"),
        ("#!/bin/env sh\necho by env", "by env\n"),
        ("#!\necho nothing after the mark", "nothing after the mark\n"),
        ("cat <<'EOF'\n$HOME `id`\n\ttab\nEOF\n", "$HOME `id`\n\ttab\n"),
        ("cat <<'EOF'\n{% raw %}{{ name }}{% endraw %} ${{ x }} {# c #}\nEOF\n", "{% raw %}{{ name }}{% endraw %} ${{ x }} {# c #}\n"),  # noqa: E501
        ("set -u; echo ${HOME:+$PATH}|grep -c .; echo /home/x/test.sh", "1\n/home/x/test.sh\n"),
        ("cat <<-END\n\tone\n\tEND\n", "one\n"),
        ("echo a \\\n  b", "a b\n"),
        ("echo 'it'\"'\"'s'; echo \"a \\\"b\\\"\"", "it's\na \"b\"\n"),
        ("echo $((1 + 2)) ${HOME:+set} ${NOPE:-default}", "3 set default\n"),
        ("f() { echo in f; }; f", "in f\n"),
        ("echo '\u202eשלום' 日本 🚀", "\u202eשלום 日本 🚀\n"),
        ("echo a\u00a0b", "a\u00a0b\n"),
        ("exit 0\necho never", ""),
        ("true && exit\necho never", ""),
        ("false\necho after an error", "after an error\n"),
        ("nosuchcommand 2>/dev/null\necho after what is missing", "after what is missing\n"),
        ("cat; read x; echo \"<$x>\"; tty >/dev/null; echo $?", "<>\n1\n"),
        ("exec echo replaced\necho never", "replaced\n"),
        ("exec >/dev/null 2>&1; echo unseen", ""),
        ("exec >&- 2>&-; sleep 0.2", ""),
        ("exec >&- 2>&- <&-; sleep 0.2; : > /dev/null", ""),
        ("exec 2>&1; echo both >&2", "both\n"),
        ("rm -f \"$0\"; echo without itself", "without itself\n"),
        (": > \"$0\"", ""),
        ("chmod 0 \"$0\"; echo closed", "closed\n"),
        ("mkdir d; cd d; rmdir ../d; echo nowhere", "nowhere\n"),
        ("cd /; pwd", "/\n"),
        ("umask 777; : > f; umask; echo done", "0777\ndone\n"),
        ("set -e; false | true; echo no pipefail", "no pipefail\n"),
        ("set -u; echo ${NOPE-unset}", "unset\n"),
        ("trap 'echo at exit' EXIT; exit 0", "at exit\n"),
        ("ulimit -n 16 2>/dev/null; echo few files", "few files\n"),
        ("echo {{ '{{' }}.Name}}".replace("{{ '{{' }}", "{{"), "{{.Name}}\n"),
        ("echo ${{ github.sha }} 2>/dev/null || echo bad", None),
        ("echo $0 | grep -c .", "1\n"),
        ("echo $# \"$*\"", "0 \n"),
        ("unset TORK_OUTPUT PATH HOME; echo bare", "bare\n"),
    ],
)  # fmt: skip
def test_what_scripts_do(place: Place, script: str, printed: str | None) -> None:
    """apache/airflow#1017, #21918: a command that ends in ".sh" was taken for a template's name;
    kestra-io/kestra#4214: braces in a script; tektoncd/pipeline#1432: "EOF" in a script;
    hpc/charliecloud#1687: no HOME; ovh/cds#2483: options after the interpreter;
    nick-fields/retry#98, firecow/gitlab-ci-local#134: commands that wait for input."""
    ended = place.run(script)
    if printed is not None:
        assert (ended.state, ended.log) == ("COMPLETED", printed), ended.error
    assert ended.state in ("COMPLETED", "FAILED")


@pytest.mark.parametrize("script", ["", None])
def test_no_script_is_refused_or_nothing(place: Place, script: str | None) -> None:
    body = json.dumps({"tasks": [{"run": script}]}).encode()
    answer = place.post(body, "application/json")
    assert answer.status == 400
    assert "tasks[0]" in answer.error
    assert "run" in answer.error


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("#!/no/such/interpreter\necho x", ["/no/such/interpreter"]),
        ("#!/no/such/interpreter\r\necho x\r\n", ["/no/such/interpreter", "exist|no program"]),
        ("#!/bin/env no-such\necho x", ["exit code 127", "no-such"]),
        ("#!/etc/passwd\n", ["/etc/passwd"]),
        ("#!no-such-interpreter\n", ["no-such-interpreter"]),
        ("#!/\n", [""]),
        ("set -e\nfalse\necho never", ["exit code 1"]),
        ("set -eu\necho $NOPE", ["exit code", "NOPE"]),
        ("if true; then echo", ["exit code 2", "end of file|unexpected"]),
        ("echo 'open", ["exit code 2", "unterminated|matching"]),
        ("no-such-command", ["exit code 127", "no-such-command"]),
        ("/etc/passwd", ["exit code 126", "denied"]),
        ("exec no-such-command", ["exit code 127", "no-such-command"]),
        ("kill -SEGV $$", ["SIGSEGV"]),
        ("false", ["exit code 1"]),
    ],
)
def test_why_a_script_failed_is_said(place: Place, script: str, words: list[str]) -> None:
    ended = place.run(script)
    assert ended.state == "FAILED"
    for word in words:
        assert any(part in ended.error for part in word.split("|")), ended.error
    assert "\r" not in ended.error


def test_pipefail_is_there_where_it_is_asked_for(place: Place) -> None:
    """busybox knows it too, and so do newer versions of dash than Debian 12 has."""
    ended = place.run("set -o pipefail; false | true")
    assert (ended.state, ended.error) == ("FAILED", "exit code 1"), ended.error


def test_python_runs_scripts_too(shell: Place) -> None:
    """dagucloud/dagu#1311: the first line was a comment to the engine."""
    for head in ("#!/usr/bin/env python3", "#!/usr/bin/env -S python3 -u", "#!/usr/bin/python3"):
        for end in ("\n", "\r\n"):
            lines = [head, "import sys", "if True:", "\tprint('in', 'python', len(sys.argv))", ""]
            ended = shell.run(end.join(lines))
            assert (ended.state, ended.log) == ("COMPLETED", "in python 1\n"), ended.error


def test_arguments_follow_the_script(place: Place) -> None:
    """argoproj/argo-workflows#4481, #6929: the script came after its arguments."""
    ended = place.run({"run": 'echo "$#:$1:$2:$3"', "cmd": ["a b", "", "*"]})
    assert ended.log == "3:a b::*\n"


def test_a_command_line_in_one_item_is_an_error_that_says_so(place: Place) -> None:
    ended = place.run({"cmd": ["echo hello"]})
    assert ended.state == "FAILED"
    assert '"echo hello"' in ended.error
    assert "write each word of a command as an item of its own" in ended.error
    assert "tini" not in ended.error


def test_a_script_of_900_kib_runs(place: Place) -> None:
    line = "# " + "x" * 97 + "\n"
    ended = place.run(line * 9000 + "echo end")
    assert (ended.state, ended.log) == ("COMPLETED", "end\n"), ended.error


def test_a_single_line_of_700_kib_runs(place: Place) -> None:
    ended = place.run(": " + "x" * 700_000 + "; echo end")
    assert (ended.state, ended.log) == ("COMPLETED", "end\n"), ended.error


def test_a_job_over_the_limit_is_refused(shell: Place) -> None:
    body = json.dumps({"tasks": [{"run": "x" * 1_100_000}]}).encode()
    answer = shell.post(body, "application/json")
    assert answer.status == 413
    assert "1,048,576" in answer.error


def test_a_nul_in_a_script_is_refused_by_name(shell: Place) -> None:
    answer = shell.post(b'{"tasks":[{"run":"a\\u0000b"}]}', "application/json")
    assert answer.status == 400
    assert "tasks[0].run" in answer.error


def test_a_task_that_fills_its_folder_leaves_nothing(shell: Place) -> None:
    script = "mkdir -p a/b; : > a/b/c; : > .hidden; ln -s / root; mkfifo p; chmod 0 a; chmod 0 ."
    for _ in range(2):
        assert shell.run(script).state == "COMPLETED"
    assert shell.run("ls -A").log == ""


def test_what_is_written_in_the_folder_is_not_seen_by_the_next(place: Place) -> None:
    ended = place.run("echo x > seen 2>/dev/null; mkdir -p t; true", "ls seen t 2>/dev/null; true")
    assert (ended.state, ended.log) == ("COMPLETED", ""), ended.error
