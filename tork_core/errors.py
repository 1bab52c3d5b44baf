"""The family tree of errors.

Every error that the engine raises on purpose is a :class:`TorkError`. The API and the command line
each map the family in one place; what a user reads is the error's message, so a message says what
is wrong, where, and what to do next.
"""

from __future__ import annotations


class TorkError(Exception):
    """An error that the engine raises on purpose; its text is written for users."""


class UsageError(TorkError):
    """A setting, an argument or a combination of them is wrong; nothing was started."""


class InvalidJob(TorkError):
    """A job was refused at submission.

    ``path`` names the field (``$.tasks[1].run``), ``line`` and ``column`` (both from 1) its place
    in the source where that is known. One error speaks of one problem, the first; what else was
    found is in ``others``.
    """

    def __init__(
        self,
        message: str,
        *,
        path: str = "$",
        line: int | None = None,
        column: int | None = None,
    ) -> None:
        self.message = message
        self.path = path
        self.line = line
        self.column = column
        self.others: tuple[InvalidJob, ...] = ()
        super().__init__(self._text())

    @property
    def problems(self) -> tuple[InvalidJob, ...]:
        """All that was found, this one first."""
        return (self, *self.others)

    def _text(self) -> str:
        place = f"line {self.line}, column {self.column}: " if self.line is not None else ""
        where = f"{self.path}: " if self.path not in ("", "$") else ""
        return f"{place}{where}{self.message}"


class ExpressionError(TorkError):
    """An expression or a template could not be parsed or evaluated.

    ``source`` is the expression's text, ``offset`` the character (from 0) at which the error was
    found (None where it has no place), ``field`` the field of the job that holds the expression
    (``tasks[1].env.NAME``), and ``hint`` what to do about it.
    """

    def __init__(
        self,
        message: str,
        *,
        source: str = "",
        offset: int | None = None,
        field: str | None = None,
        hint: str | None = None,
    ) -> None:
        self.message = message
        self.source = source
        self.offset = offset
        self.field = field
        self.hint = hint
        super().__init__(message)

    def __str__(self) -> str:
        where = f"{self.field}: " if self.field else ""
        hint = f"; {self.hint}" if self.hint else ""
        if self.offset is None:
            return f"{where}{self.message}{hint}"
        line, column = self.position
        text = self.source.split("\n")[line - 1]
        caret = f"\n | {text}\n | {'.' * (column - 1)}^"
        return f"{where}{self.message} ({line}:{column}){hint}{caret}"

    @property
    def position(self) -> tuple[int, int]:
        """Line and column of the error in ``source``, both from 1."""
        offset = self.offset or 0
        before = self.source[:offset]
        return before.count("\n") + 1, offset - (before.rfind("\n") + 1) + 1


class NotFound(TorkError):
    """No job, task, node or queue has this id."""


class Conflict(TorkError):
    """The state of a thing does not allow what was asked of it."""


class Busy(TorkError):
    """More is waiting to be accepted than the process may hold; try again shortly."""


class Unavailable(TorkError):
    """A service (broker, datastore) is away or did not answer in time.

    What was asked may or may not have happened: the caller finds out from the datastore.
    """

    def __init__(self, service: str, message: str) -> None:
        self.service = service
        super().__init__(f"{service}: {message}")


class PluginError(TorkError):
    """A plugin is missing, broken, or clashes with another one."""


class TaskFailed(TorkError):
    """A task's own failure, as its runtime saw it.

    ``exit_code`` is the status of the main process (negative: the number of the signal that ended
    it), ``log_tail`` the end of its log. ``log_before`` is set by the worker: what stands before
    that end, in which a secret may begin that is to be hidden.
    """

    def __init__(self, message: str, *, exit_code: int | None = None, log_tail: str = "") -> None:
        self.message = message
        self.exit_code = exit_code
        self.log_tail = log_tail
        self.log_before = ""
        super().__init__(f"{message}\n{log_tail}" if log_tail else message)
