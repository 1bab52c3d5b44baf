"""Addresses to listen on, as users write them."""

from __future__ import annotations

import re
from ipaddress import IPv6Address
from typing import NamedTuple

from tork_core.model.problems import quoted

_ADDRESS = re.compile(r"(?:\[(?P<v6>[^\]]*)\]|(?P<host>[^:\[\]]*)):(?P<port>[0-9]{1,5})")
_NAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")


class Address(NamedTuple):
    """A host and a port; port 0 stands for a free one."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def parse_address(text: str) -> Address:
    """Read ``host:port`` (an IPv6 address in brackets); raises ValueError for anything else."""
    found = _ADDRESS.fullmatch(text)
    if found is None or int(found["port"]) > 65535 or not _is_host(found["v6"], found["host"]):
        raise ValueError(
            f"{quoted(text)} is no address; write host:port, such as localhost:3000 or [::1]:3000"
        )
    return Address(found["v6"] or found["host"], int(found["port"]))


def _is_host(v6: str | None, host: str | None) -> bool:
    if v6 is None:
        return host is not None and len(host) <= 253 and _NAME.fullmatch(host) is not None
    try:
        return bool(IPv6Address(v6))
    except ValueError:
        return False
