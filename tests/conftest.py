"""What holds for all tests: where nothing may be missing, a skipped test is a failed one.

``TORK_TEST_REQUIRE=all`` says that nothing may be missing, as in ``.ci/run``.
"""

from __future__ import annotations

import os
from collections.abc import Generator

import pytest

_REQUIRED = os.environ.get("TORK_TEST_REQUIRE", "")


def pytest_configure() -> None:
    if _REQUIRED not in ("", "all"):
        raise pytest.UsageError(f"TORK_TEST_REQUIRE={_REQUIRED} is not known: write all")


def _refuse_skipping(report: pytest.TestReport | pytest.CollectReport) -> None:
    if _REQUIRED and report.skipped and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else report.longrepr
        report.outcome = "failed"
        report.longrepr = f"{reason}\nTORK_TEST_REQUIRE=all: no test may be skipped here"


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, pytest.TestReport, pytest.TestReport]:
    report = yield
    _refuse_skipping(report)
    return report


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, pytest.CollectReport, pytest.CollectReport]:
    report = yield
    _refuse_skipping(report)
    return report


_OF_THE_HOST = {"docker", "docs/test_pages.py", "examples", "runtime", "trouble"}
"""Folders and files of tests that use what a host has once: an engine's networks, cgroups."""


@pytest.hookimpl(tryfirst=True)  # pytest-xdist reads the marks in the same hook
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Say which tests one process has to run when several run them, as with ``-n 2``.

    It is a file at a time otherwise, since its tests may share what they have opened.
    """
    for item in items:
        folder, *inner = item.path.relative_to(item.config.rootpath / "tests").parts
        file = "/".join((folder, *inner))
        group = "host" if {folder, file} & _OF_THE_HOST else file
        item.add_marker(pytest.mark.xdist_group(group))
