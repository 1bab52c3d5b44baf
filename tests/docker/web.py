"""Hosts of the web as containers see them, served here: no test needs the real ones.

On a network of Docker's that leads nowhere else, one container has the hosts' names. It hands each
connection to port 443 on to a server of this process, which answers it with TLS.
"""

from __future__ import annotations

import contextlib
import secrets
import ssl
import subprocess
import threading
from collections.abc import Generator, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.docker.engine import IMAGE, TestEngine


@dataclass
class Web:
    """What the hosts have, by URL, and what was sent to them; and what vouches for them."""

    network: str
    certificate: bytes
    files: dict[str, bytes] = field(default_factory=dict[str, bytes])
    sent: dict[str, bytes] = field(default_factory=dict[str, bytes])


@contextlib.contextmanager
def served(engine: TestEngine, folder: Path, *hosts: str) -> Generator[Web]:
    """Serve hosts to all containers of a network; ``folder`` is for a certificate."""
    name = f"tork-test-{secrets.token_hex(6)}"
    engine.docker("network", "create", "--internal", name)
    try:
        where = "{{(index .IPAM.Config 0).Gateway}}"
        gateway = engine.docker("network", "inspect", "--format", where, name).strip()
        tls, certificate = _tls(folder, hosts)
        web = Web(name, certificate)
        with _serving(web, gateway, tls) as port:
            aliases = [word for host in hosts for word in ("--network-alias", host)]
            hand_on = ["nc", "-ll", "-p", "443", "-e", "nc", gateway, str(port)]
            engine.docker(
                *("run", "--detach", "--init", "--name", name, "--network", name, *aliases),
                *(IMAGE, *hand_on),
            )
            try:
                yield web
            finally:
                engine.docker("rm", "--force", "--volumes", name)
    finally:
        engine.docker("network", "rm", name)


@contextlib.contextmanager
def _serving(web: Web, address: str, tls: ssl.SSLContext) -> Generator[int]:
    class Handler(_Handler):
        of = web

    try:
        server = ThreadingHTTPServer((address, 0), Handler)
    except OSError as error:
        pytest.skip(f"the Docker engine's networks end on another host: {address}: {error}")
    with server:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server.server_port
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    of: Web

    @property
    def _url(self) -> str:
        return f"https://{self.headers['Host']}{self.path}"

    def do_GET(self) -> None:
        self._answer(self.of.files.get(self._url))

    def do_POST(self) -> None:
        self.of.sent[self._url] = self.rfile.read(int(self.headers["Content-Length"]))
        self._answer(b"")

    def _answer(self, content: bytes | None) -> None:
        self.send_response(404 if content is None else 200)
        self.send_header("Content-Length", str(len(content or b"")))
        self.end_headers()
        self.wfile.write(content or b"")

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing among what the tests print."""


def _tls(folder: Path, hosts: Sequence[str]) -> tuple[ssl.SSLContext, bytes]:
    """Return what a server needs, and the certificate that its clients have to trust."""
    key, certificate = folder / "key.pem", folder / "certificate.pem"
    names = ",".join(f"DNS:{host}" for host in hosts)
    command = "openssl req -x509 -newkey rsa:2048 -nodes -days 2 -subj /CN=test"
    files = ["-addext", f"subjectAltName={names}", "-keyout", str(key), "-out", str(certificate)]
    subprocess.run([*command.split(), *files], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context, certificate.read_bytes()
