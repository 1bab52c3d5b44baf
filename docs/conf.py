"""How Sphinx makes the site: `python docs/build.py` runs it.

The source is the whole checkout, so that a link between two pages is the same on a code host and in
the site. The navigation is the lists of `docs/README.md`.
"""

from __future__ import annotations

import base64
import html
import re
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import mmdr
from docutils import nodes
from pygments.lexers.special import TextLexer
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.docutils import SphinxDirective

project = "Tork for Python"
author = "the authors of Tork for Python"
_numbers = (Path(__file__).parents[1] / "tork_core" / "_version.py").read_text()
version = release = re.findall(r'^__version__ = "(.+)"$', _numbers, re.MULTILINE)[0]

START = "docs/README"
root_doc = START
include_patterns = ["*.md", "docs/**", "plugins/*/README.md"]
exclude_patterns = [".*", "build", "dist", "tests", "tork_core", "benchmarks"]

extensions = ["myst_parser"]
myst_heading_anchors = 4
myst_fence_as_directive = ["mermaid"]
myst_url_schemes = ("http", "https")
nitpicky = True

html_theme = "furo"
html_title = f"{project} {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_show_sourcelink = False
html_copy_source = False
html_show_copyright = False
_log = logging.getLogger(__name__)
# Fences of ours that are no programming language.
_PLAIN = ["expr", "template", "error"]


class Mermaid(SphinxDirective):
    """A diagram, drawn while the site is built: the site loads no script for it."""

    has_content = True

    def run(self) -> list[nodes.Node]:
        """Return the drawing, with its source as the text for those who do not see it."""
        source = "\n".join(self.content)
        try:
            drawing = mmdr.render(source).svg()
        except ValueError as error:
            raise self.error(f"mermaid: {error}") from error
        # As an image: the styles and ids inside must not meet those of the page.
        data = base64.b64encode(drawing.encode()).decode()
        image = f'<img src="data:image/svg+xml;base64,{data}" alt="{html.escape(source)}">'
        return [nodes.raw("", f'<div class="diagram">{image}</div>', format="html")]


def navigation(index: str) -> str:
    """Return the tables of contents that the lists of links in an index are.

    Sphinx warns of a page that is in none, and warnings are errors.
    """
    parts: list[str] = []
    for section in re.split(r"^## ", index, flags=re.MULTILINE)[1:]:
        title, _, text = section.partition("\n")
        pages = _listed(text)
        if pages:
            parts += ["```{toctree}", ":hidden:", f":caption: '{title}'", ""]
            parts += [*(f"{name} <{page}>" for name, page in pages), "```", ""]
    return "\n".join(parts)


def _listed(text: str) -> list[tuple[str, str]]:
    """The pages of a list of links, each with its title."""
    return re.findall(r"^- \[([^\]]+)\]\(([^)#]+)\.md\)", text, re.MULTILINE)


def _add_navigation(_: Sphinx, page: str, content: list[str]) -> None:
    if page == START:
        for listed, times in Counter(page for _, page in _listed(content[0])).items():
            if times > 1:
                _log.warning("%s.md is listed more than once", listed, location=START)
        content[0] += "\n" + navigation(content[0])


def _check_addresses(_: Sphinx, tree: nodes.document) -> None:
    """Check links to other places for their form: the site is built without a network."""
    for link in tree.findall(nodes.reference):
        parts = urlsplit(link.get("refuri", ""))
        named = re.fullmatch(r"[a-z0-9-]+(\.[a-z0-9-]+)+", parts.netloc)
        if parts.scheme and not (parts.scheme == "https" and named):
            _log.warning("%s is not an address of https", link["refuri"], location=link)


def _begin_with_the_start_page(app: Sphinx, error: Exception | None) -> None:
    if error is None:
        target = f"{START}.html"
        (Path(app.outdir) / "index.html").write_text(
            '<!doctype html>\n<html lang="en">\n<meta charset="utf-8">\n'
            f'<title>{project}</title>\n<meta http-equiv="refresh" content="0; url={target}">\n'
            f'<a href="{target}">{project}</a>\n</html>\n'
        )


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.add_directive("mermaid", Mermaid)
    for name in _PLAIN:
        app.add_lexer(name, TextLexer)
    app.connect("source-read", _add_navigation)
    app.connect("doctree-read", _check_addresses)
    app.connect("build-finished", _begin_with_the_start_page)
