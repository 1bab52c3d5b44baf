"""Running a script: what we say to the image's own ``sh``, and what it answers.

The container is started with a few lines of shell, the *keeper*. It takes the script from standard
input, runs it, and gives the output back on standard error; standard output carries the log. So a
task costs one call to the engine more than a bare container. (To copy a file into a container or
out of it, the engine mounts its file system and starts a process: a tenth of a second each time.)

- Both streams of the script go into one named pipe, so that their order is kept. When the script
  has ended and something in the background holds that pipe, it is given a second and then killed.
- The engine's ``init`` is process 1 and hands SIGTERM to the whole group. The keeper outlives it
  and waits for what is left of the group, for as long as the grace: who asked it to stop ends it by
  then, with SIGKILL. A script may also have sent the signal itself (``kill 0``), and nobody comes.
- The shell itself says nothing in the log (``Terminated``, if it is stopped before the script
  starts); what its tools complain of is seen there.
- ``/tork`` is a file system of its own, in memory, that every user may write to: so a script can
  be given to an image with a user of its own, and no other file can be linked to the output.
- What the task could do to these lines, it could only do to its own output.
"""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping

from tork_core.errors import TaskFailed
from tork_core.interfaces.runtime import Execution
from tork_docker.plan import script_words

_DRAIN = 1
"""Seconds that what a script left in the background may hold the log after its end."""

KEEPER = f"""\
unset TINI_KILL_PROCESS_GROUP _tork_stopped _tork_late
trap _tork_stopped=1 TERM
for _tork_tool in cat chmod head mkfifo; do
    command -v $_tork_tool >/dev/null || {{ printf %s "$3"t >&2; exit 125; }}
done
{{ (umask 0; head -c "$1" >/tork/script 2>&3 && chmod 755 /tork/script 2>&3 && : >/tork/output &&
    mkfifo /tork/log 2>&3) || exit 125; }} 3>&2 2>/dev/null
_tork_limit=$2 _tork_mark=$3 _tork_grace=$4 _tork_drain={_DRAIN}
shift 4
[ -z "$_tork_stopped" ] || exit 143
exec 3>&2 2>/dev/null
case $1 in
*/*) [ -f "$1" ] && [ -x "$1" ] ;;
*) command -v "$1" >/dev/null ;;
esac || {{ printf %s "$_tork_mark"i >&3; exit 127; }}
(trap '' TERM; exec cat </tork/log 3>&-) &
_tork_cat=$!
(exec "$@" </dev/null >/tork/log 2>&1 3>&-)
_tork_status=$?
[ -z "$_tork_stopped" ] || _tork_drain=$_tork_grace
trap _tork_late=1 ALRM
(trap '' TERM; sleep $_tork_drain; kill -ALRM $$) </dev/null >/dev/null 3>&- &
while wait $_tork_cat; [ $? -gt 128 ] && kill -0 $_tork_cat; do
    [ -z "$_tork_late" ] || for _tork_pid in /proc/[0-9]*; do
        case ${{_tork_pid#/proc/}} in
        1 | $$ | $_tork_cat) ;;
        *) kill -9 ${{_tork_pid#/proc/}} ;;
        esac
    done
done
if [ $_tork_status -ne 0 ]; then
    exit $_tork_status
elif [ -f /tork/output ] && [ ! -L /tork/output ]; then
    true </tork/output || {{ printf %s "$_tork_mark"r >&3; exit 0; }}
    printf %s "$_tork_mark"f >&3
    head -c "$_tork_limit" /tork/output >&3
elif [ -e /tork/output ] || [ -L /tork/output ]; then
    printf %s "$_tork_mark"n >&3
fi
"""
"""Called with the script's length in bytes, the most bytes to give back, a mark that says where
they begin, the seconds of grace, and the command line that runs the script."""

_INIT = b"[FATAL tini "
"""How the engine's init begins when it cannot execute a command."""
_SIZE = "64m"
"""The size of ``/tork``, for the script and the output."""


def keeper_config(
    config: Mapping[str, object], execution: Execution, answer: Answer
) -> dict[str, object]:
    """Return the description of a container whose keeper runs a task's script."""
    task = execution.task
    host, env = config["HostConfig"], config["Env"]
    assert isinstance(host, dict)
    assert isinstance(env, list)
    tmpfs = f"rw,exec,nosuid,nodev,mode=0777,size={_SIZE}"
    length, most = str(len((task.run or "").encode())), str(execution.output_limit + 1)
    grace = str(max(_DRAIN, math.ceil(execution.grace)))
    return {
        **config,
        "Entrypoint": ["sh", "-c", KEEPER, "tork", length, most, answer.mark, grace],
        "Cmd": script_words(task),
        "Env": [*env, "TINI_KILL_PROCESS_GROUP=1"],
        "OpenStdin": True,
        "StdinOnce": True,
        "HostConfig": {**host, "Tmpfs": {"/tork": tmpfs}},
    }


class Answer:
    """What comes on the keeper's standard error: the output behind the mark."""

    def __init__(self, limit: int) -> None:
        """Take at most ``limit`` bytes of output."""
        self.mark = f"tork-output-{secrets.token_hex(16)}-"
        """What the output begins with: a text that no task prints by chance."""
        self._mark = self.mark.encode()
        self._limit = limit
        self._found = False
        self._data = b""
        self.no_shell = False
        """Whether the image has no ``sh``: then the script was not run."""

    @property
    def no_tools(self) -> bool:
        """Whether the image has a ``sh``, and not what the keeper needs: the script was not run."""
        return self._found and self._data[:1] == b"t"

    @property
    def no_interpreter(self) -> bool:
        """Whether what is to run the script is no program of the image: then it was not run."""
        return self._found and self._data[:1] == b"i"

    def feed(self, data: bytes) -> bytes:
        """Take the next bytes; returns those that are none of ours, and belong to the log.

        They were written by the shell itself, or by a program that looks for the standard error of
        process 1.
        """
        self._data += data
        if self._found:
            self._data = self._data[: self._limit + 2]
            return b""
        before, mark, after = self._data.partition(self._mark)
        if mark:
            self._found, self._data = True, after
            return before
        if self._data.startswith(_INIT):
            return b""
        kept = len(self._mark) - 1
        log, self._data = self._data[:-kept], self._data[-kept:]
        return log

    def close(self) -> bytes:
        """Return what at the end proved to be the log's."""
        if self._found:
            return b""
        log, self._data = self._data, b""
        self.no_shell = log.startswith(_INIT) and b" exec sh failed" in log
        return b"" if self.no_shell else log

    def output(self) -> str:
        """Return the output. Raises TaskFailed if it is too long, or was no file to be read."""
        if self._data[:1] == b"n":
            raise TaskFailed("the output cannot be read: it is not a regular file any more")
        if self._data[:1] == b"r":
            raise TaskFailed("the output cannot be read: the task has taken the permission away")
        return text_of(self._data[1:], self._limit)


def text_of(data: bytes, limit: int) -> str:
    """Return an output as text; invalid bytes become U+FFFD. Raises TaskFailed past the limit."""
    if len(data) > limit:
        raise TaskFailed(f"the output is longer than the limit of {limit} bytes")
    return data.decode(errors="replace").replace("\0", "")
