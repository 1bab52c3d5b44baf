"""The signals that ask a program to end."""

from __future__ import annotations

import signal


def asking_to_end() -> list[signal.Signals]:
    """Return those that a program here ends in good order for.

    SIGHUP comes when a terminal is closed or its connection breaks: who died of it would leave
    tasks running. It is ignored under ``nohup``, and stays so.
    """
    asking = [signal.SIGINT, signal.SIGTERM]
    if signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        asking.append(signal.SIGHUP)
    return asking
