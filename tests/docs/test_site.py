"""One command builds the site; its links lead somewhere, and it loads nothing from elsewhere."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote

import pytest

from tests.docs.blocks import ROOT
from tork_core._version import __version__

_PARTS = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "LICENSE", "docs", "examples"]


@dataclass
class Page(HTMLParser):
    """What a page of the site links to, loads, and can be linked to at."""

    links: list[str] = field(default_factory=list)
    loads: list[str] = field(default_factory=list)
    anchors: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        super().__init__()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value for name, value in attrs if value is not None}
        if "id" in values:
            self.anchors.add(values["id"])
        if tag == "a" and "href" in values:
            self.links.append(values["href"])
        elif tag == "meta" and values.get("http-equiv") == "refresh":
            self.links.append(values["content"].partition("url=")[2])
        elif tag in {"img", "script", "iframe", "source"} and "src" in values:
            self.loads.append(values["src"])
        elif tag == "link" and values.get("rel") in {"stylesheet", "icon", "preload"}:
            self.loads.append(values["href"])


def _checkout(folder: Path) -> Path:
    """Copy what the site is made of."""
    folder.mkdir()
    for name in [*_PARTS, "tork_core/_version.py", *ROOT.glob("plugins/*/README.md")]:
        source = ROOT / name
        target = folder / source.relative_to(ROOT)
        target.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, target)
    return folder


def _build(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "docs/build.py"],
        cwd=checkout,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    checkout = _checkout(tmp_path_factory.mktemp("site") / "checkout")
    done = _build(checkout)
    assert (done.returncode, done.stderr) == (0, "")
    folder = checkout / "build" / "site"
    assert str(folder / "index.html") in done.stdout
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    found: dict[Path, Page] = {}
    for file in site.rglob("*.html"):
        found[file] = Page()
        found[file].feed(file.read_text())
    return found


def _inner(file: Path, links: list[str]) -> Iterator[tuple[str, Path, str]]:
    """Links within the site: each as written, its file, and its anchor."""
    for link in links:
        if not re.match(r"\w+:", link):
            path, _, anchor = link.partition("#")
            target = (file.parent / unquote(path.partition("?")[0])).resolve() if path else file
            yield link, target, unquote(anchor)


def test_every_link_and_anchor_leads_somewhere(pages: dict[Path, Page]) -> None:
    count = 0
    for file, page in pages.items():
        for link, target, anchor in _inner(file, page.links):
            assert target.is_file(), f"{file}: {link}"
            assert not anchor or anchor in pages[target].anchors, f"{file}: {link}"
            count += 1
    assert count > 500


def test_every_page_can_be_reached_from_the_start(pages: dict[Path, Page], site: Path) -> None:
    reached: set[Path] = set()
    waiting = [site / "index.html"]
    while waiting:
        file = waiting.pop()
        if file in reached or file not in pages:
            continue
        reached.add(file)
        waiting += [target for _, target, _ in _inner(file, pages[file].links)]
    written = {
        (site / page.relative_to(ROOT)).with_suffix(".html")
        for page in [*ROOT.glob("docs/**/*.md"), *ROOT.glob("plugins/*/README.md")]
    }
    assert len(written) > 20
    assert reached >= written


def test_the_title_is_the_name_and_the_version(site: Path) -> None:
    page = (site / "docs" / "tutorial" / "first-job.html").read_text()
    title = re.search(r"<title>(.*?)</title>", page, re.DOTALL)
    assert title is not None
    assert title[1] == f"Your first job - Tork for Python {__version__}"


def test_the_site_loads_nothing_from_elsewhere(pages: dict[Path, Page], site: Path) -> None:
    for file, page in pages.items():
        for load in page.loads:
            inside = load.startswith("data:") or next(_inner(file, [load]))[1].is_file()
            assert inside, f"{file}: {load}"
    for sheet in site.rglob("*.css"):
        addresses = re.findall(r"url\([\"']?([^\"')]+)|@import\s+[\"']([^\"']+)", sheet.read_text())
        assert not [
            found for pair in addresses for found in pair if re.match(r"(https?:)?//", found)
        ]


def test_the_search_is_a_file_that_knows_the_words_of_the_pages(site: Path) -> None:
    index = (site / "searchindex.js").read_text()
    assert index.startswith("Search.setIndex(")
    known = json.loads(index.removeprefix("Search.setIndex(").removesuffix(")"))
    page = known["docnames"].index("docs/tutorial/first-job")
    assert page in _numbers(known["terms"]["report"])


def _numbers(value: int | list[int]) -> list[int]:
    """A word of one page has its number, one of several a list."""
    return value if isinstance(value, list) else [value]


@pytest.mark.parametrize(
    ("page", "count"), [("reference/states.md", 2), ("explanation/architecture.md", 1)]
)
def test_diagrams_are_drawn(page: str, count: int, pages: dict[Path, Page], site: Path) -> None:
    loads = pages[(site / "docs" / page).with_suffix(".html")].loads
    assert [load.partition(";")[0] for load in loads].count("data:image/svg+xml") == count


FAULTS = {
    "docs/how-to/set-settings.md": ("[x](no-page.md)", "no-page.md"),
    "docs/how-to/run-a-server.md": ("[x](no-file.yaml)", "no-file.yaml"),
    "README.md": ("[x](docs/README.md#nowhere)", "nowhere"),
    "docs/reference/rest.md": ("[x](#nowhere)", "nowhere"),
    "docs/reference/cli.md": ("[x](http://example.org)", "http://example.org is not"),
    "docs/reference/settings.md": ("[x](https://example)", "https://example is not"),
    "docs/reference/states.md": ("```mermaid\nno diagram\n```", "mermaid: "),
    "docs/how-to/lost.md": ("# Lost", "toctree"),
    "docs/README.md": ("- [again](how-to/set-settings.md)", "listed more than once"),
}
"""What is added to a page, and a word of the complaint."""


def _spoil(checkout: Path, name: str) -> None:
    with (checkout / name).open("a") as page:
        page.write(f"\n{FAULTS[name][0]}\n")


def test_everything_that_is_broken_is_named(tmp_path: Path) -> None:
    checkout = _checkout(tmp_path / "checkout")
    for name in FAULTS:
        _spoil(checkout, name)
    done = _build(checkout)
    assert done.returncode != 0
    for name, (_, word) in FAULTS.items():
        assert [line for line in done.stderr.splitlines() if name in line and word in line], word


def test_one_broken_link_fails_the_build(tmp_path: Path) -> None:
    checkout = _checkout(tmp_path / "checkout")
    _spoil(checkout, "docs/how-to/set-settings.md")
    done = _build(checkout)
    assert done.returncode != 0
    assert len(done.stderr.splitlines()) == 1
