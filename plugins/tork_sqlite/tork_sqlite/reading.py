"""Reading jobs and tasks: views for decisions, records and pages for readers."""

from __future__ import annotations

import contextlib
import json
import sqlite3
from collections.abc import Collection, Generator, Mapping
from datetime import datetime

import msgspec

from tork_core.interfaces.datastore import JobPage, JobView
from tork_core.model.job import Counts, Job, JobId, JobRecord, Task, TaskId, TaskRecord
from tork_core.model.spec import JobSpec, TaskSpec
from tork_sqlite.rows import decode_jobs, decode_tasks, micros
from tork_sqlite.spec_cache import SpecCache

Place = tuple[datetime, JobId]
"""Where a job stands in the listing: by its creation, and then its id."""

_LOAD = """
SELECT
    (SELECT CAST('[' || group_concat('{"job":' || j.row || ',"active":' || (
        SELECT count(*) FROM tasks t WHERE t.job_id = j.id AND t.stage = 1
    ) || '}') || ']' AS BLOB) FROM json_each(?1) k CROSS JOIN jobs j ON j.id = k.value),
    (SELECT CAST('[' || group_concat(t.row) || ']' AS BLOB)
    FROM json_each(?2) k CROSS JOIN tasks t ON t.id = k.value)
"""
_PARENTS = """
SELECT CAST('[' || group_concat(t.row) || ']' AS BLOB) FROM tasks t
WHERE t.job_id = ?1 AND t.path IN (SELECT value FROM json_each(?2))
"""
_JOB_SPECS = """
SELECT CAST('[' || group_concat('["' || s.job_id || '",' || s.row || ']') || ']' AS BLOB)
FROM json_each(?1) k CROSS JOIN job_specs s ON s.job_id = k.value
"""
_TASK_SPECS = """
SELECT CAST('[' || group_concat(
    '["' || s.job_id || '","' || s.task_id || '",' || s.row || ']'
) || ']' AS BLOB) FROM json_each(?1) k CROSS JOIN task_specs s ON s.task_id = k.value
"""
_RECORD = """
'{"task":' || t.row || ',"spec":' ||
coalesce((SELECT s.row FROM task_specs s WHERE s.task_id = t.id), '{}') || '}'
"""
_WHOLE = f"""
SELECT CAST('{{"job":' || j.row || ',"spec":' || s.row || ',"tasks":[' || coalesce(
    (SELECT group_concat({_RECORD}) FROM tasks t WHERE t.job_id = j.id), ''
) || ']}}' AS BLOB) FROM jobs j JOIN job_specs s ON s.job_id = j.id WHERE j.id = ?
"""
_BRIEF_TASKS = f"""
SELECT CAST('[' || group_concat({_RECORD}) || ']' AS BLOB) FROM (
    SELECT t.id FROM json_each(?1) k CROSS JOIN tasks t ON t.job_id = k.value AND t.stage = 2
    UNION SELECT value FROM json_each(?2)
) found CROSS JOIN tasks t ON t.id = found.id
"""
_JOB = """
SELECT CAST('{"job":' || j.row || ',"spec":' || s.row || '}' AS BLOB)
FROM jobs j JOIN job_specs s ON s.job_id = j.id WHERE j.id = ?
"""
_PAGE = """
SELECT CAST('[' || group_concat('{"job":' || j.row || ',"spec":' || s.row || '}') || ']' AS BLOB)
FROM (
    SELECT id FROM jobs WHERE (created, id) <= (?1, ?2) ORDER BY created DESC, id DESC
    LIMIT ?3 OFFSET ?4
) page CROSS JOIN jobs j ON j.id = page.id CROSS JOIN job_specs s ON s.job_id = j.id
"""
_TOTAL = "SELECT count(*) FROM jobs WHERE (created, id) <= (?1, ?2)"
_END = (2**62, "")
"""A place after all others."""


class _Listed(msgspec.Struct):
    job: Job
    spec: JobSpec


_decode_listed = msgspec.json.Decoder(_Listed).decode
_decode_page = msgspec.json.Decoder(list[_Listed]).decode
_decode_record = msgspec.json.Decoder(JobRecord).decode
_decode_records = msgspec.json.Decoder(list[TaskRecord]).decode
_decode_job_specs = msgspec.json.Decoder(list[tuple[JobId, msgspec.Raw]]).decode
_decode_job_spec = msgspec.json.Decoder(JobSpec).decode
_decode_task_specs = msgspec.json.Decoder(list[tuple[JobId, TaskId, TaskSpec]]).decode


def views(
    connection: sqlite3.Connection, keys: Mapping[JobId, Collection[TaskId]], cache: SpecCache
) -> dict[JobId, JobView]:
    """Load jobs with the named tasks and their parents."""
    wanted = [task_id for tasks in keys.values() for task_id in tasks]
    arguments = json.dumps(list(keys)), json.dumps(wanted)
    jobs, tasks = connection.execute(_LOAD, arguments).fetchone()
    loaded = decode_jobs(jobs) if jobs else []
    found = _asked(tasks, keys)
    if any("." in task.path for task in found):
        with _snapshot(connection):
            jobs, tasks = connection.execute(_LOAD, arguments).fetchone()
            loaded = decode_jobs(jobs) if jobs else []
            found = _asked(tasks, keys)
            found += _parents(connection, found)
    by_job: dict[JobId, dict[TaskId, Task]] = {job_id: {} for job_id in keys}
    for task in found:
        by_job[task.job_id][task.id] = task
    specs = _specs(connection, [item.job for item in loaded], cache)
    return {
        item.job.id: JobView(specs[item.job.id], item.job, by_job[item.job.id], Counts(item.active))
        for item in loaded
        if item.job.id in specs
    }


def task_specs(
    connection: sqlite3.Connection, keys: Collection[tuple[JobId, TaskId]]
) -> dict[TaskId, TaskSpec]:
    """Load rendered specifications."""
    wanted = set(keys)
    text = json.dumps([task_id for _, task_id in wanted])
    (rows,) = connection.execute(_TASK_SPECS, (text,)).fetchone()
    return {
        task_id: spec
        for job_id, task_id, spec in (_decode_task_specs(rows) if rows else [])
        if (job_id, task_id) in wanted
    }


def record(connection: sqlite3.Connection, job_id: JobId) -> JobRecord | None:
    """Load a job with all of its tasks."""
    found = connection.execute(_WHOLE, (job_id,)).fetchone()
    return _in_order(_decode_record(found[0])) if found else None


def brief_of_task(connection: sqlite3.Connection, task_id: TaskId) -> JobRecord | None:
    """Load a task with its job in brief."""
    with _snapshot(connection):
        row = connection.execute("SELECT job_id FROM tasks WHERE id = ?", (task_id,)).fetchone()
        found = connection.execute(_JOB, row).fetchone() if row else None
        if found is None:
            return None
        return _briefs(connection, [_decode_listed(found[0])], [task_id])[0]


def page(connection: sqlite3.Connection, until: Place | None, offset: int, limit: int) -> JobPage:
    """Load a page of jobs, each in brief."""
    place = _END if until is None else (micros(until[0]), until[1])
    with _snapshot(connection):
        (total,) = connection.execute(_TOTAL, place).fetchone()
        (rows,) = connection.execute(_PAGE, (*place, limit, offset)).fetchone()
        listed = _decode_page(rows) if rows else []
        listed.sort(key=lambda item: (item.job.created_at, item.job.id), reverse=True)
        return JobPage(total, _briefs(connection, listed))


def _briefs(
    connection: sqlite3.Connection, listed: Collection[_Listed], tasks: Collection[TaskId] = ()
) -> list[JobRecord]:
    named = [task_id for item in listed for task_id in item.job.variables.values()]
    arguments = json.dumps([item.job.id for item in listed]), json.dumps([*named, *tasks])
    (rows,) = connection.execute(_BRIEF_TASKS, arguments).fetchone()
    by_job: dict[JobId, list[TaskRecord]] = {item.job.id: [] for item in listed}
    for found in _decode_records(rows) if rows else []:
        by_job[found.task.job_id].append(found)
    return [
        _in_order(JobRecord(spec=item.spec, job=item.job, tasks=by_job[item.job.id]))
        for item in listed
    ]


def _in_order(record: JobRecord) -> JobRecord:
    record.tasks.sort(key=lambda item: (item.task.position, item.task.created_at, item.task.id))
    return record


def _asked(rows: bytes | None, keys: Mapping[JobId, Collection[TaskId]]) -> list[Task]:
    """Decode tasks, without those that were asked for under another job than theirs."""
    found = decode_tasks(rows) if rows else []
    return [task for task in found if task.id in keys.get(task.job_id, ())]


def _parents(connection: sqlite3.Connection, tasks: Collection[Task]) -> list[Task]:
    """Load the tasks that some are part of: the newest at each shorter path."""
    paths: dict[JobId, set[str]] = {}
    for task in tasks:
        path, dot, _ = task.path.rpartition(".")
        while dot:
            paths.setdefault(task.job_id, set()).add(path)
            path, dot, _ = path.rpartition(".")
    parents: list[Task] = []
    for job_id, wanted in paths.items():
        (rows,) = connection.execute(_PARENTS, (job_id, json.dumps(list(wanted)))).fetchone()
        found = decode_tasks(rows) if rows else []
        found.sort(key=lambda task: (task.created_at, task.retry))
        parents += {task.path: task for task in found}.values()
    return parents


def _specs(
    connection: sqlite3.Connection, jobs: Collection[Job], cache: SpecCache
) -> dict[JobId, JobSpec]:
    specs: dict[JobId, JobSpec] = {}
    missing: dict[JobId, Job] = {}
    for job in jobs:
        spec = cache.get(job.id, job.created_at)
        if spec is None:
            missing[job.id] = job
        else:
            specs[job.id] = spec
    if missing:
        (rows,) = connection.execute(_JOB_SPECS, (json.dumps(list(missing)),)).fetchone()
        for job_id, raw in _decode_job_specs(rows) if rows else []:
            specs[job_id] = spec = _decode_job_spec(raw)
            cache.put(job_id, missing[job_id].created_at, spec, len(bytes(raw)))
    return specs


@contextlib.contextmanager
def _snapshot(connection: sqlite3.Connection) -> Generator[None]:
    """Let several reads see one state."""
    connection.execute("BEGIN")
    try:
        yield
    finally:
        connection.execute("COMMIT")
