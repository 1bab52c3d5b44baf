"""Structs in words."""

from __future__ import annotations

import inspect
import typing

import msgspec


def sentences(kind: type[msgspec.Struct]) -> str:
    """Return what a struct is for, with its fields' names on the wire."""
    text = " ".join((inspect.getdoc(kind) or "").replace("``", "`").split())
    for field in msgspec.structs.fields(kind):
        text = text.replace(f"`{field.name}`", f"`{field.encode_name}`")
    return text


def words(hint: object) -> str:
    """Return a type in words."""
    arguments = [item for item in typing.get_args(hint) if item is not type(None)]
    if typing.get_origin(hint) is list:
        return f"list of {words(arguments[0])}"
    if arguments:
        return " or ".join(words(item) for item in arguments)
    names = {"str": "text", "int": "number", "bool": "true or false", "datetime": "time"}
    name = getattr(hint, "__name__", str(hint))
    return names.get(name, name)
