"""The function `slug`, for use inside `{{ … }}`."""

import re

from tork_core.expressions import function
from tork_core.hookspecs import hookimpl


@function("slug(text: string) -> string")
def slug(text):
    """The text as it stands in addresses: lower case, its words joined by dashes."""
    return "-".join(re.findall(r"[a-z0-9]+", text.lower()))


@hookimpl
def tork_expression_functions():
    return [slug]
