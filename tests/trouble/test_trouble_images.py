"""Images of all kinds, and names that are none."""

from __future__ import annotations

import time

import pytest

from tests.docker.engine import DECLARED, IMAGE, SHELLESS, TestEngine
from tests.trouble.images import image
from tests.trouble.place import Place


@pytest.mark.parametrize(
    ("name", "task", "log"),
    [
        ("entrypoint", {}, "entered\ndefault\n"),
        ("entrypoint", {"run": "echo script"}, "script\n"),
        ("entrypoint", {"cmd": ["echo", "by cmd"]}, "entered\nby cmd\n"),
        ("entrypoint", {"entrypoint": ["echo", "mine"]}, "mine\n"),
        ("entrypoint", {"run": "#!/bin/sh\necho by itself"}, "by itself\n"),
        ("shellish", {"run": "echo script"}, "script\n"),
        ("shellish", {"cmd": ["echo $0 by cmd", "x"]}, "x by cmd\n"),
        ("cmd", {}, "from the image\n"),
        ("cmd", {"run": "echo script"}, "script\n"),
        ("cmd", {"cmd": ["echo", "mine"]}, "mine\n"),
        ("cmd", {"entrypoint": ["echo"]}, "\n"),
        ("user", {"run": "id -u; echo $HOME; echo x > $TORK_OUTPUT; cat $TORK_OUTPUT"}, "65534\n/\nx\n"),  # noqa: E501
        ("unknown-user", {"run": "id -u; echo x > $TORK_OUTPUT && echo written"}, "12345\nwritten\n"),  # noqa: E501
        ("unknown-user", {"cmd": ["sh", "-c", "echo x > $TORK_OUTPUT && echo written"]}, "written\n"),  # noqa: E501
        ("workdir", {"run": "pwd; : > file; ls"}, "/made/for/you\nfile\n"),
        ("workdir", {"cmd": ["pwd"]}, "/made/for/you\n"),
        ("volume", {"run": ": > /data/x; ls /data"}, "x\n"),
        ("onbuild", {"run": "echo ran"}, "ran\n"),
        ("env", {"run": "echo $GREETING $PATH"}, "hi /bin:/opt/tool\n"),
        ("env", {"env": {"GREETING": ""}, "run": "echo \"<$GREETING>\""}, "<>\n"),
        ("env", {"run": "echo safe > $TORK_OUTPUT; wc -l < /etc/passwd"}, "2\n"),
        ("health", {"run": "sleep 1.3; ls /checked 2>/dev/null; echo end"}, "end\n"),
    ],
)  # fmt: skip
def test_what_an_image_declares(
    docker: Place, name: str, task: dict[str, object], log: str
) -> None:
    """firecow/gitlab-ci-local#1298, #96; actions/runner#2411, #1885; go-vela/community#344;
    concourse/concourse#6836: a user without a name."""
    ended = docker.run({"image": image(name), **task})
    assert (ended.state, ended.log) == ("COMPLETED", log), ended.error


def test_output_of_an_image_that_declares_the_engines_variable(docker: Place) -> None:
    task = {"image": image("env"), "run": "echo -n safe > $TORK_OUTPUT", "var": "v"}
    assert docker.run(task, output="{{ tasks.v }}").result == "safe"


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("ubuntu:mantic,", ["ubuntu:mantic,", "reference"]),
        ("UPPER:1", ["UPPER:1"]),
        ("a b", ["a b"]),
        ("-x", ["-x"]),
        ("tork-trouble/no-such:1", ["tork-trouble/no-such:1"]),
        ("registry.invalid/x:1", ["registry.invalid/x:1"]),
        ("alpine@sha256:" + "0" * 64, ["alpine@sha256:000"]),
        ("alpine@sha256:short", ["alpine@sha256:short"]),
        ("http://example.org/x", ["http://example.org/x"]),
        ("sha256:" + "f" * 64, ["sha256:fff"]),
        ("x" * 300, ["xxx"]),
        ("/", ["/"]),
        ("{{ inputs.none }}", ["image"]),
        ("alpine:3.18.3 ", ["alpine"]),
    ],
)
def test_an_image_that_cannot_be_had_is_named(docker: Place, name: str, words: list[str]) -> None:
    ended = docker.run({"image": name, "run": "true"})
    assert ended.state == "FAILED"
    for word in words:
        assert word in ended.error, ended.error
    assert ended.error.startswith(("image", "the image")), ended.error
    assert len(ended.error) < 1200


def test_a_user_that_an_image_does_not_know_is_named(docker: Place) -> None:
    """etkecc/postmoogle#10."""
    for task in ({"run": "true"}, {"cmd": ["true"]}):
        ended = docker.run({"image": image("no-user"), **task})
        assert ended.state == "FAILED"
        assert f'image "{image("no-user")}": unable to find user app' in ended.error, ended.error


def test_an_image_by_digest_and_by_id_runs(docker: Place, engine: TestEngine) -> None:
    identity = engine.docker("inspect", "--format", "{{.Id}}", IMAGE).strip()
    for name in (identity, identity.removeprefix("sha256:")[:12], IMAGE):
        assert docker.run({"image": name, "run": "echo ran"}).log == "ran\n"


@pytest.mark.parametrize(
    ("task", "state", "words"),
    [
        ({"run": "echo x"}, "FAILED", "it has no sh"),
        ({"cmd": ["echo", "direct"]}, "COMPLETED", "direct"),
        ({"run": "#!/bin/cat\nas text"}, "COMPLETED", "as text"),
        ({"run": "#!/bin/no-such\n"}, "FAILED", "/bin/no-such"),
        ({"cmd": ["no-such"]}, "FAILED", "no-such"),
        ({"run": "x", "entrypoint": ["cat"]}, "COMPLETED", "x"),
        ({}, "FAILED", "nothing to run"),
    ],
)
def test_an_image_without_a_shell(
    docker: Place, task: dict[str, object], state: str, words: str
) -> None:
    ended = docker.run({"image": SHELLESS, **task})
    assert ended.state == state, ended.error
    assert words in (ended.error if state == "FAILED" else ended.log), ended


@pytest.mark.parametrize(
    ("script", "words"),
    [
        ("exec tail /dev/zero", "limit of 20m"),
        ("tail /dev/zero", "limit of 20m"),
        ("head -c 100000000 /dev/zero | tail > /dev/null; exit $?", "limit of 20m"),
    ],
)
def test_a_container_that_wants_too_much_memory_says_so(
    docker: Place, script: str, words: str
) -> None:
    """hashicorp/nomad#3459, moby/moby#10013; dagster-io/dagster#8567: exit code -9, and no more."""
    ended = docker.run({"run": script, "limits": {"memory": "20m"}})
    assert ended.state == "FAILED"
    assert words in ended.error, ended.error


def test_a_folder_for_temporary_files_that_is_missing_is_no_matter(docker: Place) -> None:
    assert docker.run("rmdir /tmp && echo x > $TORK_OUTPUT && echo fine").log == "fine\n"


def test_time_is_utc_unless_the_task_says_otherwise(docker: Place) -> None:
    assert docker.run("date +%Z", {"env": {"TZ": "ABC-3"}, "run": "date +%Z"}).log == "UTC\nABC\n"


def test_a_large_environment_comes_into_a_container(docker: Place) -> None:
    env = {f"V{n}": "x" * 50_000 for n in range(15)}
    ended = docker.run({"env": env, "run": "echo ${#V0} ${#V14}"})
    assert (ended.state, ended.log) == ("COMPLETED", "50000 50000\n"), ended.error


def test_daemons_in_a_container_end_with_it(docker: Place) -> None:
    script = (
        "setsid sh -c 'trap \"\" TERM HUP; while :; do sleep 1; done' >/dev/null 2>&1 & echo up"
    )
    began = time.monotonic()
    assert docker.run(script).log == "up\n"
    assert time.monotonic() - began < 10


@pytest.mark.parametrize("where", ["/no/such/file", "/proc/version", "/sys/x"])
def test_a_path_that_cannot_be_written_is_the_tasks_own_error(docker: Place, where: str) -> None:
    ended = docker.run(f"echo x > {where} || exit 6")
    assert (ended.state, ended.error.split("\n")[0]) == ("FAILED", "exit code 6")


def test_a_task_cannot_gain_rights(docker: Place) -> None:
    ended = docker.run("grep -E 'NoNewPrivs' /proc/self/status; mount -t tmpfs x /tmp 2>&1; true")
    assert "NoNewPrivs:\t1" in ended.log
    assert "denied" in ended.log or "permitted" in ended.log


def test_a_task_without_an_image_says_what_is_missing(docker: Place) -> None:
    answer = docker.post(b"tasks: [{run: echo x}]")
    assert answer.status == 200, answer.error
    ended = docker.ended(answer.json["id"])
    assert ended.state == "FAILED"
    assert "image is missing" in ended.error


def test_commands_of_the_original_image_with_a_user_of_its_own(docker: Place) -> None:
    ended = docker.run({"image": DECLARED, "run": "echo $HOME; cd; pwd; : > here; ls"})
    assert ended.log == "/work\n/work\nhere\n"


def test_two_hundred_lines_of_output_in_a_container_keep_both_streams_in_order(
    docker: Place,
) -> None:
    ended = docker.run("for i in $(seq 200); do echo o$i; echo e$i >&2; done")
    assert ended.log == "".join(f"o{n}\ne{n}\n" for n in range(1, 201))
