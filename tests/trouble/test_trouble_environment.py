"""Odd variables, as people have set them."""

from __future__ import annotations

import json

import pytest

from tests.trouble.place import Place

VALUES = {
    "empty": "",
    "blank": " ",
    "blanks around": "  a  b  ",
    "tabs": "\ta\tb\t",
    "newlines": "\none\n\ntwo\n",
    "carriage returns": "one\r\ntwo\r",
    "single quotes": "it's 'here'",
    "double quotes": 'say "yes"',
    "mixed quotes": '\'"\'"\'""',
    "dollar": "$HOME ${HOME} $(id) $$ $1",
    "backticks": "`id`",
    "backslashes": "\\ \\\\ \\n \\",
    "backslash at the end": "C:\\Temp\\",
    "percent": "%s %d %% 100%",
    "equals": "a=b=c=",
    "exclamation": "a!b !! !$",
    "hash": "# not a comment",
    "semicolons": "; exit 9 & | > /dev/null",
    "globs": "* ? [a-z] ~ {a,b}",
    "braces": "{ { } }",
    "go template": "${{ github.sha }}".replace("{{", "{ {"),
    "json": json.dumps({"a": ["b", 1, None], "c": {"d": "e\n"}}),
    "url": "https://example.org/a?b=c&d=%20e#f",
    "unicode": "grüße 日本語 Ελληνικά",
    "emoji": "🚀👩‍👩‍👧‍👦",
    "right to left": "\u202eabc שלום\u202c",
    "combining": "e\u0301 \u00e9 \ufeff\u200b",
    "controls": "\x01\x1b[31mred\x1b[0m\x07\x7f",
    "line separators": "a\u2028b\u2029c\u0085d",
    "option": "-n -e --help",
    "yes": "yes",
    "null": "null",
    "100 KiB": "x" * 100 * 1024,
    "hash within": "mypass#123",
    "exclamations within": "!UX$vzT!2!w6r3sEb2XXFW&Y2byHc",
    "question": "3HUS$?8kLu)}",
    "parentheses": "winnie(the pooh)",
    "both quotes, dollar, at": "Rick'\"$@Morty",
    "escapes of JSON": '{"hi":"there\\nshould be no new\\nline"}',
    "dollar in JSON": '{"test": "$test"}',
    "two dollars": 'ls "$FLAGS" $$TMP_DIR',
    "markdown": "# title\n```sh\nid\n```\n`echo hello`",
    "pipe first": "| cat /etc/passwd",
    "at sign first": "@/etc/passwd",
    "tilde": "~/x ~root",
    "flag of Scotland": "🏴\U000e0067\U000e0062\U000e0073\U000e0063\U000e0074\U000e007f",
    "document": '{\n  "type": "service_account",\n  "id": 1\n}\n',
}
"""woodpecker-ci/woodpecker#5951: scripts and values with quotes broke at random; #525, #1561.

Characters were lost or meant something: wercker/wercker#158, #499; bitrise-io/envman#203;
appleboy/ssh-action#346; linuxserver/docker-bookstack#100; coollabsio/coolify#1821;
moghtech/komodo#559; nektos/act#2130; firecow/gitlab-ci-local#1099, #1180; dagucloud/dagu#1628;
TencentBlueKing/bk-ci#679; argoproj/argo-workflows#15512. A value was read as a file:
firecow/gitlab-ci-local#1457. Backticks were executed: dagucloud/dagu#1767.
"""

NAMES = [
    "lower", "MiXeD", "with.dots", "with-hyphens", "with blank", "1digit", "_", "__X__", "grüße",
    "a/b", "a%b", "npm_config_//registry/:_authToken", "BASH_FUNC_f%%", "[x]", "$x", "'", '"', "é",
]  # fmt: skip
"""Names that a shell cannot use, but other programs do.

hashicorp/nomad#3880, #6079: dots and hyphens became underscores."""


def test_values_arrive_as_they_were_written(place: Place) -> None:
    """nytimes/drone-gke#132: an empty value was not set at all."""
    env = {f"V{n}": value for n, value in enumerate(VALUES.values())}
    each = "eval printf %s '\"${V'$n'-unset}\"'; echo '<>'"
    script = f"for n in $(seq 0 {len(env) - 1}); do {each}; done"
    ended = place.run({"env": env, "run": script})
    assert ended.state == "COMPLETED", ended.error
    seen = ended.log.split("<>\n")[:-1]
    assert dict(zip(VALUES, seen, strict=True)) == VALUES


def test_values_arrive_without_a_shell_too(place: Place) -> None:
    chosen = {name: value for name, value in VALUES.items() if len(value) < 1000}
    env = {f"V{n:02}": value for n, value in enumerate(chosen.values())}
    ended = place.run({"env": env, "cmd": ["env", "-0"]} if place.name == "shell" else
                      {"env": env, "cmd": ["sh", "-c", "cat /proc/self/environ"]})  # fmt: skip
    assert ended.state == "COMPLETED", ended.error
    for name, value in env.items():
        assert f"{name}={value}" in ended.log, name  # the NULs between are dropped


def test_names_that_are_no_names_of_a_shell_arrive(place: Place) -> None:
    env = {name: f"value of {n}" for n, name in enumerate(NAMES)}
    ended = place.run({"env": env, "cmd": ["cat", "/proc/self/environ"]})
    assert ended.state == "COMPLETED", ended.error
    for name, value in env.items():
        assert f"{name}={value}" in ended.log, name


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("8080", "8080"),
        ("0755", "0755"),
        ("0o17", "0o17"),
        ("0x1F", "0x1F"),
        ("1_000", "1_000"),
        ("1.10", "1.10"),
        ("1e3", "1e3"),
        (".5", ".5"),
        ("12:30:45", "12:30:45"),
        ("2024-01-01", "2024-01-01"),
        ("2024-01-01T00:00:00Z", "2024-01-01T00:00:00Z"),
        ("true", "true"),
        ("False", "False"),
        ("yes", "yes"),
        ("NO", "NO"),
        ("on", "on"),
        ("null", ""),
        ("~", ""),
        ("", ""),
        ("'~'", "~"),
        (".inf", ".inf"),
        ("12345678901234567890123", "12345678901234567890123"),
        ("-0", "-0"),
        ("|\n      a\n      b\n", "a\nb\n"),
        (">-\n      a\n      b\n", "a b"),
        ('"a\\tb\\u00e9"', "a\tb\u00e9"),
        ("'it''s'", "it's"),
        ("a: b", None),
    ],
)
def test_scalars_of_yaml_are_values_as_written(
    shell: Place, written: str, value: str | None
) -> None:
    """woodpecker-ci/woodpecker#1041: a number as a value kept pipelines from being started;
    dagucloud/dagu#601, googleapis/google-cloud-python#6173."""
    text = f"tasks:\n- run: printf '<%s>' \"$V\"\n  env:\n    V: {written}\n"
    if value is None:
        answer = shell.post(text.encode())
        assert answer.status == 400
        assert "line 4" in answer.error, answer.error
        return
    assert shell.run_yaml(text).log == f"<{value}>"


@pytest.mark.parametrize("value", [1, 1.5, True, None, 12345678901234567890, [1], {"a": "b"}])
def test_values_of_json_are_text_or_refused_by_name(shell: Place, value: object) -> None:
    body = json.dumps({"tasks": [{"run": 'echo "<$V>"', "env": {"V": value}}]})
    answer = shell.post(body.encode(), "application/json")
    if answer.status == 200:
        assert shell.ended(answer.json["id"]).log in (f"<{json.dumps(value)}>\n", "<>\n")
    else:
        assert answer.status == 400
        assert "tasks[0].env.V" in answer.error, answer.error


def test_path_and_home_of_the_task_are_used(place: Place) -> None:
    script = 'echo "$PATH $HOME"; echo ~; ls /bin/sh'
    ended = place.run({"env": {"PATH": "/usr/bin:/bin", "HOME": "/x y"}, "run": script})
    assert ended.log == "/usr/bin:/bin /x y\n/x y\n/bin/sh\n"


@pytest.mark.parametrize("path", ["", "/nowhere", "/opt/bin:$PATH", "::"])
def test_a_path_without_programs_is_named_and_spoils_no_other_task(place: Place, path: str) -> None:
    ended = place.run({"env": {"PATH": path}, "run": "echo x"})
    assert ended.state == "FAILED"
    assert ended.error.startswith("command not found: ")
    assert f"({path})" in ended.error, ended.error
    by_itself = {"env": {"PATH": path}, "run": "#!/bin/sh\necho by itself"}
    assert place.run(by_itself, "echo after").log == "by itself\nafter\n"


def test_names_of_the_engine_are_its_own(place: Place) -> None:
    env = {"TORK_OUTPUT": "/etc/passwd", "TORK_TASK_ID": "mine", "TORK_ATTEMPT": "99"}
    script = 'echo -n ok > "$TORK_OUTPUT"; echo "$TORK_TASK_ID $TORK_ATTEMPT"'
    ended = place.run({"env": env, "run": script, "var": "v"}, output="{{ tasks.v }}")
    assert (ended.state, ended.result) == ("COMPLETED", "ok"), ended.error
    assert ended.log == f"{ended.execution[0]['id']} 1\n"


def test_variables_that_change_how_shells_start_do_what_they_do(place: Place) -> None:
    env = {
        "BASH_ENV": "/no/such/file", "ENV": "/no/such/file", "PS4": "+ ", "IFS": "x", "CDPATH": "/",
        "POSIXLY_CORRECT": "1", "LC_ALL": "nowhere.UTF-8", "LANG": "C", "TERM": "",
        "PYTHONPATH": ":", "_": "x", "SHLVL": "abc", "PWD": "/lie", "OLDPWD": "/lie", "PPID": "1",
        "UID": "0", "!": "x", "TINI_SUBREAPER": "", "TINI_VERBOSITY": "3",
        "DOCKER_HOST": "tcp://nowhere", "0": "zero",
    }  # fmt: skip
    ended = place.run({"env": env, "run": 'echo "a b"; echo -n end > "$TORK_OUTPUT"', "var": "v"},
                      output="{{ tasks.v }}")  # fmt: skip
    assert (ended.state, ended.result) == ("COMPLETED", "end"), ended.error
    assert "a b" in ended.log


def test_a_library_that_cannot_be_preloaded_is_no_fault_of_the_engine(place: Place) -> None:
    env = {"LD_PRELOAD": "/no/such.so", "LD_LIBRARY_PATH": "/nowhere", "LD_DEBUG_OUTPUT": "/x"}
    ended = place.run({"env": env, "run": "echo ran"})
    assert ended.state == "COMPLETED", ended.error
    assert "ran\n" in ended.log


def test_a_variable_over_the_kernels_limit_is_named(place: Place) -> None:
    """vm0-ai/vm0#19946, ray-project/ray#47432: "Argument list too long", or a hang."""
    ended = place.run({"env": {"SMALL": "x", "BIG": "x" * 200_000}, "run": "true"})
    assert ended.state == "FAILED"
    assert "BIG" in ended.error
    assert "200000 bytes" in ended.error
    ended = place.run({"env": {f"V{n}": "x" * 120_000 for n in range(8)}, "run": "echo ${#V7}"})
    assert (ended.state, ended.log) == ("COMPLETED", "120000\n"), ended.error


def test_a_thousand_variables_arrive(place: Place) -> None:
    env = {f"V{n}": str(n) for n in range(1000)}
    ended = place.run({"env": env, "run": 'env | grep -c "^V[0-9]*="; echo $V999'})
    assert ended.log == "1000\n999\n"


@pytest.mark.parametrize(
    ("env", "path"),
    [
        ({"": "x"}, "tasks[0].env"),
        ({"A=B": "x"}, "tasks[0].env"),
        ({"A": "x\0y"}, "tasks[0].env.A"),
        ({"A\0": "x"}, "tasks[0].env"),
        ({"A": "{{ inputs. }}"}, "tasks[0].env.A"),
        ({"A": "{{ nothing.x }}"}, "tasks[0].env.A"),
        ({"A": "\ud800"}, None),
    ],
)
def test_variables_that_cannot_be_are_refused_by_name(
    shell: Place, env: dict[str, str], path: str | None
) -> None:
    body = json.dumps({"tasks": [{"run": "x", "env": env}]}).encode()
    answer = shell.post(body, "application/json")
    assert answer.status == 400, answer.text
    assert (path or "") in answer.error, answer.error


def test_two_variables_of_one_name_are_refused(shell: Place) -> None:
    answer = shell.post(b"tasks:\n- run: x\n  env:\n    A: 1\n    B: 2\n    A: 3\n")
    assert answer.status == 400
    assert "line 6" in answer.error
    answer = shell.post(b'{"tasks":[{"run":"x","env":{"A":"1","A":"2"}}]}', "application/json")
    assert answer.status == 400
    assert "A" in answer.error


def test_values_are_data_and_no_templates_once_more(place: Place) -> None:
    given = "{{ job.id }} $(id) {{ 1"
    ended = place.run(
        {"env": {"V": "{{ inputs.v }}"}, "run": 'printf %s "$V" | tee "$TORK_OUTPUT"', "var": "o"},
        {"env": {"W": "{{ tasks.o }}"}, "run": 'printf %s "$W"'},
        inputs={"v": given},
    )
    assert ended.log == given * 2


def test_words_of_a_command_are_no_shells(place: Place) -> None:
    """hashicorp/nomad#5809, firecow/gitlab-ci-local#1573: the engine replaced variables in them."""
    word = "hello ${MINE} $HOME `id` $(id) {{ job }"
    ended = place.run({"env": {"MINE": "x"}, "cmd": ["echo", word]})
    assert (ended.state, ended.log) == ("COMPLETED", word + "\n"), ended.error


TEMPLATES = {
    "{{ '{{' }} Location {{ '}}' }}": "{{ Location }}",
    '{{ "{{ Location }}" }}': "{{ Location }}",
    "{{ toJSON(inputs.quotes) }}": '"with \\" quote"',
    '{"x": {{ toJSON(inputs.quotes) }}}': '{"x": "with \\" quote"}',
    "{{ inputs.quotes }}": 'with " quote',
    "{{ 0 }} {{ false }}": "0 false",
    "{{ fromJSON(tasks.data).zero }} {{ fromJSON(tasks.data).no }}": "0 false",
    "<{{ fromJSON(tasks.data).null }}{{ fromJSON(tasks.data).missing }}>": "<>",
    "{{ int(fromJSON(tasks.data).id) }}": "566712522",
    "{{ toJSON(fromJSON(tasks.data).large) }}": "9007199254740991",
    "<{{ tasks.skipped }}>": "<>",
    "{{ tasks.skipped == '' ? 'skippy' : tasks.skipped }}": "skippy",
}
"""Braces that are meant: kestra-io/kestra#1244. Quotes: argoproj/argo-workflows#3449, #6325,
#11131, #13718. Nought, false, null: agentuniverse-ai/agentUniverse#1096, bytechefhq/bytechef#2454.
Large numbers: superplanehq/superplane#4345, argoproj/argo-workflows#3990. Outputs of skipped tasks:
argoproj/argo-workflows#15837, #15949, #16123.
"""


def test_templates_give_the_text_that_is_meant(shell: Place) -> None:
    data = {"zero": 0, "no": False, "null": None, "id": 566712522, "large": 2**53 - 1}
    env = {f"V{n:02}": template for n, template in enumerate(TEMPLATES)}
    ended = shell.run(
        {"env": {"D": json.dumps(data)}, "run": 'printf %s "$D" > $TORK_OUTPUT', "var": "data"},
        {"run": "echo x > $TORK_OUTPUT", "var": "skipped", "if": "false"},
        {"env": env, "run": "env | grep '^V[0-9]' | sort | cut -d= -f2-"},
        inputs={"quotes": 'with " quote'},
    )
    assert ended.log.splitlines() == list(TEMPLATES.values()), ended.error


def test_windows_paths_in_yaml_stay(shell: Place) -> None:
    text = "tasks:\n- run: printf '%s' \"$P\"\n  env:\n    P: C:\\new\\table\n"
    assert shell.run_yaml(text).log == "C:\\new\\table"
