"""Tork for Python: a distributed job execution engine."""

from tork_core._version import __version__

__all__ = ["__version__"]
