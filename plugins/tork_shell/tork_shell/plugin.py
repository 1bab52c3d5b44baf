"""What the distribution offers. Imports no more than a declaration needs."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import asynccontextmanager

from tork_core.hookspecs import hookimpl
from tork_core.interfaces.environment import Environment
from tork_core.interfaces.provider import RuntimeProvider
from tork_core.interfaces.runtime import Runtime
from tork_core.model.spec import LimitsSpec
from tork_shell.settings import ShellSettings


@asynccontextmanager
async def _open(settings: ShellSettings, environment: Environment) -> AsyncGenerator[Runtime]:
    from tork_shell.runtime import open_shell

    async with open_shell(settings) as runtime:
        yield runtime


def _check_limits(settings: ShellSettings, limits: LimitsSpec) -> str | None:
    from tork_shell.cgroups import why_not

    return why_not(limits)


@hookimpl
def tork_runtimes() -> Iterable[RuntimeProvider]:
    """Offer the runtime ``shell``."""
    return [
        RuntimeProvider(
            name="shell",
            help="Runs tasks as processes of this host. No isolation: chosen by name only.",
            settings=ShellSettings,
            open=_open,
            honours=frozenset({"run", "cmd", "entrypoint", "env", "limits"}),
            ignores=frozenset({"image", "registry"}),
            check_limits=_check_limits,
        )
    ]
