"""A Docker engine as the tests see it, through Docker's own command line."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import tarfile
import tempfile
import time
from collections.abc import Generator, Iterable, Mapping
from io import BytesIO
from pathlib import Path

import pytest

IMAGE = "alpine:3.18.3"
"""As the examples name it. Here it holds busybox and nothing else."""
MANTIC = "ubuntu:mantic"
"""As the examples name it."""
DECLARED = "tork-test/declared:1"
"""An image with a user, a folder, an entrypoint, a command, a variable and a volume of its own."""
SHELLESS = "tork-test/shell-less:1"
"""An image with no sh."""
TOOLLESS = "tork-test/tool-less:1"
"""An image with a sh and no other program."""
SHELLS = {"bash": "tork-test/bash:1", "dash": "tork-test/dash:1"}
"""Images whose sh is another one than busybox's."""

_PATIENCE = 30.0
_DEFAULT = "unix:///var/run/docker.sock"
_DECLARED = (
    'ENTRYPOINT ["/bin/echo", "declared"]',
    'CMD ["default"]',
    "USER 1234",
    "WORKDIR /work",
    "ENV FROM_IMAGE=yes",
    "VOLUME /data",
)


class TestEngine:
    """An engine at an address."""

    __test__ = False

    def __init__(self, host: str) -> None:
        self.host = host

    def docker(self, *words: str, stdin: bytes = b"") -> str:
        """Run a command of ``docker``, and return what it printed."""
        return self.docker_bytes(*words, stdin=stdin).decode()

    def docker_bytes(self, *words: str, stdin: bytes = b"") -> bytes:
        """Run a command of ``docker``, and return what it printed as it is."""
        command = [_client(), "-H", self.host, *words]
        done = subprocess.run(command, input=stdin, capture_output=True, check=False)
        if done.returncode:
            raise AssertionError(f"{' '.join(words)}: {done.stderr.decode()}")
        return done.stdout

    def answers(self) -> bool:
        command = [_client(), "-H", self.host, "version"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    @contextlib.contextmanager
    def images(self) -> Generator[None]:
        """Make those of the tests' images that are not there, and remove them in the end."""
        made = self._make_images()
        try:
            yield
        finally:
            if made:
                self.docker("rmi", *made)

    @contextlib.contextmanager
    def replaced(self, image: str, base: str, archive: bytes) -> Generator[None]:
        """Let an image of ours be another one with more files for a while.

        Skips for one that users have.
        """
        format_ = "{{.Id}} {{.Comment}}"
        old, _, comment = self.docker("image", "inspect", "--format", format_, image).partition(" ")
        if "Imported from -" not in comment:
            pytest.skip(f"the image {image} of this engine is not the tests' own")
        container = self.docker("create", base, "true").strip()
        try:
            self.docker("cp", "-", f"{container}:/", stdin=archive)
            self.docker("commit", container, image)
        finally:
            self.docker("rm", container)
        try:
            yield
        finally:
            self.docker("rmi", image)
            self.docker("tag", old, image)

    def _make_images(self) -> list[str]:
        busybox = shutil.which("busybox")
        if busybox is None:
            pytest.skip("busybox (Debian: busybox-static) is not installed: no image can be made")
        there = self.docker("images", "--format", "{{.Repository}}:{{.Tag}}").split()
        applets = subprocess.check_output([busybox, "--list"], text=True).split()
        program = Path(busybox).read_bytes()
        whole, few = _tree(program, applets), _tree(program, ["cat", "echo", "sleep"])
        changes = [word for line in _DECLARED for word in ("-c", line)]
        wanted = {IMAGE: whole, MANTIC: whole, DECLARED: whole, SHELLESS: few}
        wanted[TOOLLESS] = _tree(program, [], "dash")
        for shell, image in SHELLS.items():
            wanted[image] = _tree(program, [name for name in applets if name != "sh"], shell)
        missing = [image for image in wanted if image not in there]
        for image in missing:
            self._import(image, wanted[image], *(changes if image == DECLARED else ()))
        return missing

    def _import(self, image: str, tree: bytes, *options: str) -> None:
        self.docker("import", *options, "-", image, stdin=tree)

    def everything(self) -> dict[str, set[str]]:
        """Return all containers, volumes and networks, and the processes of containers."""
        return {
            "containers": set(self.docker("ps", "-aq", "--no-trunc").split()),
            "volumes": set(self.docker("volume", "ls", "-q").split()),
            "networks": set(self.docker("network", "ls", "-q", "--no-trunc").split()),
            "processes": set(_shims()),
        }

    def settles(self, before: dict[str, set[str]]) -> None:
        """Wait until nothing is there that was not before; fails if it stays."""
        deadline = time.monotonic() + _PATIENCE
        while True:
            now = self.everything()
            left = {kind: now[kind] - before[kind] for kind in now if now[kind] - before[kind]}
            if not left:
                return
            if time.monotonic() > deadline:
                raise AssertionError(f"left behind: {left}")
            time.sleep(0.1)


def running_engine() -> TestEngine | None:
    """Return the engine that users have, if one answers."""
    engine = TestEngine(os.environ.get("DOCKER_HOST") or _DEFAULT)
    return engine if shutil.which("docker") and engine.answers() else None


@contextlib.contextmanager
def started_engine() -> Generator[TestEngine]:
    """Start an engine of our own; skips if there is none to start."""
    if shutil.which("dockerd") is None or shutil.which("docker") is None:
        pytest.skip("no Docker engine answers, and none is installed (Debian: docker.io)")
    if os.geteuid() != 0:
        pytest.skip("no Docker engine answers, and only root can start one")
    # A socket's path has to be short.
    folder = Path(tempfile.mkdtemp(prefix="tork-docker-"))
    engine = TestEngine(f"unix://{folder}/docker.sock")
    command = [
        *("dockerd", "--host", engine.host, "--pidfile", f"{folder}/pid"),
        *("--data-root", f"{folder}/data", "--exec-root", f"{folder}/run"),
    ]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log, start_new_session=True)
    try:
        deadline = time.monotonic() + _PATIENCE
        while not engine.answers():
            if process.poll() is not None or time.monotonic() > deadline:
                end = (folder / "log").read_text()[-2000:]
                pytest.skip(f"dockerd is installed but does not run here:\n{end}")
            time.sleep(0.1)
        yield engine
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _client() -> str:
    # Another client may come first in PATH that is too new for this engine.
    return "/usr/bin/docker" if os.path.exists("/usr/bin/docker") else "docker"


def _shims() -> Iterable[str]:
    """The processes that hold a container each."""
    for pid in filter(str.isdigit, os.listdir("/proc")):
        with contextlib.suppress(OSError):
            line = Path(f"/proc/{pid}/cmdline").read_bytes()
            if b"containerd-shim" in line.partition(b"\0")[0]:
                yield pid


def program_of_host(path: str, files: Mapping[str, bytes]) -> bytes:
    """Return an archive with a program of this host, and more files, to be put into an image."""
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        _add_program(archive, path)
        for name, content in files.items():
            file = tarfile.TarInfo(name.lstrip("/"))
            file.size, file.mode = len(content), 0o644
            archive.addfile(file, BytesIO(content))
    return buffer.getvalue()


def _add_program(archive: tarfile.TarFile, program: str) -> None:
    """Add a program of this host, with the libraries that it needs."""
    needed = subprocess.check_output(["ldd", program], text=True)
    libraries = [word for word in needed.split() if word.startswith("/")]
    for path in (program, *libraries):
        file = archive.gettarinfo(os.path.realpath(path), path.lstrip("/"))
        with open(path, "rb") as content:
            archive.addfile(file, content)


def _tree(busybox: bytes, applets: Iterable[str], shell: str | None = None) -> bytes:
    """Return a file system with busybox under all these names, as an archive.

    ``shell`` is a program of this host that becomes its sh, with the libraries that it needs.
    """
    buffer = BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        for name in ("bin", "dev", "etc", "proc", "sys", "tmp", "work", "data", "root"):
            folder = tarfile.TarInfo(name)
            folder.type = tarfile.DIRTYPE
            folder.mode = 0o1777 if name in ("tmp", "work", "data") else 0o755
            archive.addfile(folder)
        passwd = b"root:x:0:0:root:/root:/bin/sh\nworker:x:1234:1234::/work:/bin/sh\n"
        for name, content, mode in (
            ("bin/busybox", busybox, 0o755),
            ("etc/passwd", passwd, 0o644),
        ):
            file = tarfile.TarInfo(name)
            file.size, file.mode = len(content), mode
            archive.addfile(file, BytesIO(content))
        for applet in applets:
            if applet not in ("busybox", shell):
                link = tarfile.TarInfo(f"bin/{applet}")
                link.type, link.linkname = tarfile.SYMTYPE, "busybox"
                archive.addfile(link)
        if shell is not None:
            _add_program(archive, f"/bin/{shell}")
            link = tarfile.TarInfo("bin/sh")
            link.type, link.linkname = tarfile.SYMTYPE, shell
            archive.addfile(link)
    return buffer.getvalue()
