"""Maps of text whose missing names are empty, such as the inputs of a job."""

from __future__ import annotations

from collections.abc import Mapping


class TextNamespace(dict[str, str]):
    """A map of text in which a name that is not there is the empty text.

    ``inputs.nope == ""`` is true and ``"nope" in inputs`` false. It is a dict, so that reading a
    name costs what it costs there; treat it as read-only.
    """

    __slots__ = ()

    def __missing__(self, name: str) -> str:
        return ""

    @classmethod
    def of(cls, values: Mapping[str, str] | None) -> TextNamespace:
        """A namespace with these values; None makes an empty one."""
        return cls(values or {})
