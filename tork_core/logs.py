"""What Tork's own processes log: events with fields, through structlog, to standard error.

``log = structlog.get_logger()`` in any module, then ``log.info("task.completed", seconds=1.5)``.
Ids are bound once, for all that is logged within::

    with bound(job=job.id, task=task.id):
        ...

Lines are for people on a terminal and JSON elsewhere. Secrets are kept out: values under secret
names, credentials in URLs, and what :func:`hiding` says for as long as it says it.
"""

from __future__ import annotations

import logging
import re
import sys
import traceback
from collections.abc import Callable, Generator, Iterable, Iterator, MutableMapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, Literal, TextIO, TypeAlias, cast

import msgspec
import structlog

from tork_core.settings.core import LoggingSettings

EventDict: TypeAlias = MutableMapping[str, Any]
Level: TypeAlias = Literal["debug", "info", "warning", "error"]
Hide: TypeAlias = Callable[[str], str]

_HIDDEN = "[REDACTED]"
_SECRET_NAME = re.compile("secret|password|passwd|access_?key|api_?key|token", re.IGNORECASE)
_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]*(?=@)")
_MOST_FRAMES = 8

_hide: ContextVar[tuple[Hide, ...]] = ContextVar("tork_hide", default=())

bound = structlog.contextvars.bound_contextvars
"""A context in which every line carries these fields: ``with bound(job=…, task=…, node=…):``."""


@contextmanager
def hiding(hide: Hide) -> Generator[None]:
    """A context in which every text that is logged goes through a function first."""
    token = _hide.set((*_hide.get(), hide))
    try:
        yield
    finally:
        _hide.reset(token)


def configure(
    settings: LoggingSettings, *, default: Level = "info", stream: TextIO | None = None
) -> None:
    """Set up logging for this process.

    ``default`` is the level where the user has set none; ``stream`` takes the place of standard
    error. What libraries log through :mod:`logging` is written the same way, from warnings on.
    """
    level = cast(int, getattr(logging, (settings.level or default).upper()))
    pretty = settings.format == "pretty" or (
        settings.format == "auto" and (stream or sys.stderr).isatty()
    )
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True, key="timestamp"),
        _whole_exception if level == logging.DEBUG else _short_exception,
        _without_secrets,
    ]
    render: list[structlog.typing.Processor] = _pretty(stream) if pretty else [_json]
    structlog.configure(
        processors=[*shared, *render],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=lambda *_: _Lines(stream),
        cache_logger_on_first_use=False,
    )
    _configure_libraries(shared, render, max(level, logging.WARNING), stream)


def _configure_libraries(
    shared: list[structlog.typing.Processor],
    render: list[structlog.typing.Processor],
    level: int,
    stream: TextIO | None,
) -> None:
    handler = _LibraryHandler(_Lines(stream))
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    root.handlers[:] = [
        *(other for other in root.handlers if not isinstance(other, _LibraryHandler)),
        handler,
    ]
    root.setLevel(level)


class _Lines:
    """Writes lines; to what is standard error at that time, unless a stream is given.

    A stream that is gone must not end what is logged about.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream

    def msg(self, line: str) -> None:
        stream = self._stream or sys.stderr
        try:
            stream.write(line + "\n")
            stream.flush()
        except (OSError, ValueError):
            return

    log = debug = info = warning = error = critical = exception = msg


class _LibraryHandler(logging.Handler):
    """Writes what libraries log."""

    def __init__(self, lines: _Lines) -> None:
        super().__init__()
        self._lines = lines

    def emit(self, record: logging.LogRecord) -> None:
        self._lines.msg(self.format(record))


# --- processors ------------------------------------------------------------------------------


def _exception_of(event: EventDict) -> BaseException | None:
    given = event.pop("exc_info", None)
    if isinstance(given, BaseException):
        return given
    if isinstance(given, tuple):
        return cast("tuple[Any, BaseException | None, Any]", given)[1]
    return sys.exc_info()[1] if given else None


def _whole_exception(logger: object, method: str, event: EventDict) -> EventDict:
    error = _exception_of(event)
    if error is not None:
        event["exception"] = "".join(traceback.format_exception(error)).rstrip()
    return event


def _short_exception(logger: object, method: str, event: EventDict) -> EventDict:
    """Say what an exception was and where it came from in one line; debug logs have all of it."""
    error = _exception_of(event)
    if error is not None:
        event["exception"] = "; because of ".join(_causes(error))
    return event


def _causes(error: BaseException | None) -> Iterator[str]:
    for _ in range(_MOST_FRAMES):
        if error is None:
            return
        frames = traceback.extract_tb(error.__traceback__)[-_MOST_FRAMES:]
        places = [f"{_short(frame.filename)}:{frame.lineno}" for frame in reversed(frames)]
        where = f" ({' < '.join(places)})" if places else ""
        yield f"{type(error).__name__}: {error}{where}"
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)


def _short(path: str) -> str:
    return "/".join(path.split("/")[-2:])


def _without_secrets(logger: object, method: str, event: EventDict) -> EventDict:
    hides = _hide.get()
    for name, value in event.items():
        event[name] = _clean(name, value, hides)
    return event


def _clean(name: str, value: object, hides: tuple[Hide, ...]) -> object:
    if value is None or isinstance(value, bool | int | float):
        return value
    if name != "event" and _SECRET_NAME.search(name):
        return _HIDDEN
    if isinstance(value, dict):
        fields = cast("dict[object, object]", value)
        return {str(key): _clean(str(key), item, hides) for key, item in fields.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [_clean("", item, hides) for item in cast("Iterable[object]", value)]
    return _without_secret(str(value), hides)


def _without_secret(text: str, hides: tuple[Hide, ...]) -> str:
    for hide in hides:
        text = hide(text)
    return _CREDENTIALS.sub(_HIDDEN, text) if "://" in text else text


def _json(logger: object, method: str, event: EventDict) -> str:
    first = {name: event.pop(name) for name in ("timestamp", "level", "event") if name in event}
    return msgspec.json.encode({**first, **event}).decode()


def _pretty(stream: TextIO | None) -> list[structlog.typing.Processor]:
    colors = (stream or sys.stderr).isatty()
    return [
        _printable,
        structlog.dev.ConsoleRenderer(
            colors=colors,
            timestamp_key="timestamp",
            exception_formatter=structlog.dev.plain_traceback,
        ),
    ]


def _printable(logger: object, method: str, event: EventDict) -> EventDict:
    """Keep what users named from moving the cursor or adding lines."""
    for name, value in event.items():
        if name != "exception" and isinstance(value, str) and not value.isprintable():
            event[name] = repr(value)
    return event
