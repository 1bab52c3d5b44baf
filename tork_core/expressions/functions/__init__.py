"""Functions of expressions: declaring them, and tables of them.

A plugin declares its own with :func:`function` and offers them through the hook
``tork_expression_functions``::

    @function("slug(text: string) -> string")
    def slug(text: str) -> str:
        '''Make the text fit for a URL.'''
"""

from __future__ import annotations

from tork_core.expressions.functions.declare import KINDS, Function, Parameter, function
from tork_core.expressions.functions.table import FunctionTable

__all__ = ["KINDS", "Function", "FunctionTable", "Parameter", "function"]
