"""Opening a file: one process to a file, and clear errors for what cannot be used."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from tork_sqlite.datastore import SqliteDatastore
from tork_sqlite.schema import APPLICATION, MIGRATIONS, migrate
from tork_sqlite.store import open_store

from tork_core.errors import UsageError
from tork_core.interfaces.environment import Environment
from tork_core.testing._datastore_base import new_job

HOLDER = """
import asyncio, sys
from tork_core.interfaces.environment import Environment
from tork_sqlite.datastore import SqliteDatastore
from tork_sqlite.store import open_store
from tork_core.testing._datastore_base import new_job

async def main():
    async with open_store(sys.argv[1], Environment()) as store:
        datastore = SqliteDatastore(store)
        change = new_job(store.now(), {}, id="of the holder")
        await datastore.commit([change])
        print("open", flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def opened(path: Path | str) -> None:
    async with open_store(str(path), Environment()):
        pass


async def refused(path: Path | str, *words: str) -> None:
    """The file is refused, with an error that has these words."""
    with pytest.raises(UsageError) as caught:
        await opened(path)
    for word in words:
        assert word in str(caught.value)


def hold(path: Path) -> subprocess.Popen[str]:
    """Let another process hold a file; returns when it has committed a job."""
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDER, str(path)], stdout=subprocess.PIPE, text=True
    )
    assert holder.stdout is not None
    assert holder.stdout.readline() == "open\n"
    return holder


async def test_a_file_that_another_process_has_is_refused_until_that_one_is_killed(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    holder = hold(path)
    try:
        await refused(path, str(path), f"pid {holder.pid}", "--sqlite-path")
        (tmp_path / "another name").symlink_to(path)
        (tmp_path / "folder").symlink_to(tmp_path)
        await refused(tmp_path / "another name", str(path), f"pid {holder.pid}")
        await refused(tmp_path / "folder" / "tork.db", str(path), f"pid {holder.pid}")
        monkeypatch.chdir(tmp_path)
        await refused("tork.db", str(path), f"pid {holder.pid}")
        await refused("./folder/tork.db", str(path), f"pid {holder.pid}")
    finally:
        holder.send_signal(signal.SIGKILL)
        holder.wait()
    async with open_store(str(path), Environment()) as store:
        # What was committed before the kill is there.
        assert (await SqliteDatastore(store).job("of the holder")) is not None


async def test_a_file_is_opened_once_in_one_process_too(path: Path) -> None:
    async with open_store(str(path), Environment()):
        await refused(path, f"pid {os.getpid()}")
    await opened(path)


async def test_a_file_with_several_names_is_refused(path: Path, tmp_path: Path) -> None:
    await opened(path)
    (tmp_path / "hard").hardlink_to(path)
    await refused(path, "several names")
    await refused(tmp_path / "hard", "several names")


async def test_what_jobs_hold_is_nobody_elses_to_read(path: Path) -> None:
    async with open_store(str(path), Environment()) as store:
        await SqliteDatastore(store).commit([new_job(store.now(), {})])
        for name in path.parent.iterdir():
            assert stat.S_IMODE(name.stat().st_mode) == 0o600, name


async def test_a_folder_that_does_not_exist_is_said_so(tmp_path: Path) -> None:
    await refused(tmp_path / "none" / "tork.db", str(tmp_path / "none"), "no such folder")


async def test_a_folder_is_no_file(tmp_path: Path) -> None:
    await refused(tmp_path, "no file")


async def test_a_folder_that_cannot_be_written_is_said_so() -> None:
    await refused("/proc/tork.db", "/proc/tork.db", "cannot")


async def test_a_file_that_is_no_database_is_refused_and_left_as_it_is(path: Path) -> None:
    path.write_text("these are the only notes of my life's work\n" * 100)
    await refused(path, str(path), "no SQLite database")
    assert path.read_text().startswith("these are the only notes")


async def test_another_programs_database_is_refused_and_left_as_it_is(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE bookmarks (url TEXT)")
    await refused(path, str(path), "another program's database")
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT name FROM sqlite_schema").fetchall() == [("bookmarks",)]


async def test_a_file_that_is_damaged_where_opening_reads_it_is_refused(path: Path) -> None:
    await opened(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        (size,) = connection.execute("PRAGMA page_size").fetchone()
        (page,) = connection.execute(
            "SELECT rootpage FROM sqlite_schema WHERE name = 'sqlite_sequence'"
        ).fetchone()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)
    await refused(path, str(path), "it is damaged; put a backup in its place")


async def test_a_file_of_a_newer_version_is_refused(path: Path) -> None:
    await opened(path)
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version = 99")
    await refused(path, str(path), "version 99", "newer")


async def test_a_file_of_an_older_version_is_brought_up_step_by_step(path: Path) -> None:
    later = [*MIGRATIONS, "CREATE TABLE added (x)", "ALTER TABLE added ADD COLUMN y"]
    async with open_store(str(path), Environment()) as store:
        await SqliteDatastore(store).commit([new_job(store.now(), {}, id="old")])
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        migrate(connection, path, later)
        migrate(connection, path, later)
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS) + 2,)
        assert connection.execute("SELECT x, y FROM added").fetchall() == []
        assert connection.execute("SELECT id FROM jobs").fetchall() == [("old",)]


async def test_a_migration_that_fails_leaves_the_file_as_it_was(path: Path) -> None:
    await opened(path)
    broken = [*MIGRATIONS, "CREATE TABLE added (x); CREATE TABLE jobs (x)"]
    with contextlib.closing(sqlite3.connect(path, isolation_level=None)) as connection:
        with pytest.raises(sqlite3.OperationalError, match="jobs already exists"):
            migrate(connection, path, broken)
        connection.execute("ROLLBACK")
        assert connection.execute("PRAGMA user_version").fetchone() == (len(MIGRATIONS),)
        assert connection.execute("PRAGMA application_id").fetchone() == (APPLICATION,)
    await opened(path)


async def test_every_commit_is_synced(path: Path) -> None:
    async with open_store(str(path), Environment()) as store:
        read = await store.writer.run(
            lambda connection: (
                connection.execute("PRAGMA synchronous").fetchone(),
                connection.execute("PRAGMA journal_mode").fetchone(),
            )
        )
    assert read == ((2,), ("wal",))


async def test_closing_leaves_no_thread(path: Path) -> None:
    import threading

    before = threading.active_count()
    for _ in range(3):
        await opened(path)
    await asyncio.to_thread(lambda: None)
    names = [thread.name for thread in threading.enumerate() if "sqlite" in thread.name]
    assert names == []
    assert threading.active_count() <= before + 4  # asyncio's own pool
