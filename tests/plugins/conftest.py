"""Real distributions, tiny ones: a module and a .dist-info folder on the path."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from textwrap import dedent

import pytest

Install = Callable[..., Path]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Returns a function that installs a distribution whose entry point names one module."""
    site = tmp_path / "site"
    site.mkdir()
    monkeypatch.syspath_prepend(site)
    before = set(sys.modules)

    def install(
        distribution: str,
        source: str,
        *,
        name: str | None = None,
        version: str = "1.0",
        entry_points: str | None = None,
    ) -> Path:
        module = distribution.replace("-", "_")
        (site / f"{module}.py").write_text(dedent(source))
        info = site / f"{module}-{version}.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
        )
        points = entry_points or f"[tork]\n{name or distribution} = {module}\n"
        (info / "entry_points.txt").write_text(points)
        return site

    yield install
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(site):
            del sys.modules[name]


BROKER = """
    from contextlib import asynccontextmanager
    from tork_core.hookspecs import hookimpl
    from tork_core.interfaces.provider import BrokerProvider
    from tork_core.settings import Secret, Settings, option

    class Mail(Settings, prefix="{prefix}"):
        "Letters."
        url: Secret[str] = option("smtp://me:pw@localhost", help="Where to post.", flag={flag})

    @asynccontextmanager
    async def open_it(settings, environment):
        yield object()

    @hookimpl
    def tork_brokers():
        return [
            BrokerProvider(
                name="{name}", help="Mail.", settings=Mail, open=open_it, shared=True, api={api}
            )
        ]
"""


@pytest.fixture
def broker_source() -> Callable[..., str]:
    """Returns a function that gives the source of a plugin with a broker."""

    def source(
        name: str = "mail", *, prefix: str | None = None, flag: str | None = None, api: int = 1
    ) -> str:
        return BROKER.format(name=name, prefix=prefix or name, flag=repr(flag), api=api)

    return source
