"""Scratch folders: empty for each attempt, removed whatever is in them, refused where none can be
made.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from tork_core.errors import TaskFailed, UsageError
from tork_core.worker.removing import remove_tree
from tork_core.worker.scratch import Scratch, ScratchRoot


def _closed(folder: Path) -> None:
    inner = folder / "a" / "b"
    inner.mkdir(parents=True)
    (inner / "file").write_text("x")
    for path in (inner / "file", inner, inner.parent, folder):
        path.chmod(0)


def _deep(folder: Path) -> None:
    # Deeper than Python's recursion, and than the longest path that the kernel takes.
    here = os.open(folder, os.O_RDONLY)
    for _ in range(2000):
        os.mkdir("dddddddd", dir_fd=here)
        below = os.open("dddddddd", os.O_RDONLY, dir_fd=here)
        os.close(here)
        here = below
    os.close(here)


def _odd(folder: Path) -> None:
    os.mkfifo(folder / "fifo")
    (folder / "loop").symlink_to("loop")
    (folder / "up").symlink_to("..")
    (folder / "new\nline").mkdir()
    (Path(os.fsdecode(os.fsencode(folder) + b"/\xff"))).mkdir()
    os.link(_file(folder / "one"), folder / "two")


def _many(folder: Path) -> None:
    for number in range(2000):
        (folder / str(number)).touch()


def _gone(folder: Path) -> None:
    folder.rmdir()


def _replaced(folder: Path) -> None:
    folder.rmdir()
    folder.symlink_to("/")


def _file(path: Path) -> Path:
    path.write_text("x")
    return path


@pytest.mark.parametrize("leave", [_closed, _deep, _odd, _many, _gone, _replaced])
async def test_nothing_is_left_of_what_a_task_left(
    leave: Callable[[Path], None], tmp_path: Path
) -> None:
    root = ScratchRoot(str(tmp_path))
    scratch = Scratch(root)
    leave(scratch())
    await scratch.remove()
    again = Scratch(root)
    assert list(again().iterdir()) == []
    assert again().stat().st_mode & 0o777 == 0o700
    assert {path.name for path in again().parent.iterdir()} == {"lock", again().name}
    root.close()
    assert list(tmp_path.iterdir()) == []


async def test_a_link_is_removed_and_not_followed(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    kept = _file(precious / "kept")
    kept.chmod(0o640)
    tree = tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    for place in (tree, tree / "inner"):
        (place / "folder").symlink_to(precious)
        (place / "file").symlink_to(kept)
    remove_tree(tree)
    assert not tree.exists()
    assert kept.stat().st_mode & 0o777 == 0o640


def test_what_cannot_be_removed_is_left_and_the_rest_goes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tree = tmp_path / "tree"
    (tree / "inner").mkdir(parents=True)
    stuck = _file(tree / "inner" / "stuck")
    _file(tree / "inner" / "loose")
    _file(tree / "other")
    unlink = os.unlink

    def refuse(name: str, *, dir_fd: int | None = None) -> None:
        if name == stuck.name:
            raise PermissionError(1, "Operation not permitted", name)
        unlink(name, dir_fd=dir_fd)

    # As for a file that a task has made immutable, which takes a file system that knows of it.
    monkeypatch.setattr(os, "unlink", refuse)
    remove_tree(tree)
    assert [path.name for path in tree.rglob("*") if path.is_file()] == ["stuck"]


async def test_a_folder_is_used_again(tmp_path: Path) -> None:
    root = ScratchRoot(str(tmp_path))
    first = Scratch(root)
    path = first()
    _file(path / "file")
    await first.remove()
    assert Scratch(root)() == path
    root.close()


async def test_large_files_are_removed_beside_the_loop(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    removers: list[int] = []

    def unlink(name: str, *, dir_fd: int | None = None) -> None:
        removers.append(threading.get_ident())
        real(name, dir_fd=dir_fd)

    real = os.unlink
    monkeypatch.setattr(os, "unlink", unlink)
    root = ScratchRoot(str(tmp_path))
    for size, here in ((1, True), (9 * 2**20, False)):
        scratch = Scratch(root)
        path = scratch() / "file"
        path.write_bytes(b"x" * size)
        await scratch.remove()
        assert not path.exists()
        assert [thread == threading.get_ident() for thread in removers] == [here]
        removers.clear()
    root.close()


async def test_folders_that_were_swept_away_are_made_again(tmp_path: Path) -> None:
    root = ScratchRoot(str(tmp_path))
    scratch = Scratch(root)
    path = scratch()
    await scratch.remove()
    remove_tree(path.parent)
    again = Scratch(root)
    assert again().is_dir()
    await again.remove()
    root.close()
    assert list(tmp_path.iterdir()) == []


async def test_what_is_kept_stays_beside_the_folders_until_the_worker_ends(tmp_path: Path) -> None:
    root = ScratchRoot(str(tmp_path))
    _file(root.kept() / "file")
    scratch = Scratch(root)
    assert scratch().parent == root.kept()
    await scratch.remove()
    assert (root.kept() / "file").exists()
    assert root.kept().stat().st_mode & 0o777 == 0o711
    root.close()
    assert list(tmp_path.iterdir()) == []


async def test_a_folder_that_is_somebody_elses_now_is_not_used(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can give a folder away")
    root = ScratchRoot(str(tmp_path))
    taken = root.kept()
    remove_tree(taken)
    taken.mkdir()
    os.chown(taken, 65534, 65534)
    assert root.kept() != taken
    assert root.take().parent == root.kept()
    root.close()


async def test_what_a_dead_worker_left_is_removed_and_what_a_living_one_has_is_not(
    tmp_path: Path,
) -> None:
    living = ScratchRoot(str(tmp_path))
    path = living.take()
    die = (
        "import os, sys; from tork_core.worker.scratch import ScratchRoot; "
        "folder = ScratchRoot(sys.argv[1]).take(); (folder / 'big').touch(); os._exit(9)"
    )
    await asyncio.to_thread(subprocess.run, [sys.executable, "-c", die, str(tmp_path)])
    other = tmp_path / "tork-worker-file"
    other.touch()
    assert len(list(tmp_path.iterdir())) == 3
    await ScratchRoot(str(tmp_path)).remove_leftovers()
    assert {*tmp_path.iterdir()} == {path.parent, other}
    living.close()


def test_a_folder_that_another_worker_took_for_a_dead_ones_is_not_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = ScratchRoot(str(tmp_path))
    make, made = tempfile.mkdtemp, list[str]()

    def make_and_lose(*args: str, **kwargs: object) -> str:
        made.append(make(*args, **kwargs))  # type: ignore[arg-type]
        if len(made) == 1:
            remove_tree(Path(made[0]))
        return made[-1]

    monkeypatch.setattr(tempfile, "mkdtemp", make_and_lose)
    assert root.take().parent == Path(made[1])
    root.close()


@pytest.mark.parametrize(
    ("folder", "problem"),
    [
        ("missing/deep", "does not exist; make it, or name another folder"),
        ("file", "is no folder"),
        ("", "is empty; name a folder"),
    ],
)
def test_a_folder_that_cannot_be_used_is_refused_at_the_start(
    folder: str, problem: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _file(tmp_path / "file")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UsageError, match=problem) as caught:
        ScratchRoot(folder)
    assert "--temp-dir" in str(caught.value)


async def test_a_folder_that_goes_later_fails_the_task_in_words(tmp_path: Path) -> None:
    temp = tmp_path / "temp"
    temp.mkdir()
    root = ScratchRoot(str(temp))
    temp.rmdir()
    with pytest.raises(TaskFailed) as caught:
        root.take()
    assert str(caught.value) == (
        f"the worker cannot make a scratch folder in {temp}: No such file or directory; make room "
        "there, or choose another folder with --temp-dir"
    )


async def test_a_relative_folder_stays_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "temp").mkdir()
    monkeypatch.chdir(tmp_path)
    root = ScratchRoot("temp")
    monkeypatch.chdir("/")
    assert root.take().is_relative_to(tmp_path / "temp")
    root.close()
    assert list((tmp_path / "temp").iterdir()) == []
