"""Builds the docs as a static site: ``python docs/build.py [FOLDER]``.

It works offline, and what it makes can be opened as files: nothing is loaded from elsewhere. A link
or an anchor that leads nowhere, and a page that is not in the navigation, are errors.
"""

from __future__ import annotations

import sys
from pathlib import Path

from sphinx.cmd.build import build_main

DOCS = Path(__file__).resolve().parent
ROOT = DOCS.parent


def main() -> int:
    """Build the site, and return the status to exit with."""
    site = Path(sys.argv[1]) if sys.argv[1:] else ROOT / "build" / "site"
    options = ["--quiet", "--fail-on-warning", "--builder", "html", "--conf-dir", str(DOCS)]
    # Anew each time: then a warning does not go by because its page has not changed.
    options += ["--fresh-env", "--doctree-dir", str(site.with_name(f"{site.name}-cache"))]
    status = build_main([*options, str(ROOT), str(site)])
    if status == 0:
        print(f"the site is in {site}: open {site / 'index.html'}")
    return status


if __name__ == "__main__":
    sys.exit(main())
