"""Every decision of the engine: pure functions from what is stored and what came in to what
follows.

:func:`~tork_core.coordinator.decisions.fold.fold` is the way in. No I/O, no clock and no
randomness of their own: ``now`` is the datastore's, what templates draw at random is derived from
the task's id.
"""
