"""Odd outputs, as tasks have written them."""

from __future__ import annotations

import pytest

from tests.trouble.place import Place

LIMIT = 64 * 1024


@pytest.mark.parametrize(
    ("script", "output"),
    [
        ("true", ""),
        (": > $O", ""),
        ("echo warning >&2; echo log; printf 'a\\n' > $O", "a\n"),
        ("printf '\\n\\na\\n\\n' > $O", "\n\na\n\n"),
        ("printf '  a\\t ' > $O", "  a\t "),
        ("printf 'a\\r\\nb\\r\\n' > $O", "a\r\nb\r\n"),
        ("echo one > $O; echo two > $O", "two\n"),
        ("echo one >> $O; echo two >> $O", "one\ntwo\n"),
        ("printf 'x\\377y\\303' > $O", "x\ufffdy\ufffd"),
        ("printf 'a\\0b' > $O", "ab"),
        ("printf '\\357\\273\\277x' > $O", "\ufeffx"),
        ("printf '🚀 日本' > $O", "🚀 日本"),
        ("printf '{{ job.id }} $HOME' > $O", "{{ job.id }} $HOME"),
        ("printf null > $O", "null"),
        ("printf false > $O", "false"),
        ("rm $O", ""),
        ("rm $O; echo new > $O", "new\n"),
        ("echo new > $O.new; mv $O.new $O", "new\n"),
        ("echo moved > $O; mv $O $O.gone", ""),
        ("cp /bin/sh $O.big 2>/dev/null; echo beside > $O", "beside\n"),
        ("chmod 0 $O; true", ""),
        ("echo a | tee $O | cat > /dev/null", "a\n"),
        ("cd /; echo elsewhere > $O", "elsewhere\n"),
        ("(sleep 0.2; echo late > $O) & true", None),
        ("(echo child > $O) & wait", "child\n"),
        ("exec 5> $O; echo five >&5", "five\n"),
        ("sed -i s/x/y/ $O 2>/dev/null; printf in-place > $O; sed -i s/in/at/ $O", "at-place"),
        (f"head -c {LIMIT} /dev/zero | tr '\\0' x > $O", "x" * LIMIT),
    ],
)  # fmt: skip
def test_an_output_is_what_was_written(place: Place, script: str, output: str | None) -> None:
    """apache/airflow#9164, #18874: warnings in it, lines run together, or nothing at all."""
    task = {"run": f"O=$TORK_OUTPUT; {script}", "var": "v"}
    ended = place.run(task, output="{{ tasks.v }}")
    assert ended.state == "COMPLETED", ended.error
    if output is not None:
        assert ended.result == output
        assert ended.execution[0].get("result", "") == output
        assert ended.job["context"].get("tasks", {}).get("v", "") == output


@pytest.mark.parametrize(
    ("script", "words"),
    [
        (f"head -c {LIMIT + 1} /dev/zero > $O", "65536 bytes"),
        ("head -c 10000000 /dev/zero > $O", "65536 bytes"),
        (f"printf '%0{LIMIT - 1}d' 1 > $O; printf é >> $O", "65536 bytes"),
        ("rm $O; ln -s /etc/passwd $O", "output"),
        ("rm $O; ln -s $O $O", "output"),
        ("rm $O; ln -s /dev/zero $O", "output"),
        ("rm $O; mkfifo $O", "not a regular file"),
        ("rm $O; mkdir $O; echo x > $O/x", "not a regular file"),
    ],
)
def test_an_output_that_cannot_be_taken_fails_its_task(
    place: Place, script: str, words: str
) -> None:
    """runabol/tork#630, windmill-labs/windmill#10860, argoproj/argo-workflows#765."""
    ended = place.run({"run": f"O=$TORK_OUTPUT; {script}; true", "var": "v"})
    assert ended.state == "FAILED"
    assert words in ended.error, ended.error
    assert "root:" not in str(ended.job)


def test_a_task_that_fills_the_space_for_outputs_gets_an_error(docker: Place) -> None:
    ended = docker.run("head -c 200000000 /dev/zero > $TORK_OUTPUT || echo full; exit 0")
    assert ended.state == "FAILED"
    assert "65536 bytes" in ended.error


def test_an_output_of_a_failed_task_is_not_used(place: Place) -> None:
    ended = place.run({"run": "echo x > $TORK_OUTPUT; exit 1", "var": "v"})
    assert ended.state == "FAILED"
    assert "result" not in ended.execution[0]
    assert "v" not in ended.job["context"].get("tasks", {})


def test_a_retry_begins_with_an_empty_output(place: Place) -> None:
    script = 'test ! -s "$TORK_OUTPUT" || exit 9; echo left >> "$TORK_OUTPUT"; exit 1'
    ended = place.run({"run": script, "var": "v", "retry": {"limit": 1}})
    assert ended.state == "FAILED"
    assert [one["error"].split("\n")[0] for one in ended.execution] == ["exit code 1"] * 2


def test_an_output_is_data_for_later_tasks(place: Place) -> None:
    ended = place.run(
        {"run": """printf '{"a": [1, {"b": "x y"}], "c": null}' > $TORK_OUTPUT""", "var": "data"},
        {
            "env": {
                "B": "{{ fromJSON(tasks.data).a[1].b }}",
                "N": "{{ fromJSON(tasks.data).a[0] + 1 }}",
                "C": "{{ fromJSON(tasks.data).c }}",
                "RAW": "{{ tasks.data }}",
            },
            "run": 'printf "%s|%s|%s|%s" "$B" "$N" "$C" "$RAW"',
            "if": "{{ len(fromJSON(tasks.data).a) == 2 }}",
        },
    )
    assert ended.log == 'x y|2||{"a": [1, {"b": "x y"}], "c": null}'


@pytest.mark.parametrize("text", ["", "{", "nope", "{'a': 1}", "\\377"])
def test_an_output_that_is_no_json_fails_the_task_that_reads_it(shell: Place, text: str) -> None:
    ended = shell.run(
        {"run": f'printf "{text}" > $TORK_OUTPUT', "var": "data"},
        {"name": "reader", "env": {"A": "{{ fromJSON(tasks.data).a }}"}, "run": "echo ran"},
    )
    assert ended.state == "FAILED"
    assert "env.A" in ended.error or "JSON" in ended.error, ended.error
    assert ended.log == ""


def test_two_tasks_may_write_one_variable(shell: Place) -> None:
    first, second = ({"run": f"printf {n} > $TORK_OUTPUT", "var": "v"} for n in (1, 2))
    read = {"env": {"V": "{{ tasks.v }}"}, "run": "printf $V"}
    assert shell.run(first, read, second, read).log == "12"
