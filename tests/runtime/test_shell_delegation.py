"""Making room for the cgroups of tasks in version 2, on a tree that behaves as the kernel's does.

The real thing is tested by ``test_shell_limits`` on a host of version 2; these are the cases that
one host does not have all at once.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from unittest.mock import Mock

import pytest
from tork_shell import delegation
from tork_shell.delegation import LEAF, ground
from tork_shell.hierarchy import NoCgroup, Place

_US = os.getpid()
_STRANGER = 1


class Tree:
    """Cgroups as folders. A write has the effect, or the error, that the kernel gives it."""

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.root = root
        self.marked: set[Path] = set()
        self.make(root, top=True)
        monkeypatch.setattr(delegation, "write", self.write)
        monkeypatch.setattr(delegation, "make", self.make)
        monkeypatch.setattr(os, "getxattr", self.getxattr)

    def make(self, folder: Path, *processes: int, top: bool = False) -> Path:
        os.makedirs(folder, exist_ok=True)
        control = folder.parent / "cgroup.subtree_control"
        given = "cpu io memory pids" if top else control.read_text()
        (folder / "cgroup.controllers").write_text(given)
        (folder / "cgroup.subtree_control").write_text("cpu memory" if top else "")
        (folder / "cgroup.procs").write_text("".join(f"{pid}\n" for pid in processes))
        if not top:
            (folder / "cgroup.type").write_text("domain\n")
        return folder

    def getxattr(self, folder: Path, name: str) -> bytes:
        if folder in self.marked and name == "user.delegate":
            return b"1"
        raise OSError(errno.ENODATA, os.strerror(errno.ENODATA))

    def write(self, path: Path, text: str) -> None:
        folder = path.parent
        if path.name == "cgroup.procs":
            for other in self.root.rglob("cgroup.procs"):
                left = [pid for pid in other.read_text().split() if pid != text]
                other.write_text("".join(f"{pid}\n" for pid in left))
            path.write_text(f"{path.read_text()}{text}\n")
        elif folder != self.root and self.processes(folder):
            raise OSError(errno.EBUSY, os.strerror(errno.EBUSY), str(path))
        elif text.removeprefix("+") not in (folder / "cgroup.controllers").read_text().split():
            raise OSError(errno.ENOENT, os.strerror(errno.ENOENT), str(path))
        else:
            path.write_text(f"{path.read_text()} {text.removeprefix('+')}".strip())

    def processes(self, folder: Path) -> set[int]:
        return set(map(int, (folder / "cgroup.procs").read_text().split()))

    def handed_on(self, folder: Path) -> set[str]:
        return set((folder / "cgroup.subtree_control").read_text().split())

    def place(self, folder: Path, name: str | None = None) -> Place:
        return Place(2, name or f"/{folder.relative_to(self.root)}", folder)


@pytest.fixture
def tree(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Tree:
    return Tree(tmp_path, monkeypatch)


def test_version_1_needs_nothing(tmp_path: Path) -> None:
    assert ground("memory", Place(1, "/", tmp_path)) == tmp_path
    assert not list(tmp_path.iterdir())


def test_the_root_of_the_host_may_have_processes(tree: Tree) -> None:
    (tree.root / "cgroup.subtree_control").write_text("")
    tree.write(tree.root / "cgroup.procs", str(_STRANGER))
    assert ground("memory", Place(2, "/", tree.root)) == tree.root
    assert tree.handed_on(tree.root) == {"memory"}
    assert not (tree.root / LEAF).exists()


def test_alone_in_its_cgroup_the_worker_moves_into_a_leaf(tree: Tree) -> None:
    service = tree.make(tree.root / "tork.service", _US)
    assert ground("memory", tree.place(service)) == service
    assert tree.processes(service) == set()
    assert tree.processes(service / LEAF) == {_US}
    assert tree.handed_on(service) == {"memory"}


def test_the_other_controller_is_added_beside_it(tree: Tree) -> None:
    service = tree.make(tree.root / "tork.service", _US)
    ground("memory", tree.place(service))
    assert ground("cpu", tree.place(service / LEAF)) == service
    assert tree.handed_on(service) == {"memory", "cpu"}
    assert not (service / LEAF / LEAF).exists()


def test_a_second_worker_uses_the_place_of_the_first(tree: Tree) -> None:
    service = tree.make(tree.root / "tork.service")
    leaf = tree.make(service / LEAF, _US, _STRANGER)
    (service / "cgroup.subtree_control").write_text("memory")
    assert ground("memory", tree.place(leaf)) == service
    assert tree.processes(leaf) == {_US, _STRANGER}


def test_strangers_are_not_moved(tree: Tree) -> None:
    scope = tree.make(tree.root / "session-3.scope", _US, _STRANGER)
    with pytest.raises(NoCgroup, match=r"shares its cgroup /session-3.scope .*\(pid 1\): start it"):
        ground("memory", tree.place(scope))
    assert tree.processes(scope) == {_US, _STRANGER}
    assert not (scope / LEAF).exists()


def test_what_was_delegated_is_ours_with_all_that_runs_in_it(tree: Tree) -> None:
    scope = tree.make(tree.root / "run-r3.scope", _US, _STRANGER)
    tree.marked.add(scope)
    assert ground("memory", tree.place(scope)) == scope
    assert tree.processes(scope / LEAF) == {_US, _STRANGER}


def test_a_subgroup_that_systemd_made_for_the_worker_is_its_leaf(tree: Tree) -> None:
    service = tree.make(tree.root / "tork.service")
    tree.marked.add(service)
    subgroup = tree.make(service / "supervisor", _US)
    assert ground("memory", tree.place(subgroup)) == service
    assert tree.processes(subgroup) == {_US}


def test_a_container_is_ours_as_a_whole(tree: Tree) -> None:
    container = tree.make(tree.root / "docker-4f5e.scope", _STRANGER, _US)
    assert ground("cpu", tree.place(container, "/")) == container
    assert tree.processes(container / LEAF) == {_STRANGER, _US}


def test_processes_of_another_namespace_cannot_be_moved(tree: Tree) -> None:
    """The kernel shows them as 0, which written to ``cgroup.procs`` stands for the writer."""
    container = tree.make(tree.root / "docker-4f5e.scope", 0, _US)
    with pytest.raises(NoCgroup, match="processes that it cannot see"):
        ground("cpu", tree.place(container, "/"))
    assert tree.processes(container) == {0, _US}


def test_a_controller_that_was_not_handed_down(tree: Tree) -> None:
    service = tree.make(tree.root / "tork.service", _US)
    (service / "cgroup.controllers").write_text("pids")
    with pytest.raises(NoCgroup, match=r"cgroup /tork\.service was not given it"):
        ground("memory", tree.place(service))
    assert tree.processes(service) == {_US}


def test_a_read_only_file_system(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    container = tree.make(tree.root / "docker-4f5e.scope", _US)
    monkeypatch.setattr(os, "access", Mock(return_value=False))
    real = os.statvfs(container)
    flags = real.f_flag | os.ST_RDONLY
    read_only = os.statvfs_result((*real[:8], flags, real[9]))
    monkeypatch.setattr(os, "statvfs", Mock(return_value=read_only))
    with pytest.raises(NoCgroup, match=r"docker-4f5e.scope is mounted read-only"):
        ground("memory", tree.place(container, "/"))
    assert tree.processes(container) == {_US}


def test_a_user_without_the_right(tree: Tree, monkeypatch: pytest.MonkeyPatch) -> None:
    scope = tree.make(tree.root / "session-3.scope", _US)
    monkeypatch.setattr(os, "access", Mock(return_value=False))
    with pytest.raises(NoCgroup, match=r"may not write .*session-3.scope: .*Delegate=yes"):
        ground("memory", tree.place(scope))
    assert tree.processes(scope) == {_US}


def test_one_that_was_taken_away_under_us(tree: Tree) -> None:
    service = tree.make(tree.root / "tork.service", _US)
    (service / "cgroup.controllers").unlink()
    with pytest.raises(NoCgroup, match=r"cgroup\.controllers: No such file"):
        ground("memory", tree.place(service))
