"""Becomes a task's process: enters its cgroups, gives up the worker's rights, executes its command.

This is a program of its own, ``python -I -S launcher.py``, and not a part of the worker. Its order
comes by standard input (see ``order``). Nothing of the task is in its environment: a task must have
no word in what happens before it is held, as it would by ``LD_PRELOAD``, and a shell or ``env`` as
a launcher would change its variables or show them in its command line. Only what the interpreter
has built in is imported, which keeps the start at 6 ms.
"""

from __future__ import annotations

import posix

TYPE_CHECKING = False
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal

HEAD = 12
"""Bytes at the beginning of an order, blank unless it failed."""


def main() -> None:
    """Carry the order out; what fails is written over its beginning."""
    order = posix.dup(0)  # which is closed by the exec, as Python makes all descriptors
    null = posix.open(b"/dev/null", posix.O_RDONLY)
    posix.dup2(null, 0)
    head, program, *rest = _read(order)[HEAD:].split(b"\0")
    entries, words, variables, uid, gid = map(int, head.split())
    step = b"enter"
    try:
        for path in rest[:entries]:
            file = posix.open(path, posix.O_WRONLY)
            posix.write(file, b"0")  # stands for the process that writes
            posix.close(file)
        step = b"rights"
        if uid >= 0:
            posix.setgroups([])
            posix.setresgid(gid, gid, gid)
            posix.setresuid(uid, uid, uid)
        step = b"exec"
        argv = rest[entries : entries + words]
        pairs = (v.partition(b"=") for v in rest[entries + words : entries + words + variables])
        env = {name: value for name, _, value in pairs}
        # The interpreter ignores these two, and what is ignored stays so.
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        signal.signal(signal.SIGXFSZ, signal.SIG_DFL)
        if argv:
            posix.execve(program, argv, env)
    except OSError as error:
        posix.pwrite(order, b"%-6b %04d " % (step, error.errno or 0), 0)
        raise SystemExit(125) from None


def _read(file: int) -> bytes:
    data, size = b"", posix.fstat(file).st_size
    while len(data) < size:
        data += posix.pread(file, size - len(data), len(data))
    return data


if __name__ == "__main__":
    main()
