"""What the processes themselves log."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator

import pytest
import structlog

from tork_core import logs
from tork_core.settings import Secret
from tork_core.settings.core import LoggingSettings

log = structlog.get_logger()


@pytest.fixture(autouse=True)
def _restored() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    structlog.reset_defaults()
    root.handlers[:] = handlers
    root.setLevel(level)


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def configured(stream: io.StringIO | None = None, **given: str) -> io.StringIO:
    stream = stream or io.StringIO()
    logs.configure(LoggingSettings(**given), stream=stream)  # pyright: ignore[reportArgumentType]
    return stream


def lines(stream: io.StringIO) -> list[dict[str, object]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_lines_are_json_where_nobody_watches_and_for_people_on_a_terminal() -> None:
    stream = configured()
    log.info("task.completed", seconds=1.5)
    (line,) = lines(stream)
    assert (line["event"], line["level"], line["seconds"]) == ("task.completed", "info", 1.5)
    assert str(line["timestamp"]).endswith("Z")
    terminal = configured(Terminal())
    log.info("task.completed", seconds=1.5)
    assert "task.completed" in terminal.getvalue()
    assert not terminal.getvalue().startswith("{")


def test_the_format_may_be_chosen() -> None:
    terminal = configured(Terminal(), format="json")
    log.info("x")
    assert lines(terminal)[0]["event"] == "x"
    stream = configured(format="pretty")
    log.info("x")
    assert "\x1b" not in stream.getvalue()
    assert stream.getvalue().rstrip().endswith("x")


def test_the_level_is_the_one_that_was_set_else_the_command_s() -> None:
    stream = configured()
    log.debug("no")
    log.info("yes")
    assert [line["event"] for line in lines(stream)] == ["yes"]
    stream = configured(level="debug")
    log.debug("yes")
    assert [line["event"] for line in lines(stream)] == ["yes"]
    stream = io.StringIO()
    logs.configure(LoggingSettings(), default="warning", stream=stream)
    log.info("no")
    assert stream.getvalue() == ""


def test_ids_are_bound_to_every_line_within() -> None:
    stream = configured()
    with logs.bound(node="n1"), logs.bound(job="j1", task="t1"):
        log.info("inside")
    log.info("outside")
    inside, outside = lines(stream)
    assert (inside["node"], inside["job"], inside["task"]) == ("n1", "j1", "t1")
    assert "job" not in outside


def test_secrets_are_kept_out() -> None:
    stream = configured()
    with logs.hiding(lambda text: text.replace("sesame", "[REDACTED]")):
        log.info(
            "x sesame",
            password="hunter2",
            env={"API_SECRET": "hunter2", "USER": "me"},
            url="amqp://me:hunter2@host/",
            setting=Secret("hunter2"),
            words=["open sesame"],
            error=ValueError("open sesame"),
        )
    log.info("outside sesame")
    inside, outside = lines(stream)
    assert "hunter2" not in stream.getvalue()
    assert inside["event"] == "x [REDACTED]"
    assert inside["env"] == {"API_SECRET": "[REDACTED]", "USER": "me"}
    assert inside["url"] == "amqp://[REDACTED]@host/"
    assert (inside["words"], inside["error"]) == (["open [REDACTED]"], "open [REDACTED]")
    assert outside["event"] == "outside sesame"


def test_an_exception_is_one_line_and_all_of_it_when_debugging() -> None:
    def fail() -> None:
        try:
            raise KeyError("a")
        except KeyError as error:
            raise ValueError("b") from error

    for level, traceback in (("info", False), ("debug", True)):
        stream = configured(level=level)
        try:
            fail()
        except ValueError:
            log.exception("loop.failed")
        (line,) = lines(stream)
        text = str(line["exception"])
        assert ("Traceback" in text) is traceback
        assert "ValueError: b" in text
        assert "KeyError: 'a'" in text
        assert "test_logs.py" in text


def test_what_libraries_log_looks_the_same_from_warnings_on() -> None:
    stream = configured()
    logging.getLogger("some.library").info("no")
    logging.getLogger("some.library").warning("went to %s", "amqp://me:hunter2@host")
    (line,) = lines(stream)
    assert (line["event"], line["level"]) == ("went to amqp://[REDACTED]@host", "warning")


def test_configuring_again_writes_no_line_twice() -> None:
    configured()
    stream = configured()
    logging.getLogger("some.library").warning("once")
    assert len(lines(stream)) == 1


def test_names_of_users_cannot_forge_lines_on_a_terminal() -> None:
    terminal = configured(Terminal())
    log.info("job", name="x\n2024 [info] forged\x1b[2J")
    assert len(terminal.getvalue().splitlines()) == 1
    assert "\x1b[2J" not in terminal.getvalue()


def test_a_stream_that_is_gone_ends_nothing() -> None:
    stream = configured()
    stream.close()
    log.info("x")
