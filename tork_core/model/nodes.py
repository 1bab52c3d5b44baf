"""What a job file says, before it is known to be a job: scalars, lists and mappings with places.

Both readers give this tree. A scalar keeps the text as it was written, because the field that
takes it decides what it is: ``0755`` is text to ``env`` and no number to ``retry.limit``.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TypeAlias

import msgspec

from tork_core.model.problems import Path

NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?")
"""A number of JSON, the only kind of number there is here, in YAML too."""


class Kind(Enum):
    """What a scalar is where the format says so; quoted text is always TEXT."""

    TEXT = "text"
    NUMBER = "number"
    FLAG = "true or false"
    NULL = "null"


class Scalar(msgspec.Struct, frozen=True):
    """One value as written."""

    offset: int
    text: str
    kind: Kind


class Sequence(msgspec.Struct, frozen=True):
    """A list."""

    offset: int
    items: list[Node]


class Entry(msgspec.Struct, frozen=True):
    """One value of a mapping, with the place of its key."""

    offset: int
    node: Node


class Mapping(msgspec.Struct, frozen=True):
    """A mapping: its keys are text and each stands in it once."""

    offset: int
    entries: dict[str, Entry]


Node: TypeAlias = Scalar | Sequence | Mapping


def kind_of_plain(text: str) -> Kind:
    """Return what an unquoted scalar is; there are no other implicit types than these."""
    if text in ("", "~", "null"):
        return Kind.NULL
    if text in ("true", "false"):
        return Kind.FLAG
    return Kind.NUMBER if NUMBER.fullmatch(text) else Kind.TEXT


def describe(node: Node) -> str:
    """Return in words what a node is: ``a list``, ``a number``."""
    match node:
        case Sequence():
            return "a list"
        case Mapping():
            return "a mapping"
        case Scalar(kind=Kind.NUMBER):
            return "a number"
        case Scalar(kind=Kind.TEXT):
            return "text"
        case Scalar(kind=Kind.NULL):
            return "nothing"
        case Scalar():
            return node.text


def offset_of(root: Node, path: Path, *, at_key: bool) -> int:
    """Return the offset of the value at ``path`` (or of its key).

    Where the path leads to something that was not written, it is the offset of the nearest value
    on the way that was.
    """
    node, offset = root, root.offset
    for step in path:
        if isinstance(node, Sequence) and isinstance(step, int) and step < len(node.items):
            node = node.items[step]
            offset = node.offset
        elif isinstance(node, Mapping) and isinstance(step, str) and step in node.entries:
            entry = node.entries[step]
            node = entry.node
            offset = entry.offset if at_key else node.offset
        else:
            break
    return offset
