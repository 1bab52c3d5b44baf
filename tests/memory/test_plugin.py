"""How the plugin declares itself, and what its README says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
from importlib import import_module
from pathlib import Path

import pytest
import tork_memory
from tork_memory import plugin

from tork_core.errors import Unavailable
from tork_core.interfaces.broker import Outgoing
from tork_core.interfaces.environment import Environment

PROJECT = Path(tork_memory.__file__).parent.parent


def test_the_entry_point_leads_to_the_plugin() -> None:
    project = tomllib.loads((PROJECT / "pyproject.toml").read_text())
    assert project["project"]["entry-points"]["tork"] == {"memory": "tork_memory.plugin"}
    assert import_module("tork_memory.plugin") is plugin


def test_declaring_imports_no_implementation() -> None:
    program = (
        "import sys, tork_memory.plugin as plugin; plugin.tork_brokers(); plugin.tork_datastores();"
        "print(*sorted(name for name in sys.modules if name.startswith('tork_memory')))"
    )
    result = subprocess.run(
        [sys.executable, "-c", program],
        env=os.environ | {"PYTHONPATH": os.pathsep.join(path for path in sys.path if path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert result.stdout.split() == ["tork_memory", "tork_memory.plugin"]


async def test_the_broker_is_open_as_long_as_its_context() -> None:
    (provider,) = plugin.tork_brokers()
    assert provider.name == "inmemory"
    async with provider.open(provider.settings(), Environment()) as broker:
        await broker.publish([Outgoing("q", b"hello")])
        assert (await broker.depth("q")).ready == 1
    with pytest.raises(Unavailable):
        await broker.depth("q")


async def test_the_datastore_is_open_as_long_as_its_context() -> None:
    (provider,) = plugin.tork_datastores()
    assert provider.name == "inmemory"
    settings = plugin.MemoryDatastoreSettings()
    assert (settings.kept_jobs, settings.kept_log_bytes) == (2000, 64 * 2**20)
    async with provider.open(settings, Environment(clock=lambda: 0.0)) as datastore:
        assert (await datastore.load({})).now.year == 1970
    with pytest.raises(Unavailable):
        await datastore.load({})


def test_the_example_of_the_readme_runs() -> None:
    readme = (PROJECT / "README.md").read_text()
    (example,) = re.findall(r"```python\n(.*?)```", readme, re.DOTALL)
    exec(compile(example, "README.md", "exec"), {})
