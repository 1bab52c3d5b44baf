"""JSON that is plainly a job, at the speed of msgspec.

Nearly every submission is right and has nothing that needs thought. For those the careful
reader's tree with its places would be work for nothing.
"""

from __future__ import annotations

import re

import msgspec

from tork_core.model.caps import MAX_DEPTH, MAX_NODES
from tork_core.model.spec import JobSpec

_DECODER = msgspec.json.Decoder(JobSpec)
_TOKEN = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"([ \t\n\r]*+:)?|[\[{]|[\]}]')


def decode_plain(encoded: bytes) -> JobSpec | None:
    """Return the job of a JSON text that needs no explaining, or None for the careful reader.

    msgspec knows all of JSON's and the structs' rules but one: of two equal keys it takes the
    last. The job that it gives has one key for each that it took, so the text has no key twice
    if it has as many as the job when that is written again. Where the counts differ for another
    reason (a null, a default that was written) the other way is only slower.
    """
    if sum(map(encoded.count, (b",", b":", b"{", b"["))) >= MAX_NODES:
        return None
    try:
        spec = _DECODER.decode(encoded)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return None
    keys, depth = _keys_and_depth(encoded)
    if depth > MAX_DEPTH or keys != _keys_and_depth(msgspec.json.encode(spec))[0]:
        return None
    return spec


def _keys_and_depth(encoded: bytes) -> tuple[int, int]:
    keys = depth = deepest = 0
    for token in _TOKEN.finditer(encoded):
        if token[1]:
            keys += 1
        else:
            first = encoded[token.start()]
            if first in b"{[":
                depth += 1
                deepest = max(deepest, depth)
            elif first in b"}]":
                depth -= 1
    return keys, deepest
