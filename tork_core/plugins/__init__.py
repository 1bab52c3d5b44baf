"""Finding, loading, listing and refusing plugins.

:func:`load` gives the :class:`Registry` of all that installed plugins offer. What is wrong with a
plugin never ends a program here: it is kept as a problem, for ``tork plugins`` to list and for
servers to refuse.
"""

from tork_core.plugins.installed import BUILT_IN, EntryPoint, find
from tork_core.plugins.loading import OFFERS, Plugin
from tork_core.plugins.registry import Registry, load

__all__ = ["BUILT_IN", "OFFERS", "EntryPoint", "Plugin", "Registry", "find", "load"]
