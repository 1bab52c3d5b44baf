"""The table of functions that expressions may call."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from tork_core.errors import PluginError
from tork_core.expressions.functions.declare import Function


class FunctionTable(Mapping[str, Function]):
    """Functions by name. Tables are immutable and compared by identity."""

    __slots__ = ("__weakref__", "_functions")

    def __init__(self, functions: Iterable[Function] = ()) -> None:
        self._functions: dict[str, Function] = {}
        for one in functions:
            self._add(one)

    def extended(self, functions: Iterable[Function], origin: str = "") -> FunctionTable:
        """A table with further functions, whose ``origin`` names who brings them.

        Raises :class:`PluginError` where a name is taken, unless the function says that it
        overrides the other one.
        """
        table = FunctionTable(self._functions.values())
        for one in functions:
            table._add(one.of_origin(origin) if origin else one)
        return table

    def _add(self, one: Function) -> None:
        other = self._functions.get(one.name)
        if other is not None and not one.overrides:
            raise PluginError(
                f"the function {one.name} of {one.origin or 'a plugin'} is there already (from "
                f"{other.origin or 'another plugin'}); give it another name, or overrides=True"
            )
        self._functions[one.name] = one

    def __getitem__(self, name: str) -> Function:
        return self._functions[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions)

    def __len__(self) -> int:
        return len(self._functions)

    def __hash__(self) -> int:
        return id(self)

    def __eq__(self, other: object) -> bool:
        return self is other
