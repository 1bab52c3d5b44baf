"""What holds for all tests: where nothing may be missing, a skipped test is a failed one.

``TORK_TEST_REQUIRE=all`` says that nothing may be missing, as in ``.ci/run``.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

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


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    from tests.parallel import FileScheduling

    return FileScheduling(config, log)
