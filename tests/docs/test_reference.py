"""The generated pages say what the code says."""

from __future__ import annotations

import re
import runpy
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

import msgspec
import pytest

from tests.docs.blocks import ROOT
from tork_core.model.answers import JobAnswer, TaskAnswer
from tork_core.model.fields import field_rows
from tork_core.model.states import JOB_TRANSITIONS, TASK_TRANSITIONS
from tork_core.model.value_rules import COORDINATOR_QUEUES

FOLDER = ROOT / "docs" / "reference"


@pytest.fixture(scope="module")
def generator() -> Iterator[Mapping[str, Any]]:
    with pytest.MonkeyPatch.context() as patched:
        patched.syspath_prepend(ROOT / "docs")
        yield runpy.run_path(str(ROOT / "docs" / "generate.py"))


def test_every_generated_page_is_what_the_code_gives(generator: Mapping[str, Any]) -> None:
    for name, text in generator["pages"]().items():
        assert (FOLDER / name).read_text() == text, f"{name}: run python docs/generate.py"


@pytest.mark.parametrize(
    ("title", "table"), [("Jobs", JOB_TRANSITIONS), ("Tasks", TASK_TRANSITIONS)]
)
def test_the_diagrams_of_states_show_the_table_of_transitions(
    title: str, table: Mapping[StrEnum, frozenset[StrEnum]]
) -> None:
    """Read back from the page, so that an error of the generator shows too."""
    page = (FOLDER / "states.md").read_text()
    found = re.search(rf"^## {title}$.*?```mermaid\n(.*?)```", page, re.MULTILINE | re.DOTALL)
    assert found is not None
    arrows = set(re.findall(r"^    (\S+) --> (\S+)$", found[1], re.MULTILINE))
    assert {arrow for arrow in arrows if "[*]" not in arrow} == {
        (state.value, target.value) for state, targets in table.items() for target in targets
    }
    assert {state for state, target in arrows if target == "[*]"} == {
        state.value for state, targets in table.items() if not targets
    }


def test_every_route_of_the_server_is_in_the_table_and_no_other(
    generator: Mapping[str, Any],
) -> None:
    """Read back from the page, which a server's own router is compared with."""
    page = (FOLDER / "rest.md").read_text()
    shown = {
        (method, path)
        for row in re.findall(r"^\| (`[A-Z]+ /.*?) \|", page, re.MULTILINE)
        for method, path in re.findall(r"`([A-Z]+) (/[^`]*)`", row)
    }
    routes = {(route.method, route.path) for route in generator["rest"].api_routes()}
    assert shown == routes
    assert len(routes) > 10


def test_every_field_of_a_job_and_of_its_execution_is_in_the_page_of_the_api() -> None:
    page = (FOLDER / "rest.md").read_text()
    for title, kind in (("A job", JobAnswer), ("An instance of a task", TaskAnswer)):
        found = re.search(rf"^### {title}$(.*?)^###? ", page, re.MULTILINE | re.DOTALL)
        assert found is not None
        named = set(re.findall(r"^\| `([\w]+)` \|", found[1], re.MULTILINE))
        assert named == {field.encode_name for field in msgspec.structs.fields(kind)}


def test_every_kind_of_a_field_is_described(generator: Mapping[str, Any]) -> None:
    rows = field_rows()
    described = {*generator["fields"].KINDS, *(row.part for row in rows), "auxiliary task"}
    for row in rows:
        kind = re.sub(r"^(list|map) of ", "", row.type)
        assert {kind, kind.removesuffix("s")} & described, row.type


def test_every_queue_of_the_engine_is_in_the_table(generator: Mapping[str, Any]) -> None:
    # "hearbeat" is the seed's spelling of heartbeat: only copies go there.
    unused = {"hearbeat", "progress", "redeliveries"}
    assert set(generator["queues"].QUEUES) >= COORDINATOR_QUEUES - unused
