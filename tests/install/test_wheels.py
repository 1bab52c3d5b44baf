"""What users install: wheels, by plain pip, into an empty environment away from the checkout."""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.blocks import ROOT, blocks
from tork_core import __version__

JOB = """
name: hello
inputs:
  API_SECRET: opensesame
tasks:
  - name: say hello
    var: greeting
    env:
      SECRET_WORD: "{{ inputs.API_SECRET }}"
    run: |
      echo "the log says $SECRET_WORD"
      echo -n hello world > $TORK_OUTPUT
output: "{{ tasks.greeting }}!"
"""


def run(*arguments: str | Path, cwd: Path, check: bool = True) -> subprocess.CompletedProcess[str]:
    # Nothing of the checkout, of this environment or of this user may help.
    hidden = ("PYTHON", "VIRTUAL_ENV", "TORK_")
    environ = {name: value for name, value in os.environ.items() if not name.startswith(hidden)}
    if Path(arguments[0]).name == "tork":
        environ["HOME"] = str(cwd)
    done = subprocess.run(
        [str(word) for word in arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        env={**environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"},
        timeout=300,
    )
    if check and done.returncode:
        pytest.fail(f"{arguments}: {done.returncode}\n{done.stdout}\n{done.stderr}")
    return done


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("install")


@pytest.fixture(scope="module")
def wheels(folder: Path) -> Path:
    """A folder with the wheels of all distributions of this repository."""
    isolated = [] if importlib.util.find_spec("hatchling") is None else ["--no-isolation"]
    projects = [ROOT, *sorted(path.parent for path in ROOT.glob("plugins/*/pyproject.toml"))]
    for project in projects:
        run(
            *(sys.executable, "-m", "build", "--wheel", *isolated),
            *("--outdir", folder / "wheels", project),
            cwd=folder,
        )
    found = sorted((folder / "wheels").glob("*.whl"))
    assert len(found) == len(projects)
    return folder / "wheels"


@pytest.fixture(scope="module")
def core_alone(folder: Path, wheels: Path) -> Path:
    """The programs of an environment that has tork-core and nothing else of ours."""
    environment = folder / "environment"
    if importlib.util.find_spec("uv") is not None:
        run(sys.executable, "-m", "uv", "venv", "-q", "--seed", environment, cwd=folder)
    else:
        run(sys.executable, "-m", "venv", environment, cwd=folder)
    (wheel,) = wheels.glob("tork_core-*.whl")
    run(environment / "bin" / "pip", "install", "-q", wheel, cwd=folder)
    return environment / "bin"


@pytest.fixture(scope="module")
def bare(folder: Path, core_alone: Path) -> dict[str, subprocess.CompletedProcess[str]]:
    """What the core alone answers. Asked for before the next fixture installs more."""
    tork = core_alone / "tork"
    (folder / "hello.yaml").write_text(JOB)
    return {
        "version": run(tork, "--version", cwd=folder),
        "help": run(tork, "--help", cwd=folder),
        "plugins": run(tork, "plugins", cwd=folder),
        "validate": run(tork, "validate", "hello.yaml", cwd=folder),
        "exec": run(tork, "exec", "hello.yaml", "--runtime", "shell", cwd=folder, check=False),
    }


@pytest.fixture(scope="module")
def standalone(bare: object, core_alone: Path, wheels: Path, folder: Path) -> Path:
    """The same environment with all that one machine needs."""
    (page,) = blocks(ROOT / "plugins/tork_shell/README.md")
    assert page.text.startswith("$ pip install tork-core[standalone]\n")
    wanted = f"tork-core[standalone]=={__version__}"
    run(core_alone / "pip", "install", "-q", "aiodocker>=0.24", cwd=folder)
    # From these wheels alone: what they need beside each other is there already.
    run(
        *(core_alone / "pip", "install", "-q", "--no-index", "--find-links", wheels, wanted),
        cwd=folder,
    )
    return core_alone / "tork"


def test_the_wheels_hold_the_package_its_data_and_nothing_else(wheels: Path) -> None:
    import zipfile

    for wheel in wheels.glob("*.whl"):
        names = zipfile.ZipFile(wheel).namelist()
        package = wheel.name.split("-")[0]
        assert f"{package}/py.typed" in names
        assert {name.split("/")[0] for name in names} == {
            package,
            f"{package}-{__version__}.dist-info",
        }
    (core,) = wheels.glob("tork_core-*.whl")
    assert "tork_core/expressions/grammar.lark" in zipfile.ZipFile(core).namelist()


def test_the_core_alone_says_what_is_missing_and_how_to_get_it(bare) -> None:
    assert bare["version"].stdout == f"tork {__version__}\n"
    for line in ("pip install tork-memory", "pip install tork-core[standalone]"):
        assert line in bare["help"].stdout
    assert "no broker is installed" in bare["plugins"].stdout
    assert bare["validate"].stdout == "hello.yaml: good\n"


@pytest.mark.skipif(
    not (ROOT / "tork_core" / "cli" / "exec.py").exists(), reason="there is no tork exec yet"
)
def test_the_core_alone_cannot_run_a_job_and_says_why(bare) -> None:
    assert bare["exec"].returncode == 2
    assert "pip install tork-" in bare["exec"].stderr
    assert len(bare["exec"].stderr.splitlines()) <= 15
    assert "Traceback" not in bare["exec"].stderr


@pytest.mark.skipif(
    not (ROOT / "tork_core" / "cli" / "exec.py").exists(), reason="there is no tork exec yet"
)
def test_a_job_runs_from_what_was_installed(standalone: Path, folder: Path) -> None:
    done = run(standalone, "exec", "--runtime", "shell", "hello.yaml", "--json", cwd=folder)
    job = json.loads(done.stdout)
    assert (job["state"], job["result"]) == ("COMPLETED", "hello world!")
    assert "opensesame" not in done.stdout + done.stderr


def test_installed_plugins_are_listed(standalone: Path, folder: Path) -> None:
    lines = run(standalone, "plugins", cwd=folder).stdout.splitlines()
    loaded = {line.split()[0] for line in lines if " loaded " in line}
    assert {"tork-core", "tork-memory", "tork-shell"} <= loaded
