"""Limits, and exit codes."""

from __future__ import annotations

from collections.abc import Iterator

from tork_memory.plugin import MemoryDatastoreSettings
from tork_sqlite.plugin import SqliteSettings

from reference_pages import NOTE
from tork_core.api.routes import MOST_JOBS
from tork_core.coordinator.decisions.checking import MOST_EXPRESSIONS
from tork_core.expressions import limits
from tork_core.model import caps
from tork_core.settings.core import (
    MAX_CONCURRENCY,
    ApiSettings,
    CoordinatorSettings,
    WorkerSettings,
)

_LIMITS = f"""\
# Limits, and exit codes

{NOTE}
What holds unless something else is set. The longest names and the like are told with each
[field](fields.md).

| what | limit | to change it |
|---|---|---|
"""

_STATUSES = """
## Exit statuses of `tork`

| status | means |
|---|---|
| 0 | done; of a job that was waited for: it completed |
| 1 | it did not work: the job failed, a file is wrong, the server is away or refuses |
| 2 | the command line or a setting is wrong: the same again would end the same |
| 130 | interrupted by Ctrl-C, or, of a server, by the second one |
| 143 | ended by SIGTERM, or, of a server, at once by the second one |
| 129 | the same of a closed terminal (SIGHUP) |

## Exit codes of tasks

A task completes if its main process ends with 0. Anything else fails it, and the error says with
what:

| error | means |
|---|---|
| `exit code 1`, and others | the script's own: that of its last command, unless it says `exit` |
| `exit code 126` | a file was to be run that is no program, or may not be run |
| `exit code 127` | a command was not found: it is misspelt, or not on the task's `PATH` |
| `killed by SIGKILL (signal 9)`, `exit code 137 (SIGKILL)` | killed, often for want of memory |
| `killed by SIGSEGV (signal 11)`, `exit code 139 (SIGSEGV)` | a program crashed |
| `killed for memory: …` | it used more than its [limit](../how-to/limit-cpu-and-memory.md) |
| `timed out after …` | it took longer than its [timeout](../how-to/stop-slow-tasks.md) |

In containers, and where a shell tells of a command that it ran, a signal is 128 and its number.
Codes are 0 to 255: `exit 300` is `exit code 44`.
"""


def page() -> str:
    """Return the page about limits and exit codes."""
    return "\n".join(_lines())


def _lines() -> Iterator[str]:
    yield _LIMITS.removesuffix("\n")
    for what, limit, change in _limit_rows():
        yield f"| {what} | {limit} | {change or 'fixed'} |"
    yield _STATUSES.removesuffix("\n")


def _limit_rows() -> Iterator[tuple[str, str, str]]:
    """What is limited, how, and the option that changes it."""
    worker, coordinator = WorkerSettings(), CoordinatorSettings()
    yield "a job that is sent to the API", _bytes(ApiSettings().body_limit), "`--api-body-limit`"
    yield "nesting within a job", f"{caps.MAX_DEPTH} levels", ""
    yield "values within it", f"{caps.MAX_NODES:,}", ""
    yield "aliases of YAML within it", f"{caps.MAX_ALIASES:,}", ""
    yield "all of its expressions", f"{MOST_EXPRESSIONS:,} characters", ""
    yield "one expression", f"{limits.MAX_SOURCE:,} characters, {limits.MAX_STEPS:,} steps", ""
    yield "a text that one makes", f"{limits.MAX_TEXT:,} characters", ""
    yield "the output of a task", _bytes(worker.output_limit), "`--worker-output-limit`"
    yield "the log of an attempt", _bytes(worker.log_limit), "`--worker-log-limit`"
    yield "the run of a task", "none", "its `timeout`, `--default-timeout`"
    yield "the CPUs and memory of a task", "none", "its `limits`, `--default-cpus-limit` …"
    yield "from SIGTERM to SIGKILL", f"{worker.stop_grace:g} s", "`--worker-stop-grace`"
    yield "tasks that a server ending waits for", f"{worker.grace:g} s", "`--worker-grace`"
    yield (
        "tasks at once",
        "one per CPU, at least 2",
        f"`--queue NAME:NUMBER`, up to {MAX_CONCURRENCY:,}",
    )
    yield "until a silent worker is lost", f"{coordinator.lease:g} s", "`--coordinator-lease`"
    yield (
        "attempts that end with their worker",
        f"{coordinator.lost_limit}",
        "`--coordinator-lost-limit`",
    )
    yield (
        "attempts that end with the whole process",
        f"{coordinator.restart_limit}",
        "`--coordinator-restart-limit`",
    )
    yield (
        "submissions that wait to be stored",
        f"{coordinator.max_waiting_submissions:,}",
        "`--coordinator-max-waiting-submissions`",
    )
    yield (
        "ended jobs in memory",
        f"{MemoryDatastoreSettings().kept_jobs:,}",
        "`--inmemory-kept-jobs`",
    )
    yield (
        "logs in memory",
        _bytes(MemoryDatastoreSettings().kept_log_bytes),
        "`--inmemory-kept-log-bytes`",
    )
    yield "ended jobs in SQLite", _days(SqliteSettings().kept_jobs), "`--sqlite-kept-jobs`"
    yield "logs in SQLite", _days(SqliteSettings().kept_logs), "`--sqlite-kept-logs`"
    yield "a page of jobs, or of a log", f"{MOST_JOBS} items", ""


def _bytes(number: int) -> str:
    """A size that is a whole number of KiB or MiB."""
    return f"{number // 1024} KiB" if number < 1024**2 else f"{number // 1024**2} MiB"


def _days(seconds: float) -> str:
    return f"{seconds / 86400:g} days"
