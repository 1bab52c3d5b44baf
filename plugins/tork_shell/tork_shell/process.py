"""One task's process, from its start until nothing is left of it.

Everything comes through the event loop: the output by the pipe's readiness, the end by the
readiness of a pidfd. So no thread waits for a child, and any child watcher of asyncio's may be
in use beside it.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import signal

from tork_core.interfaces.log_tail import LogTail
from tork_core.interfaces.runtime import LogSink
from tork_shell.family import Families, Family
from tork_shell.records import Records

_CHUNK = 64 * 1024
"""Bytes that are read at once: as much as a pipe holds, and all that is held here."""

DRAIN = 1.0
"""Seconds that what a task left in the background may hold its output after the main process."""

_STUBBORN = 5.0
"""Seconds after SIGKILL until we go on without a process that the kernel does not let go."""

_POLL = 0.02
"""Seconds between two looks at what a task that is being stopped left of itself."""


class Process:
    """A process that was started, and its family. ``close`` must be awaited in every case."""

    def __init__(self, families: Families, records: Records, family: Family, output: int) -> None:
        """Take over a process just started, and ``output``, the reading end of its pipe."""
        self._families = families
        self._records = records
        self._family = family
        self._output = output
        self._loop = asyncio.get_running_loop()
        self._pidfd = -1
        self._line: int | None = None
        self._news: asyncio.Future[None] | None = None
        self._overdue: asyncio.TimerHandle | None = None
        self._ended = False
        self._stopping = False
        self._rest: int | None = None
        self._log = LogTail()

    def watch(self, since: int) -> None:
        """Put a process started since ``since`` (ticks) on record, and begin to wait for its end.

        Raises OSError if there is no room on the disk, or no descriptor left, for that.
        """
        self._line = self._records.add(self._family, since)
        self._pidfd = os.pidfd_open(self._family.pid)
        self._loop.add_reader(self._pidfd, self._on_end)

    @property
    def log_tail(self) -> str:
        """The last lines that went to the log."""
        return self._log.text()

    async def follow(self, log: LogSink) -> None:
        """Hand the output on until the main process has ended and all was read.

        Reads no faster than ``log`` takes it. What still holds the pipe a second after the end is
        killed; a process that closed its output is waited for all the same.
        """
        while chunk := await self._read():
            self._log.feed(chunk)
            await log.write(chunk)
        while not self._ended:
            await self._wait()

    async def stop(self, log: LogSink, grace: float) -> None:
        """Ask the whole family to end, and follow it for ``grace`` seconds while it does."""
        self._stopping = True
        if self._overdue is not None:
            self._overdue.cancel()
        self._families.signal(self._family, signal.SIGTERM)
        self._families.signal(self._family, signal.SIGCONT)  # one that is paused hears it too
        # The time may be up while the log is written to: then, too, we go on and kill.
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace):
                await self.follow(log)
                # Nothing tells us when a process ends that is not our child.
                while not self._families.is_gone(self._family):  # noqa: ASYNC110
                    await asyncio.sleep(_POLL)

    async def close(self) -> int | None:
        """Kill what is left, wait until it is gone, and give everything back.

        Returns the exit code (negative: a signal's number), or None if there is none to be had:
        the process did not die, or other code of ours took it. Cancellation does not cut it short,
        it is raised afterwards.
        """
        cancelled = None
        if not self._is_over():
            cancelled = await self._kill()
        exit_code = self._exit_code()
        self._let_go()
        if cancelled is not None:
            raise cancelled
        return exit_code

    def _is_over(self) -> bool:
        return self._is_dead() and self._families.is_gone(self._family)

    def _is_dead(self) -> bool:
        if not self._ended:
            flags = os.WEXITED | os.WNOHANG | os.WNOWAIT
            try:
                self._ended = os.waitid(os.P_PID, self._family.pid, flags) is not None
            except ChildProcessError:
                self._ended = True
        return self._ended

    async def _kill(self) -> asyncio.CancelledError | None:
        """Kill until nothing is left; returns the cancellation that came meanwhile."""
        cancelled = None
        pause = 0.0005
        deadline = self._loop.time() + _STUBBORN
        while True:
            self._families.signal(self._family, signal.SIGKILL)
            try:
                await asyncio.sleep(pause)
            except asyncio.CancelledError as error:
                cancelled = error
            if self._is_over() or self._loop.time() > deadline:
                return cancelled
            pause = min(2 * pause, _POLL)

    def _let_go(self) -> None:
        if self._overdue is not None:
            self._overdue.cancel()
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
        os.close(self._output)
        if self._line is not None:
            self._records.remove(self._line)
        self._families.forget(self._family)

    def _exit_code(self) -> int | None:
        try:
            pid, status = os.waitpid(self._family.pid, os.WNOHANG)
        except ChildProcessError:
            return None
        return os.waitstatus_to_exitcode(status) if pid else None

    async def _read(self) -> bytes:
        """Return what was printed next, nothing at the end."""
        self._loop.add_reader(self._output, self._wake)
        try:
            while self._rest is None:
                await self._wait()
                with contextlib.suppress(BlockingIOError):
                    return os.read(self._output, _CHUNK)
        finally:
            self._loop.remove_reader(self._output)
        return self._read_rest()

    def _read_rest(self) -> bytes:
        """Return what the pipe holds after its writers were killed, and were it still written to.

        A descriptor can be handed to a process that is none of the family's.
        """
        try:
            chunk = os.read(self._output, min(self._rest or 0, _CHUNK))
        except BlockingIOError:
            return b""
        self._rest = (self._rest or 0) - len(chunk)
        return chunk

    async def _wait(self) -> None:
        """Wait until there may be something to read, the main process ended, or time is up."""
        self._news = self._loop.create_future()
        try:
            await self._news
        finally:
            self._news = None

    def _wake(self) -> None:
        if self._news is not None and not self._news.done():
            self._news.set_result(None)

    def _on_end(self) -> None:
        self._loop.remove_reader(self._pidfd)
        self._ended = True
        if not self._stopping:
            self._overdue = self._loop.call_later(DRAIN, self._on_overdue)
        self._wake()

    def _on_overdue(self) -> None:
        self._families.signal(self._family, signal.SIGKILL)
        self._rest = fcntl.fcntl(self._output, fcntl.F_GETPIPE_SZ)
        self._wake()
