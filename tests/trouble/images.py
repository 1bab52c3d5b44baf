"""Images with declarations of all kinds, made of the one the other tests use."""

from __future__ import annotations

import contextlib
from collections.abc import Generator

from tests.docker.engine import IMAGE, TestEngine

_PREFIX = "tork-trouble/"

_ENTRY = 'ENTRYPOINT ["/bin/sh", "-c", "echo entered; exec \\"$@\\"", "entry"]'
DECLARATIONS = {
    "entrypoint": (_ENTRY, 'CMD ["echo", "default"]'),
    "cmd": ('CMD ["echo", "from the image"]',),
    "user": ("USER 65534:65534",),
    "unknown-user": ("USER 12345",),
    "no-user": ("USER app",),
    "workdir": ("WORKDIR /made/for/you",),
    "health": ("HEALTHCHECK --interval=1s CMD touch /checked",),
    "volume": ("VOLUME /data", "VOLUME /work"),
    "onbuild": ("ONBUILD RUN false", "EXPOSE 80", "LABEL a=b"),
    "env": ("ENV PATH=/bin:/opt/tool", "ENV GREETING=hi", "ENV TORK_OUTPUT=/etc/passwd"),
    "shellish": ('ENTRYPOINT ["sh", "-c"]',),
}


def image(name: str) -> str:
    """Return the image with these declarations."""
    return f"{_PREFIX}{name}:1"


@contextlib.contextmanager
def made(engine: TestEngine) -> Generator[None]:
    """Make the images, and remove them in the end."""
    names = [image(name) for name in DECLARATIONS]
    container = engine.docker("create", IMAGE, "true").strip()
    try:
        for name, lines in DECLARATIONS.items():
            changes = [word for line in lines for word in ("-c", line)]
            engine.docker("commit", *changes, container, image(name))
    finally:
        engine.docker("rm", container)
    try:
        yield
    finally:
        engine.docker("rmi", *names)
