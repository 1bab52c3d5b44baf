"""Finding the worker's own cgroup, by what /proc says on hosts of every kind."""

from __future__ import annotations

from pathlib import Path

import pytest
from tork_shell.hierarchy import Controller, NoCgroup, Place, find

_V2 = "29 23 0:26 {root} {fs} rw,nosuid,noexec,relatime shared:4 - cgroup2 cgroup2 rw,nsdelegate"
_V1 = "{id} 31 0:{id} {root} {fs}/{name} rw,nosuid shared:{id} - cgroup cgroup rw,{options}"
_OTHERS = """\
23 29 0:22 / /sys rw,nosuid,nodev,noexec,relatime shared:7 - sysfs sysfs rw
31 23 0:28 / {fs} ro,nosuid,nodev,noexec shared:9 - tmpfs tmpfs ro,mode=755
"""


class Host:
    """A host's two files, and the folders of its cgroups."""

    def __init__(self, folder: Path) -> None:
        self.proc = folder / "proc"
        self.fs = folder / "fs"
        self.proc.mkdir()
        self.mounts = _OTHERS.format(fs=self.fs)

    def belongs_to(self, *lines: str) -> None:
        (self.proc / "cgroup").write_text("".join(f"{line}\n" for line in lines))

    def mount_v2(self, *, root: str = "/", at: str = "", folders: str = "") -> None:
        self.mounts += _V2.format(root=root, fs=self.fs / at) + "\n"
        (self.fs / at / folders).mkdir(parents=True)

    def mount_v1(self, name: str, *, root: str = "/", options: str = "", folders: str = "") -> None:
        number = 32 + len(self.mounts.splitlines())
        self.mounts += _V1.format(
            id=number, root=root, fs=self.fs, name=name, options=options or name
        )
        self.mounts += "\n"
        (self.fs / name / folders).mkdir(parents=True, exist_ok=True)

    def find(self, controller: Controller) -> Place:
        (self.proc / "mountinfo").write_text(self.mounts)
        return find(controller, self.proc)


@pytest.fixture
def host(tmp_path: Path) -> Host:
    return Host(tmp_path)


def test_a_service_of_debian_12(host: Host) -> None:
    host.belongs_to("0::/system.slice/tork.service")
    host.mount_v2(folders="system.slice/tork.service")
    expected = Place(2, "/system.slice/tork.service", host.fs / "system.slice/tork.service")
    assert host.find("memory") == host.find("cpu") == expected


def test_a_users_session(host: Host) -> None:
    name = "user.slice/user-1000.slice/user@1000.service/app.slice/run-r3.scope"
    host.belongs_to(f"0::/{name}")
    host.mount_v2(folders=name)
    assert host.find("memory") == Place(2, f"/{name}", host.fs / name)


def test_a_container_with_a_namespace_of_its_own(host: Host) -> None:
    host.belongs_to("0::/")
    host.mount_v2()
    assert host.find("memory") == Place(2, "/", host.fs)


def test_a_container_that_sees_its_name_on_the_host(host: Host) -> None:
    name = "/system.slice/docker-4f5e.scope"
    host.belongs_to(f"0::{name}")
    host.mount_v2(root=name)
    assert host.find("memory") == Place(2, name, host.fs)


def test_a_container_of_version_1(host: Host) -> None:
    host.belongs_to("11:memory:/docker/4f5e", "4:cpu,cpuacct:/docker/4f5e", "0::/docker/4f5e")
    host.mount_v1("cpu,cpuacct", root="/docker/4f5e")
    host.mount_v1("memory", root="/docker/4f5e")
    assert host.find("cpu") == Place(1, "/docker/4f5e", host.fs / "cpu,cpuacct")
    assert host.find("memory") == Place(1, "/docker/4f5e", host.fs / "memory")


def test_a_hybrid_host_has_each_controller_where_it_is(host: Host) -> None:
    host.belongs_to("3:memory:/user.slice", "1:name=systemd:/user.slice/s", "0::/user.slice/s")
    host.mount_v1("memory", folders="user.slice")
    host.mount_v1("systemd", options="name=systemd", folders="user.slice/s")
    host.mount_v2(at="unified", folders="user.slice/s")
    assert host.find("memory") == Place(1, "/user.slice", host.fs / "memory/user.slice")
    assert host.find("cpu") == Place(2, "/user.slice/s", host.fs / "unified/user.slice/s")


def test_wsl(host: Host) -> None:
    """Its kernel has version 2 mounted by systemd, with the session outside of any slice."""
    host.belongs_to("0::/init.scope")
    host.mount_v2(folders="init.scope")
    assert host.find("cpu") == Place(2, "/init.scope", host.fs / "init.scope")


def test_a_path_with_a_blank(host: Host, tmp_path: Path) -> None:
    (tmp_path / "a b").mkdir()
    host.fs = tmp_path / "a b"
    host.belongs_to("0::/")
    host.mounts += _V2.format(root="/", fs=str(host.fs).replace(" ", "\\040")) + "\n"
    assert host.find("cpu").folder == tmp_path / "a b"


def test_the_mount_through_which_it_can_be_seen_is_taken(host: Host) -> None:
    host.belongs_to("0::/here")
    host.mount_v2(root="/elsewhere", at="first")
    host.mount_v2(at="second", folders="here")
    assert host.find("memory").folder == host.fs / "second/here"


@pytest.mark.parametrize(
    ("belongs", "root", "reason"),
    [
        ("0::/../tork.service", "/", "own cgroup /../tork.service cannot be seen below"),
        ("0::/tork.service", "/docker/4f5e", "own cgroup /tork.service cannot be seen below"),
        ("0::/tork.service (deleted)", "/", r"own cgroup /tork.service \(deleted\) cannot be seen"),
        ("1:name=systemd:/", "/", "no cgroup file system that has it is mounted here"),
    ],
)
def test_what_cannot_be_seen(host: Host, belongs: str, root: str, reason: str) -> None:
    host.belongs_to(belongs)
    host.mount_v2(root=root)
    with pytest.raises(NoCgroup, match=reason):
        host.find("memory")


def test_nothing_is_mounted(host: Host) -> None:
    host.belongs_to("0::/")
    with pytest.raises(NoCgroup, match="no cgroup file system that has it is mounted here"):
        host.find("memory")


def test_no_proc(tmp_path: Path) -> None:
    with pytest.raises(NoCgroup, match="No such file"):
        find("memory", tmp_path)
